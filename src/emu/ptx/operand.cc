// SPDX-License-Identifier: Apache-2.0
// Operands, by their shape alone (PTX ISA 9.0, chapter 6).
#include <fmt/format.h>

#include "emu/ptx/grammar.h"

namespace fa4::emu::ptx {
namespace {

// [map, {a, b}] is two deep.
constexpr int kMostOperandDepth = 4;
constexpr uint64_t kMostOffset = uint64_t{1} << 62;

Operand operand_around(Operand::Kind kind, Place place) {
  Operand operand;
  operand.kind = kind;
  operand.place = place;
  return operand;
}

}  // namespace

Operand Parser::operand(int depth) {
  if (depth == kMostOperandDepth) {
    refuse(now_.place,
           fmt::format("an operand of more than {} parts in each other", kMostOperandDepth));
  }
  switch (now_.kind) {
    case Token::Kind::Word: {
      Operand first = name();
      if (!at('|')) return first;
      Operand pair = operand_around(Operand::Kind::Pair, first.place);
      take();
      if (!at(Token::Kind::Word)) unexpected("a register or '_' after '|'");
      pair.parts.push_back(std::move(first));
      pair.parts.push_back(name());
      return pair;
    }
    case Token::Kind::Integer:
    case Token::Kind::Float32:
    case Token::Kind::Float64:
      return number(false);
    case Token::Kind::Mark:
      if (at('[')) return address(depth);
      if (at('{')) return sequence(Operand::Kind::Vector, '}', depth);
      if (at('!')) return wrapped(Operand::Kind::Not);
      if (at('-')) return wrapped(Operand::Kind::Negated);
      break;
    default:
      break;
  }
  unexpected("an operand");
}

Operand Parser::number(bool negative) {
  Operand number;
  number.place = now_.place;
  const Token token = take();
  number.bits = token.bits;
  if (token.kind == Token::Kind::Integer) {
    number.kind = Operand::Kind::Integer;
    if (negative) {
      if (token.bits > uint64_t{1} << 63) {
        refuse(token.place, fmt::format("-{} has more than 64 bits", token.bits));
      }
      number.bits = uint64_t{0} - token.bits;
    }
  } else {
    const bool is_double = token.kind == Token::Kind::Float64;
    number.kind = is_double ? Operand::Kind::Float64 : Operand::Kind::Float32;
    if (negative) number.bits ^= uint64_t{1} << (is_double ? 63 : 31);
  }
  return number;
}

// _, %r1, %tid.x, name+8
Operand Parser::name() {
  const Token first = take();
  Operand operand = operand_around(Operand::Kind::Name, first.place);
  if (first.text == "_") {
    operand.kind = Operand::Kind::Sink;
    return operand;
  }
  while (at(Token::Kind::Dotted)) {
    if (now_.text.data() != taken_end_) unexpected(fmt::format("',' or ';' after {}", first.text));
    take();
  }
  operand.name = text_since(first);
  operand.offset = offset();
  return operand;
}

// +8, +-8, +8+4, or nothing: the assembler wants the plus.
int64_t Parser::offset() {
  int64_t sum = 0;
  while (at('+')) {
    const Place place = take().place;
    const bool negative = take_if('-');
    const auto value = static_cast<int64_t>(expect_integer("an offset", kMostOffset));
    sum += negative ? -value : value;
    if (sum > int64_t{kMostOffset} || sum < -int64_t{kMostOffset}) {
      refuse(place, fmt::format("an offset of {} is beyond 2^62", sum));
    }
  }
  return sum;
}

// {a, b}, and (a, b) of a call
Operand Parser::sequence(Operand::Kind kind, char close, int depth) {
  const Token open = take();
  Operand sequence = operand_around(kind, open.place);
  if (kind == Operand::Kind::List && take_if(close)) return sequence;
  sequence.parts.reserve(4);
  do {
    sequence.parts.push_back(operand(depth + 1));
  } while (take_if(','));
  if (!take_if(close)) unexpected(fmt::format("',' or '{}' after an operand", close));
  return sequence;
}

// [%rd1+8], [16], [%rd1, {%r1, %r2}]
Operand Parser::address(int depth) {
  Operand address = operand_around(Operand::Kind::Address, take().place);
  if (at(Token::Kind::Word)) {
    address.parts.push_back(name());
  } else if (at(Token::Kind::Integer)) {
    address.parts.push_back(number(false));
  } else {
    unexpected("a name or a number after '['");
  }
  while (take_if(',')) address.parts.push_back(operand(depth + 1));
  if (!take_if(']')) unexpected("'+', ',' or ']' in an address");
  return address;
}

// !%p1, -%r1; a number takes its sign.
Operand Parser::wrapped(Operand::Kind kind) {
  Operand wrapped = operand_around(kind, take().place);
  const bool is_number =
      at(Token::Kind::Integer) || at(Token::Kind::Float32) || at(Token::Kind::Float64);
  if (kind == Operand::Kind::Negated && is_number) {
    Operand value = number(true);
    value.place = wrapped.place;
    return value;
  }
  if (!at(Token::Kind::Word))
    unexpected(kind == Operand::Kind::Not ? "a predicate after '!'"
                                          : "a register or a number after '-'");
  wrapped.parts.push_back(name());
  return wrapped;
}

}  // namespace fa4::emu::ptx
