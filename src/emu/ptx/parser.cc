// SPDX-License-Identifier: Apache-2.0
// Modules: the header, .file, .section, .pragma, .alias; and the tokens for all of the grammar.
#include "emu/ptx/parser.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "emu/ptx/grammar.h"

namespace fa4::emu::ptx {
namespace {

// A .file number is an index of Module::files.
constexpr uint64_t kMostFiles = 1 << 16;

bool is_linkage(std::string_view directive) {
  return directive == ".visible" || directive == ".extern" || directive == ".weak" ||
         directive == ".common";
}

}  // namespace

SyntaxError::SyntaxError(Place at, const std::string& sentence)
    : std::runtime_error(fmt::format("line {}, column {}: {}", at.line, at.column, sentence)),
      place(at) {}

Module parse(std::string text) {
  return Parser(std::make_shared<const std::string>(std::move(text))).module();
}

Parser::Parser(std::shared_ptr<const std::string> text)
    : text_(std::move(text)), lexer_(*text_), taken_end_(text_->data()) {
  now_ = lexer_.next();
  after_ = lexer_.next();
}

Token Parser::take() {
  const Token taken = now_;
  taken_end_ = taken.text.data() + taken.text.size();
  now_ = after_;
  after_ = lexer_.next();
  return taken;
}

bool Parser::take_if(char mark) {
  if (!at(mark)) return false;
  take();
  return true;
}

void Parser::expect(char mark, std::string_view after) {
  if (!take_if(mark)) unexpected(fmt::format("'{}' after {}", mark, after));
}

std::string_view Parser::expect_word(std::string_view what) {
  if (!at(Token::Kind::Word)) unexpected(what);
  return take().text;
}

uint64_t Parser::expect_integer(std::string_view what, uint64_t most) {
  if (!at(Token::Kind::Integer)) unexpected(what);
  if (now_.bits > most)
    refuse(now_.place, fmt::format("{} is at most {}, not {}", what, most, now_.bits));
  return take().bits;
}

void Parser::unexpected(std::string_view what) const {
  const std::string found = at(Token::Kind::End) ? "the end of the text" : quoted(now_.text);
  refuse(now_.place, fmt::format("expected {}, found {}", what, found));
}

void Parser::refuse(Place at, const std::string& sentence) { throw SyntaxError(at, sentence); }

std::string_view Parser::text_since(const Token& first) const {
  return {first.text.data(), static_cast<size_t>(taken_end_ - first.text.data())};
}

Module Parser::module() {
  Module module;
  module.text = text_;
  header(module);
  while (!at(Token::Kind::End)) item(module);
  return module;
}

void Parser::header(Module& module) {
  if (!at(".version")) unexpected(".version, with which a module begins");
  take();
  const std::string_view version = now_.text;
  const char* const end = version.data() + version.size();
  const auto [dot, error] = std::from_chars(version.data(), end, module.version_major);
  if (!at(Token::Kind::Float64) || error != std::errc() || dot == end || *dot != '.' ||
      std::from_chars(dot + 1, end, module.version_minor).ptr != end || dot + 1 == end) {
    unexpected("a version such as 9.0");
  }
  take();
  if (!at(".target")) unexpected(".target after .version");
  take();
  module.target = expect_word("a target such as sm_90a");
  while (take_if(',')) module.target_options.push_back(expect_word("a target option after ','"));
  if (!at(".address_size")) unexpected(".address_size after .target");
  take();
  if (!at(Token::Kind::Integer) || (now_.bits != 32 && now_.bits != 64)) {
    unexpected("32 or 64 after .address_size");
  }
  module.address_size = static_cast<uint32_t>(take().bits);
}

void Parser::item(Module& module) {
  if (!at(Token::Kind::Dotted)) unexpected("a directive");
  std::string_view linkage;
  if (is_linkage(now_.text)) linkage = take().text.substr(1);
  if (at(".entry") || at(".func")) {
    module.items.emplace_back(function(linkage));
  } else if (linkage.empty() && at(".file")) {
    module.items.emplace_back(file(module));
  } else if (linkage.empty() && at(".section")) {
    module.items.emplace_back(section());
  } else if (linkage.empty() && at(".pragma")) {
    module.items.emplace_back(pragma());
  } else if (linkage.empty() && at(".alias")) {
    module.items.emplace_back(alias());
  } else {
    for (Variable& variable : variables(linkage)) module.items.emplace_back(std::move(variable));
  }
}

// .file 1 "name", and behind it perhaps a time and a size.
Directive Parser::file(Module& module) {
  const Token first = take();
  const Place place = now_.place;
  const auto index = static_cast<size_t>(expect_integer("the number of a file", kMostFiles));
  if (!at(Token::Kind::String)) unexpected("the name of a file in quotes");
  const std::string_view name = take().text;
  if (take_if(',')) {
    expect_integer("the time of a file", UINT64_MAX);
    expect(',', "the time of a file");
    expect_integer("the size of a file", UINT64_MAX);
  }
  if (index >= module.files.size()) module.files.resize(index + 1);
  if (!module.files[index].empty()) refuse(place, fmt::format("file {} has a name already", index));
  module.files[index] = name.substr(1, name.size() - 2);
  return {text_since(first), first.place};
}

// .section .debug_str { ... }: DWARF, as written.
Directive Parser::section() {
  const Token first = take();
  if (!at(Token::Kind::Dotted) && !at(Token::Kind::Word)) unexpected("the name of a section");
  take();
  expect('{', "the name of a section");
  while (!at('}')) {
    if (at('{') || at(Token::Kind::End)) unexpected("the '}' of the section");
    take();
  }
  take();
  return {text_since(first), first.place};
}

// .pragma "nounroll";
Directive Parser::pragma() {
  const Token first = take();
  do {
    if (!at(Token::Kind::String)) unexpected("a string after .pragma");
    take();
  } while (take_if(','));
  expect(';', ".pragma");
  return {text_since(first), first.place};
}

// .alias name, aliasee;
Directive Parser::alias() {
  const Token first = take();
  expect_word("the name of an alias");
  expect(',', "the name of an alias");
  expect_word("the name of a function");
  expect(';', ".alias");
  return {text_since(first), first.place};
}

}  // namespace fa4::emu::ptx
