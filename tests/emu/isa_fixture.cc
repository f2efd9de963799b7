// SPDX-License-Identifier: Apache-2.0
#include "emu/isa_fixture.h"

#include <bit>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace fa4::emu::isa {
namespace {

// What the decoder of these tests throws.
class DecodeError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr uint32_t kRowsOfRegisters = 64;  // two for each of %h, %r, %f, %d, %g and number 0..5
constexpr uint32_t kRowsOfAll = 256;
constexpr uint32_t kPredicates = 8;

using Kind = ptx::Operand::Kind;

ptx::Operand operand_of(std::string_view text) {
  ptx::Operand operand;
  const size_t bar = text.find('|');
  if (bar != std::string_view::npos) {
    operand.kind = Kind::Pair;
    operand.parts = {operand_of(text.substr(0, bar)), operand_of(text.substr(bar + 1))};
  } else if (text == "_") {
    operand.kind = Kind::Sink;
  } else if (text.front() == '!') {
    operand.kind = Kind::Not;
    operand.parts = {operand_of(text.substr(1))};
  } else if (text.front() == '%') {
    operand.kind = Kind::Name;
    operand.name = text;
  } else if (text.substr(0, 2) == "0f" || text.substr(0, 2) == "0d") {
    operand.kind = text[1] == 'f' ? Kind::Float32 : Kind::Float64;
    operand.bits = std::stoull(std::string(text.substr(2)), nullptr, 16);
  } else {
    operand.kind = Kind::Integer;
    const std::string number(text);
    operand.bits = number[0] == '-' ? static_cast<uint64_t>(std::stoll(number, nullptr, 0))
                                    : std::stoull(number, nullptr, 0);
  }
  return operand;
}

uint32_t width_of(std::string_view name) {
  switch (name.at(1)) {
    case 'p':
      return 1;
    case 'h':
      return 16;
    case 'd':
    case 'g':
      return 64;
    default:
      return 32;
  }
}

uint16_t row_of(std::string_view name) {
  const size_t kind = std::string_view("hrfdg").find(name.at(1));
  return static_cast<uint16_t>(2 * (kind * 6 + static_cast<size_t>(name.at(2) - '0')) + 2);
}

}  // namespace

ptx::Instruction instruction_of(std::string_view text) {
  ptx::Instruction instruction;
  const size_t space = text.find(' ');
  std::string_view head = text.substr(0, space);
  size_t dot = head.find('.');
  instruction.opcode = head.substr(0, dot);
  while (dot != std::string_view::npos) {
    head.remove_prefix(dot + 1);
    dot = head.find('.');
    instruction.modifiers.push_back(head.substr(0, dot));
  }
  std::string_view rest = text.substr(space + 1);
  for (;;) {
    const size_t comma = rest.find(", ");
    instruction.operands.push_back(operand_of(rest.substr(0, comma)));
    if (comma == std::string_view::npos) return instruction;
    rest.remove_prefix(comma + 2);
  }
}

OneWarp::OneWarp(uint32_t arch) : arch_(arch), used_rows_(kRowsOfRegisters) {
  warp.row_storage.resize(kRowsOfAll);
  warp.predicate_storage.resize(kPredicates);
  warp.rows = warp.row_storage.data();
  warp.predicates = warp.predicate_storage.data();
}

void OneWarp::set(std::string_view name, int lane, uint64_t value) {
  if (width_of(name) == 1) {
    LaneMask& mask = warp.predicates[name.at(2) - '0'];
    mask = (mask & ~(LaneMask{1} << lane)) | static_cast<LaneMask>(value & 1) << lane;
    return;
  }
  Row* row = warp.rows + row_of(name);
  row[0].lane[lane] = static_cast<uint32_t>(value);
  if (width_of(name) == 64) row[1].lane[lane] = static_cast<uint32_t>(value >> 32);
}

uint64_t OneWarp::get(std::string_view name, int lane) const {
  if (width_of(name) == 1) return warp.predicates[name.at(2) - '0'] >> lane & 1;
  const Row* row = warp.rows + row_of(name);
  return row[0].lane[lane] |
         (width_of(name) == 64 ? static_cast<uint64_t>(row[1].lane[lane]) << 32 : 0);
}

Instr OneWarp::decode(const ptx::Instruction& text) {
  used_rows_ = kRowsOfRegisters;
  std::string near_miss;
  const int form = find_form(text, &near_miss);
  if (form < 0) refuse("unknown form; the nearest one is " + near_miss);
  const Form& row = form_at(static_cast<uint16_t>(form));
  if (row.least_arch > arch_) refuse("needs sm_" + std::to_string(row.least_arch));
  return row.decode(*this, Words(text.modifiers), text);
}

