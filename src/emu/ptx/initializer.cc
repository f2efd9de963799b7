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
  std::vector<int64_t> extents = variable.extents;
  if (variable.vector > 1) extents.push_back(variable.vector);
  if (std::find(extents.begin(), extents.end(), 0) != extents.end()) {
    refuse(now_.place, fmt::format("{} has no elements, but initial values", variable.name));
  }
  initializer_group(variable, extents);
}

// The initial values of an array of such dimensions; a scalar has none.
void Parser::initializer_group(Variable& variable, std::span<const int64_t> extents) {
  if (extents.empty()) {
    variable.values.push_back(initializer());
    return;
  }
  if (!at('{')) unexpected(fmt::format("the '{{' of initial values of {}", variable.name));
  take();
  int64_t row = 1;  // elements of each thing of which there are extents[0]
  for (const int64_t extent : extents.subspan(1)) row *= extent;
  int64_t num_rows = 0;
  do {
    const Place place = now_.place;
    if (num_rows == extents[0]) {
      refuse(place, fmt::format("more than {} initial values in a dimension of {}", extents[0],
                                variable.name));
    }
    const size_t begin = variable.values.size();
    initializer_group(variable, extents.subspan(1));
    if (static_cast<int64_t>(variable.values.size() - begin) != row) {
      refuse(place, fmt::format("{} initial values for a row of {} elements of {}",
                                variable.values.size() - begin, row, variable.name));
    }
    ++num_rows;
  } while (take_if(','));
  expect('}', "an initial value");
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
    expect(')', "the name in generic()");
  }
  value.offset = offset();
}

}  // namespace fa4::emu::ptx
