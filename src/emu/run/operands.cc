// SPDX-License-Identifier: Apache-2.0
#include "emu/run/operands.h"

#include <fmt/format.h>

#include <limits>

#include "emu/ptx/parser.h"
#include "emu/run/machine.h"

namespace fa4::emu {
namespace {

using Kind = ptx::Operand::Kind;

struct SpecialName {
  std::string_view name;
  Special what;
  bool vector;  // .x, .y, .z
};

constexpr SpecialName kSpecialNames[] = {
    {"%tid", Special::Tid, true},
    {"%ntid", Special::Ntid, true},
    {"%ctaid", Special::Ctaid, true},
    {"%nctaid", Special::Nctaid, true},
    {"%laneid", Special::LaneId, false},
    {"%warpid", Special::WarpId, false},
    {"%nwarpid", Special::NumWarps, false},
    {"%lanemask_eq", Special::LanemaskEq, false},
    {"%lanemask_le", Special::LanemaskLe, false},
    {"%lanemask_lt", Special::LanemaskLt, false},
    {"%lanemask_ge", Special::LanemaskGe, false},
    {"%lanemask_gt", Special::LanemaskGt, false},
    {"%smid", Special::SmId, false},
    {"%nsmid", Special::NumSms, false},
    {"%gridid", Special::GridId, false},
    {"%dynamic_smem_size", Special::DynamicSmemSize, false},
    {"%total_smem_size", Special::TotalSmemSize, false},
    {"%clusterid", Special::ClusterId, true},
    {"%nclusterid", Special::NumClusters, true},
    {"%cluster_ctaid", Special::ClusterCtaid, true},
    {"%cluster_nctaid", Special::ClusterNctaid, true},
    {"%cluster_ctarank", Special::ClusterCtarank, false},
    {"%cluster_nctarank", Special::ClusterNctarank, false},
    {"%is_explicit_cluster", Special::IsExplicitCluster, false},
};

bool is_number(const ptx::Operand& operand) {
  return operand.kind == Kind::Integer || operand.kind == Kind::Float32 ||
         operand.kind == Kind::Float64;
}

}  // namespace

Operands::Operands(const LoweringOptions& options, Scopes* scopes, Program* program)
    : options_(options), scopes_(scopes), program_(program), num_rows_(scopes->num_rows()) {}

void Operands::begin(const ptx::Instruction* text, uint32_t scope, uint32_t join) {
  text_ = text;
  scope_ = scope;
  join_ = join;
  program_->first_uses.push_back(static_cast<uint32_t>(program_->uses.size()));
}

void Operands::finish() {
  program_->first_uses.push_back(static_cast<uint32_t>(program_->uses.size()));
  program_->num_rows = num_rows_;
  program_->num_predicates = scopes_->num_predicates();
  program_->local_bytes = (scopes_->local_bytes() + 15) / 16 * 16;
}

void Operands::refuse(const std::string& sentence) {
  throw MachineError(
      fmt::format("line {}: {}: {}", text_->place.line, ptx::print(*text_), sentence));
}

uint16_t Operands::take_rows(uint32_t count) {
  if (num_rows_ + count > std::numeric_limits<uint16_t>::max()) {
    refuse("the kernel has more than 65,535 rows of registers and constants");
  }
  num_rows_ += count;
  return static_cast<uint16_t>(num_rows_ - count);
}

uint16_t Operands::constant_row(uint32_t value, bool shared_address) {
  const auto [at, is_new] = constants_.try_emplace({value, shared_address}, uint16_t{0});
  if (is_new) {
    at->second = take_rows(1);
    program_->constants.push_back({at->second, value, shared_address});
  }
  return at->second;
}

uint16_t Operands::constant(uint32_t value) { return constant_row(value, false); }

uint16_t Operands::constant64(uint64_t value) {
  const auto [at, is_new] = wide_constants_.try_emplace(value, uint16_t{0});
  if (is_new) {
    const uint16_t row = at->second = take_rows(2);
    program_->constants.push_back({row, static_cast<uint32_t>(value), false});
    program_->constants.push_back(
        {static_cast<uint16_t>(row + 1), static_cast<uint32_t>(value >> 32), false});
  }
  return at->second;
}

std::optional<uint16_t> Operands::special_row(std::string_view name, bool wide) {
  const size_t dot = name.find('.');
  const std::string_view component = dot == std::string_view::npos ? "" : name.substr(dot + 1);
  for (const SpecialName& special : kSpecialNames) {
    if (name.substr(0, dot) != special.name) continue;
    if (special.vector != (component == "x" || component == "y" || component == "z")) continue;
    const auto [at, is_new] = specials_.try_emplace({std::string(name), wide}, uint16_t{0});
    if (is_new) {
      at->second = take_rows(wide ? 2 : 1);
      program_->specials.push_back(
          {at->second, special.what,
           static_cast<uint8_t>(component.empty() ? 0 : component[0] - 'x'), wide});
    }
    return at->second;
  }
  return std::nullopt;
}

uint16_t Operands::symbol_row(const Symbol& symbol, int64_t offset, isa::Type type) {
  const uint64_t address = symbol.address + static_cast<uint64_t>(offset);
  if (isa::bits_of(type) == 64) {
    if (symbol.space != Space::Shared) return constant64(address);
    // The rank of the CTA goes into the low word.
    const uint16_t row = take_rows(2);
    program_->constants.push_back({row, static_cast<uint32_t>(address), true});
    program_->constants.push_back({static_cast<uint16_t>(row + 1), 0, false});
    return row;
  }
  if (isa::bits_of(type) != 32) refuse("an address has 32 or 64 bits");
  if (symbol.space == Space::Global) refuse("the address of a global variable has 64 bits");
  return constant_row(static_cast<uint32_t>(address), symbol.space == Space::Shared);
}

void Operands::note_use(const Register& found, uint32_t bits, bool is_written) {
  const bool is_predicate = found.type == isa::Type::Pred;
  const uint32_t count = is_predicate ? 1 : (bits + 31) / 32;
  program_->uses.push_back({found.row, static_cast<uint8_t>(count), static_cast<uint8_t>(bits),
                            is_predicate, is_written});
}

Register Operands::register_of(const ptx::Operand& operand) {
  const std::optional<Register> found = scopes_->find_register(scope_, operand.name);
  if (operand.kind != Kind::Name || !found) {
    refuse(fmt::format("\"{}\" is no register that is declared here", operand.name));
  }
  return *found;
}

uint16_t Operands::row_in(const ptx::Operand& operand, isa::Type type) {
  const uint32_t bits = isa::bits_of(type);
  if (is_number(operand)) {
    if (bits == 64) {
      if (operand.kind == Kind::Float32) refuse("a 32-bit number stands where 64 bits are read");
      return constant64(operand.bits);
    }
    if (operand.kind == Kind::Float64) refuse("a 64-bit number stands where fewer bits are read");
    const uint64_t mask = bits >= 32 ? 0xffffffff : (uint64_t{1} << bits) - 1;
    return constant(static_cast<uint32_t>(operand.bits & mask));
  }
  if (operand.kind != Kind::Name) refuse("a register, a number or a symbol must stand here");
  if (const std::optional<Register> found = scopes_->find_register(scope_, operand.name)) {
    if (found->type == isa::Type::Pred) refuse(fmt::format("{} is a predicate", operand.name));
    if (isa::bits_of(found->type) < bits) {
      refuse(fmt::format("{} has {} bits; {} are read", operand.name, isa::bits_of(found->type),
                         bits));
    }
    note_use(*found, bits, false);
    return found->row;
  }
  if (const std::optional<uint16_t> special = special_row(operand.name, bits == 64))
    return *special;
  if (const Symbol* symbol = scopes_->find_symbol(scope_, operand.name)) {
    return symbol_row(*symbol, operand.offset, type);
  }
  refuse(
      fmt::format("\"{}\" is neither a register nor a symbol that is declared here", operand.name));
}

uint16_t Operands::row_out(const ptx::Operand& operand, isa::Type type) {
  if (operand.kind == Kind::Sink) return 0;
  const Register found = register_of(operand);
  const uint32_t bits = isa::bits_of(type), has = isa::bits_of(found.type);
  if (found.type == isa::Type::Pred) refuse(fmt::format("{} is a predicate", operand.name));
  if (has < bits || (has > 32 && bits <= 32)) {
    refuse(fmt::format("{} has {} bits; {} are written", operand.name, has, bits));
  }
  note_use(found, bits, true);
  return found.row;
}

isa::Predicate Operands::predicate_in(const ptx::Operand& operand) {
  if (operand.kind == Kind::Not) {
    isa::Predicate inner = predicate_in(operand.parts.at(0));
    inner.negated = !inner.negated;
    return inner;
  }
  const uint16_t index = predicate_of(operand);
  if (operand.kind != Kind::Sink) note_use({isa::Type::Pred, index}, 1, false);
  return {index, false};
}

bool Operands::is_predicate(const ptx::Operand& operand) const {
  if (operand.kind == Kind::Not) return true;
  const std::optional<Register> found = scopes_->find_register(scope_, operand.name);
  return found && found->type == isa::Type::Pred;
}

uint16_t Operands::predicate_of(const ptx::Operand& operand) {
  if (operand.kind == Kind::Sink) return 0;
  const Register found = register_of(operand);
  if (found.type != isa::Type::Pred) refuse(fmt::format("{} is no predicate", operand.name));
  return found.row;
}

uint16_t Operands::predicate_out(const ptx::Operand& operand) {
  const uint16_t index = predicate_of(operand);
  if (operand.kind != Kind::Sink) note_use({isa::Type::Pred, index}, 1, true);
  return index;
}

uint16_t Operands::guard() {
  ptx::Operand operand;
  operand.kind = Kind::Name;
  operand.name = text_->guard;
  return predicate_in(operand).index;
}

isa::Address Operands::address(const ptx::Operand& operand) {
  if (operand.kind != Kind::Address || operand.parts.empty()) refuse("an address must stand here");
  const ptx::Operand& base = operand.parts[0];
  const auto offset_of = [&](int64_t offset) {
    if (offset < std::numeric_limits<int32_t>::min() ||
        offset > std::numeric_limits<int32_t>::max()) {
      refuse("the offset of an address has 32 bits");
    }
    return static_cast<int32_t>(offset);
  };
  if (base.kind == Kind::Integer) return {constant64(base.bits), true, 0};
  if (const std::optional<Register> found = scopes_->find_register(scope_, base.name)) {
    const uint32_t bits = isa::bits_of(found->type);
    if (bits != 32 && bits != 64) refuse("an address has 32 or 64 bits");
    note_use(*found, bits, false);
    return {found->row, bits == 64, offset_of(base.offset)};
  }
  const Symbol* symbol = scopes_->find_symbol(scope_, base.name);
  if (symbol == nullptr) {
    refuse(
        fmt::format("\"{}\" is neither a register nor a symbol that is declared here", base.name));
  }
  const bool wide = symbol->space == Space::Global;
  return {symbol_row(*symbol, 0, wide ? isa::Type::B64 : isa::Type::B32), wide,
          offset_of(base.offset)};
}

uint32_t Operands::bits(const ptx::Operand& operand) const {
  if (const std::optional<Register> found = scopes_->find_register(scope_, operand.name)) {
    return isa::bits_of(found->type);
  }
  const Symbol* symbol = scopes_->find_symbol(scope_, operand.name);
  return symbol != nullptr && symbol->space != Space::Shared ? 64 : 32;
}

uint32_t Operands::target(const ptx::Operand& label) {
  const std::optional<uint32_t> found = scopes_->find_label(scope_, label.name);
  if (!found) refuse(fmt::format("there is no label {}", label.name));
  return *found;
}

uint32_t Operands::list(const std::vector<uint32_t>& values) {
  const auto first = static_cast<uint32_t>(program_->lists.size());
  program_->lists.insert(program_->lists.end(), values.begin(), values.end());
  return first;
}

int64_t Operands::number(const ptx::Operand& operand) {
  if (operand.kind != Kind::Integer) refuse("a number must stand here");
  return static_cast<int64_t>(operand.bits);
}

}  // namespace fa4::emu