void OneWarp::run(std::string_view text, LaneMask active) {
  const ptx::Instruction instruction = instruction_of(text);
  try {
    const Instr instr = decode(instruction);
    warp.active = active;
    warp.current = &instr;
    EXPECT_EQ(instr.exec(warp, instr), Outcome::Next) << text;
  } catch (const DecodeError& error) {
    ADD_FAILURE() << text << ": " << error.what();
  }
}

std::string OneWarp::refusal(std::string_view text) {
  const ptx::Instruction instruction = instruction_of(text);
  try {
    decode(instruction);
  } catch (const DecodeError& error) {
    return error.what();
  }
  return "";
}

uint16_t OneWarp::row_in(const ptx::Operand& operand, Type type) {
  if (operand.kind == Kind::Name) {
    if (width_of(operand.name) < bits_of(type)) refuse("too narrow a register is read");
    return row_of(operand.name);
  }
  if (bits_of(type) == 64) return constant64(operand.bits);
  const uint64_t mask = (uint64_t{1} << bits_of(type)) - 1;
  return constant(static_cast<uint32_t>(operand.bits & mask));
}

uint16_t OneWarp::row_out(const ptx::Operand& operand, Type type) {
  if (operand.kind == Kind::Sink) return 0;
  if (width_of(operand.name) < bits_of(type)) refuse("too narrow a register is written");
  return row_of(operand.name);
}

uint16_t OneWarp::constant(uint32_t value) {
  for (uint32_t& lane : warp.rows[used_rows_].lane) lane = value;
  return static_cast<uint16_t>(used_rows_++);
}

uint16_t OneWarp::constant64(uint64_t value) {
  const uint16_t low = constant(static_cast<uint32_t>(value));
  constant(static_cast<uint32_t>(value >> 32));
  return low;
}

Predicate OneWarp::predicate_in(const ptx::Operand& operand) {
  if (operand.kind != Kind::Not) return {predicate_out(operand), false};
  Predicate inner = predicate_in(operand.parts.at(0));
  inner.negated = !inner.negated;
  return inner;
}

bool OneWarp::is_predicate(const ptx::Operand& operand) const {
  return operand.kind == Kind::Not || (operand.kind == Kind::Name && operand.name.at(1) == 'p');
}

uint16_t OneWarp::predicate_out(const ptx::Operand& operand) {
  if (operand.kind == Kind::Sink) return 0;
  if (!is_predicate(operand)) refuse("a predicate must stand here");
  return static_cast<uint16_t>(operand.name.at(2) - '0');
}

Address OneWarp::address(const ptx::Operand&) { throw DecodeError("arithmetic has no addresses"); }

uint32_t OneWarp::bits(const ptx::Operand& operand) const {
  return operand.kind == Kind::Name ? width_of(operand.name) : 32;
}

int64_t OneWarp::number(const ptx::Operand& operand) {
  if (operand.kind != Kind::Integer) refuse("a number must stand here");
  return static_cast<int64_t>(operand.bits);
}

void OneWarp::refuse(const std::string& sentence) { throw DecodeError(sentence); }

void expect_lanes(std::string_view text, const Twin& twin) {
  std::mt19937_64 random(std::hash<std::string_view>{}(text));
  const ptx::Instruction instruction = instruction_of(text);
  std::vector<std::string_view> inputs;
  for (size_t k = 1; k < instruction.operands.size(); ++k) {
    const ptx::Operand& operand = instruction.operands[k];
    if (operand.kind == Kind::Name) inputs.push_back(operand.name);
    if (operand.kind == Kind::Not) inputs.push_back(operand.parts[0].name);
  }
  const ptx::Operand& first = instruction.operands[0];
  const std::string_view output = first.kind == Kind::Pair ? first.parts[0].name : first.name;
  OneWarp one(100);
  for (int round = 0; round < 150; ++round) {
    const LaneMask active = round % 3 == 0 ? kAllLanes : static_cast<LaneMask>(random());
    std::array<std::array<uint64_t, 8>, kLanes> in{};
    std::array<uint64_t, kLanes> before{};
    for (int lane = 0; lane < kLanes; ++lane) {
      before[lane] = any_value(random, width_of(output));
      one.set(output, lane, before[lane]);
      for (size_t k = 0; k < inputs.size(); ++k) {
        in[lane][k] = any_value(random, width_of(inputs[k]));
        one.set(inputs[k], lane, in[lane][k]);
      }
      // A register that is read and written has one value.
      for (size_t k = 0; k < inputs.size(); ++k) in[lane][k] = one.get(inputs[k], lane);
      before[lane] = one.get(output, lane);
    }
    one.run(text, active);
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint64_t expected = has_lane(active, lane) ? twin(in[lane].data()) : before[lane];
      const uint64_t got = one.get(output, lane);
      ASSERT_EQ(got, expected) << text << std::hex << ", inputs " << in[lane][0] << ' '
                               << in[lane][1] << ' ' << in[lane][2] << ", lane " << lane << " of "
                               << active << ": " << got << " for " << expected;
    }
  }
}

}  // namespace fa4::emu::isa
