// SPDX-License-Identifier: Apache-2.0
// Entries and functions: what stands around their bodies (PTX ISA 9.0, 11.2 to 11.4).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "emu/ptx/grammar.h"

namespace fa4::emu::ptx {
namespace {

struct DirectiveSyntax {
  std::string_view name;
  size_t least_values, most_values;
};
constexpr std::array<DirectiveSyntax, 12> kPerformanceDirectives = {{
    {".maxntid", 1, 3},
    {".reqntid", 1, 3},
    {".minnctapersm", 1, 1},
    {".maxnctapersm", 1, 1},
    {".maxnreg", 1, 1},
    {".noreturn", 0, 0},
    {".explicitcluster", 0, 0},
    {".reqnctapercluster", 1, 3},
    {".maxclusterrank", 1, 1},
    {".blocksareclusters", 0, 0},
    {".abi_preserve", 1, 1},
    {".abi_preserve_control", 1, 1},
}};

}  // namespace

Function Parser::function(std::string_view linkage) {
  Function function;
  function.linkage = linkage;
  function.entry = take().text == ".entry";
  source_ = {};
  if (!function.entry && at('(')) function.returns = parameters();
  function.place = now_.place;
  function.name = expect_word(function.entry ? "the name of an entry" : "the name of a function");
  if (at('(')) function.parameters = parameters();
  while (at(Token::Kind::Dotted)) function.directives.push_back(performance_directive());
  if (at('{')) {
    function.body = block();
  } else {
    expect(';', fmt::format("the declaration of {}, if it has no body in braces", function.name));
  }
  return function;
}

// (.param .u64 .ptr .align 16 a, .reg .b32 b)
std::vector<Variable> Parser::parameters() {
  std::vector<Variable> all;
  expect('(', "a name");
  if (take_if(')')) return all;
  do {
    if (!at(".param") && !at(".reg")) unexpected(".param, .reg or ')'");
    all.push_back(declarator(specifiers({})));
  } while (take_if(','));
  expect(')', fmt::format("the parameter {}", all.back().name));
  return all;
}

// .maxntid 128, 1, 1
PerformanceDirective Parser::performance_directive() {
  const auto syntax =
      std::find_if(kPerformanceDirectives.begin(), kPerformanceDirectives.end(),
                   [&](const DirectiveSyntax& candidate) { return candidate.name == now_.text; });
  if (syntax == kPerformanceDirectives.end()) unexpected("a directive of a function, or its body");
  const Token first = take();
  PerformanceDirective directive{first.text.substr(1), {}};
  if (syntax->most_values == 0) return directive;
  do {
    directive.values.push_back(static_cast<uint32_t>(
        expect_integer(fmt::format("a number of {}", syntax->name), UINT32_MAX)));
  } while (take_if(','));
  if (directive.values.size() < syntax->least_values ||
      directive.values.size() > syntax->most_values) {
    refuse(first.place, fmt::format("{} has at most {} numbers, not {}", syntax->name,
                                    syntax->most_values, directive.values.size()));
  }
  return directive;
}

}  // namespace fa4::emu::ptx
