// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "emu/run/machine.h"
#include "emu/run/operands.h"

namespace fa4::emu {
namespace {

uint32_t rows_of(isa::Type type) { return (isa::bits_of(type) + 31) / 32; }

[[noreturn]] void scope_failed(const ptx::Place& place, const std::string& sentence) {
  throw MachineError(fmt::format("line {}: {}", place.line, sentence));
}

}  // namespace

uint64_t bytes_of(const ptx::Variable& variable) {
  const std::optional<isa::Type> type = isa::type_named(variable.type);
  uint64_t bytes = type ? (isa::bits_of(*type) + 7) / 8 : 8;  // references are 8 bytes
  bytes *= variable.vector;
  const bool open = !variable.extents.empty() && variable.extents.front() < 0;
  if (open && variable.initialized) return bytes * variable.values.size();  // x[] = {1, 2}
  for (const int64_t extent : variable.extents)
    bytes *= extent < 0 ? 0 : static_cast<uint64_t>(extent);
  return bytes;
}

uint32_t alignment_of(const ptx::Variable& variable) {
  if (variable.alignment != 0) return variable.alignment;
  const std::optional<isa::Type> type = isa::type_named(variable.type);
  return (type ? (isa::bits_of(*type) + 7) / 8 : 8) * variable.vector;
}

uint32_t Scopes::open(uint32_t parent) {
  scopes_.push_back({.parent = parent, .labels = {}, .registers = {}, .symbols = {}});
  return static_cast<uint32_t>(scopes_.size() - 1);
}

void Scopes::add_label(uint32_t scope, std::string_view name, uint32_t at) {
  scopes_[scope].labels[name] = at;
}

void Scopes::add_symbol(uint32_t scope, std::string_view name, const Symbol& symbol) {
  scopes_[scope].symbols[name] = symbol;
}

void Scopes::add_variable(uint32_t scope, const ptx::Variable& variable) {
  const auto rounded = [&](uint64_t at) {
    const uint64_t alignment = alignment_of(variable);
    return (at + alignment - 1) / alignment * alignment;
  };
  if (variable.space == "reg") {
    const std::optional<isa::Type> type = isa::type_named(variable.type);
    if (!type || variable.vector != 1) {
      scope_failed(variable.place,
                   fmt::format("registers of type {}{} are not served",
                               variable.vector == 1 ? "" : "vector ", variable.type));
    }
    uint32_t* next = *type == isa::Type::Pred ? &num_predicates_ : &num_rows_;
    const uint32_t each = *type == isa::Type::Pred ? 1 : rows_of(*type);
    const uint64_t end = *next + uint64_t{each} * std::max(variable.count, 1u);
    if (end > 0x7000) scope_failed(variable.place, "the kernel has more than 28,672 register rows");
    scopes_[scope].registers[variable.name] = {*type, variable.count, static_cast<uint16_t>(*next)};
    *next = static_cast<uint32_t>(end);
  } else if (variable.space == "local") {
    const uint64_t at = rounded(local_bytes_);
    if (at + bytes_of(variable) > 512 << 10) {
      scope_failed(variable.place, "a thread has at most 512 KiB of local memory");
    }
    add_symbol(scope, variable.name, {Space::Local, at, bytes_of(variable)});
    local_bytes_ = static_cast<uint32_t>(at + bytes_of(variable));
  } else if (variable.space == "shared") {
    const uint64_t at = rounded(shared_end_);
    add_symbol(scope, variable.name, {Space::Shared, at, bytes_of(variable)});
    shared_end_ = at + bytes_of(variable);
    shared_.emplace_back(&variable, at);
    if (shared_end_ > kOffsetMask) scope_failed(variable.place, "too much shared memory");
  } else {
    scope_failed(
        variable.place,
        fmt::format("a variable in space .{} within a function is not served", variable.space));
  }
}

std::optional<uint32_t> Scopes::find_label(uint32_t scope, std::string_view name) const {
  for (;; scope = scopes_[scope].parent) {
    const auto found = scopes_[scope].labels.find(name);
    if (found != scopes_[scope].labels.end()) return found->second;
    if (scope == 0) return std::nullopt;
  }
}

std::optional<Register> Scopes::find_register(uint32_t scope, std::string_view name) const {
  const size_t digits = name.find_last_not_of("0123456789") + 1;
  // %r01 is not %r1, and no range is so long that its numbers have ten digits.
  const std::string_view text = name.substr(digits);
  const bool is_number = !text.empty() && text.size() < 10 && (text == "0" || text[0] != '0');
  uint64_t number = 0;
  for (const char digit : is_number ? text : "")
    number = number * 10 + static_cast<uint64_t>(digit - '0');
  for (;; scope = scopes_[scope].parent) {
    const std::map<std::string_view, RegisterRange>& registers = scopes_[scope].registers;
    const auto whole = registers.find(name);
    if (whole != registers.end() && whole->second.count == 0) {
      return Register{whole->second.type, whole->second.first};
    }
    const auto range = is_number ? registers.find(name.substr(0, digits)) : registers.end();
    if (range != registers.end() && number < range->second.count) {
      const uint32_t each = range->second.type == isa::Type::Pred ? 1 : rows_of(range->second.type);
      return Register{range->second.type,
                      static_cast<uint16_t>(range->second.first + number * each)};
    }
    if (scope == 0) return std::nullopt;
  }
}

const Symbol* Scopes::find_symbol(uint32_t scope, std::string_view name) const {
  for (;; scope = scopes_[scope].parent) {
    const auto found = scopes_[scope].symbols.find(name);
    if (found != scopes_[scope].symbols.end()) return &found->second;
    if (scope == 0) return nullptr;
  }
}

}  // namespace fa4::emu
