// SPDX-License-Identifier: Apache-2.0
// Variables of every space, parameters included (PTX ISA 9.0, chapter 5).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "emu/ptx/grammar.h"

namespace fa4::emu::ptx {
namespace {

constexpr std::array<std::string_view, 6> kVariableSpaces = {".reg",   ".global", ".shared",
                                                             ".local", ".const",  ".param"};
constexpr std::array<std::string_view, 24> kVariableTypes = {
    ".b8",  ".b16",  ".b32",  ".b64",    ".b128", ".u8",     ".u16",        ".u32",
    ".u64", ".s8",   ".s16",  ".s32",    ".s64",  ".f16",    ".f16x2",      ".f32",
    ".f64", ".pred", ".bf16", ".bf16x2", ".tf32", ".texref", ".samplerref", ".surfref"};
constexpr std::array<std::string_view, 5> kPointerSpaces = {".global", ".shared", ".local",
                                                            ".const", ".param"};

// An array of more elements than this is a slip of the pen, and spares everybody the question of overflow.
constexpr int64_t kMostElements = int64_t{1} << 40;
constexpr size_t kMostDimensions = 16;
constexpr uint64_t kMostAlignment = uint64_t{1} << 31;

template <size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

// .visible .global .align 4 .v4 .f32
Variable Parser::specifiers(std::string_view linkage) {
  if (!at(Token::Kind::Dotted) || !is_one_of(now_.text, kVariableSpaces)) {
    unexpected(linkage.empty() ? "a directive that may stand here"
                               : fmt::format("a variable or a function after .{}", linkage));
  }
  Variable variable;
  variable.linkage = linkage;
  variable.space = take().text.substr(1);
  while (variable.type.empty()) specifier(variable);
  if (at(".ptr")) pointer_attribute(variable);
  return variable;
}

void Parser::specifier(Variable& variable) {
  if (at(".align")) {
    if (variable.alignment != 0) refuse(now_.place, "a second .align");
    variable.alignment = alignment();
  } else if (at(".attribute")) {
    attribute(variable);
  } else if (at(".v2") || at(".v4") || at(".v8")) {
    if (variable.vector != 1) refuse(now_.place, "a second size of a vector");
    variable.vector = static_cast<uint32_t>(take().text[2] - '0');
  } else if (at(Token::Kind::Dotted) && is_one_of(now_.text, kVariableTypes)) {
    variable.type = take().text.substr(1);
  } else {
    unexpected(fmt::format("the type of a .{} variable", variable.space));
  }
}

uint32_t Parser::alignment() {
  take();
  const Place place = now_.place;
  const uint64_t bytes = expect_integer("an alignment", kMostAlignment);
  if (!std::has_single_bit(bytes))
    refuse(place, fmt::format("an alignment is a power of two, not {}", bytes));
  return static_cast<uint32_t>(bytes);
}

// .ptr .global .align 16: of what a parameter points to, not of the parameter.
void Parser::pointer_attribute(Variable& variable) {
  if (variable.space != "param")
    unexpected(fmt::format("the name of a .{} variable", variable.space));
  const Token first = take();
  if (at(Token::Kind::Dotted) && is_one_of(now_.text, kPointerSpaces)) take();
  if (at(".align")) alignment();
  variable.attributes.push_back(text_since(first).substr(1));
}

// .attribute(.managed), .attribute(.unified(1, 2)); several are separated by commas.
void Parser::attribute(Variable& variable) {
  take();
  expect('(', ".attribute");
  do {
    if (!at(".managed") && !at(".unified")) unexpected(".managed or .unified");
    const bool has_numbers = at(".unified");
    const Token first = take();
    if (has_numbers) {
      expect('(', ".unified");
      expect_integer("a half of a UUID", UINT64_MAX);
      expect(',', "the first half of a UUID");
      expect_integer("a half of a UUID", UINT64_MAX);
      expect(')', "the second half of a UUID");
    }
    variable.attributes.push_back(text_since(first).substr(1));
  } while (take_if(','));
  expect(')', "an attribute");
}

std::vector<Variable> Parser::variables(std::string_view linkage) {
  const Variable common = specifiers(linkage);
  std::vector<Variable> all;
  do {
    all.push_back(declarator(common));
  } while (take_if(','));
  expect(';', fmt::format("the declaration of {}", all.back().name));
  return all;
}

Variable Parser::declarator(const Variable& common) {
  Variable variable = common;
  variable.place = now_.place;
  variable.name = expect_word(fmt::format("the name of a .{} variable", common.space));
  if (at('<')) {
    if (variable.space != "reg")
      unexpected(fmt::format("'[', '=', ',' or ';' after {}", variable.name));
    take();
    const Place place = now_.place;
    variable.count = static_cast<uint32_t>(expect_integer("a number of registers", UINT32_MAX));
    if (variable.count == 0) refuse(place, "a number of registers is at least 1, not 0");
    expect('>', "a number of registers");
  }
  extents(variable);
  if (at('=')) initializers(variable);
  return variable;
}

void Parser::extents(Variable& variable) {
  int64_t num_elements = variable.vector;  // with every length of 0 or [] taken as 1
  while (at('[')) {
    const Place place = take().place;
    if (variable.extents.size() == kMostDimensions) {
      refuse(place, fmt::format("an array of more than {} dimensions", kMostDimensions));
    }
    int64_t extent = -1;
    if (!at(']')) {
      extent = static_cast<int64_t>(expect_integer("the length of an array", kMostElements));
      const int64_t factor = std::max<int64_t>(extent, 1);
      if (num_elements > kMostElements / factor)
        refuse(place, "an array of more than 2^40 elements");
      num_elements *= factor;
    } else if (!variable.extents.empty()) {
      unexpected("a length, which only the first dimension may leave open");
    }
    variable.extents.push_back(extent);
    expect(']', "the length of an array");
  }
}

}  // namespace fa4::emu::ptx
