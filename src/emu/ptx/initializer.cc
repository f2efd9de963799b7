// SPDX-License-Identifier: Apache-2.0
// Initial values of variables: numbers and addresses (PTX ISA 9.0, 5.4.3 to 5.4.5).
#include <fmt/format.h>

#include <algorithm>

#include "emu/ptx/grammar.h"

namespace fa4::emu::ptx {

// = 5, = {1, 2, 3}, = {{1, 2}, {3, 4}}: kept flat, which needs every inner group to be full.
void Parser::initializers(Variable& variable) {
  if (variable.space != "global" && variable.space != "const") {
    refuse(now_.place,
           fmt::format("{} has an initial value, which only .global and .const variables have",
                       variable.name));
  }
  take();
  variable.initialized = true;
  if (variable.extents.empty() && variable.vector == 1) {
    variable.values.push_back(initializer());
    return;
  }
  if (!at('{')) unexpected(fmt::format("the '{{' of the initial values of {}", variable.name));
  std::vector<int64_t> extents = variable.extents;
  if (variable.vector > 1) extents.push_back(variable.vector);
  if (std::find(extents.begin(), extents.end(), 0) != extents.end()) {
    refuse(now_.place, fmt::format("{} has no elements, but initial values", variable.name));
  }
  initializer_group(variable, extents);
}

void Parser::initializer_group(Variable& variable, std::span<const int64_t> extents) {
  const Place place = take().place;
  int64_t row = 1;  // elements of each thing of which there are extents[0]
  for (const int64_t extent : extents.subspan(1)) row *= extent;
  const size_t begin = variable.values.size();
  const auto num_values = [&] { return static_cast<int64_t>(variable.values.size() - begin); };
  do {
    if (!at('{')) {
      variable.values.push_back(initializer());
      continue;
    }
    const Place inner = now_.place;
    if (extents.size() == 1)
      refuse(inner, fmt::format("more braces than dimensions of {}", variable.name));
    const int64_t before = num_values();
    initializer_group(variable, extents.subspan(1));
    if (before % row != 0 || num_values() - before != row) {
      refuse(inner, fmt::format("a group of {} initial values, where a row of {} has {} elements",
                                num_values() - before, variable.name, row));
    }
  } while (take_if(','));
  expect('}', "an initial value");
  if (extents[0] >= 0 && num_values() > extents[0] * row) {
    refuse(place, fmt::format("{} initial values for {} elements of {}", num_values(),
                              extents[0] * row, variable.name));
  }
}

// A number; name, name+8, generic(name)+8; a byte of an address: 0xFF00(name), 0xFF(generic(name)).
Initializer Parser::initializer() {
  Initializer value;
  if (at(Token::Kind::Word)) {
    initial_address(value);
    return value;
  }
  const bool is_mask = at(Token::Kind::Integer) && after_.mark == '(';
  const bool negative = take_if('-');
  if (!at(Token::Kind::Integer) && !at(Token::Kind::Float32) && !at(Token::Kind::Float64)) {
    unexpected("an initial value");
  }
  const Place place = now_.place;
  const Operand read = number(negative);
  value.kind = read.kind;
  value.bits = read.bits;
  if (!is_mask) return value;
  if (value.bits == 0) refuse(place, "a mask of an address selects a byte, and is not 0");
  take();
  initial_address(value);
  expect(')', "the address that is masked");
  return value;
}

void Parser::initial_address(Initializer& value) {
  value.kind = Operand::Kind::Name;
  value.symbol = expect_word("the name of a variable or a function");
  value.generic = value.symbol == "generic" && at('(');
  if (value.generic) {
    take();
    value.symbol = expect_word("the name of a variable after 'generic('");
    value.offset = offset();
    expect(')', "the name in generic()");
  }
  value.offset += offset();
}

}  // namespace fa4::emu::ptx
