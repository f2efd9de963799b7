// SPDX-License-Identifier: Apache-2.0
// Recursive descent over the tokens of a text, one method for each thing that the manual has a syntax for.
// Modules are in parser.cc; declarations, functions, statements and operands in files of these names.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emu/ptx/lexer.h"
#include "emu/ptx/module.h"

namespace fa4::emu::ptx {

class Parser {
 public:
  explicit Parser(std::shared_ptr<const std::string> text);
  Module module();

 private:
  // Tokens: now_ is the next one to be taken, after_ the one behind it.
  Token take();
  bool at(char mark) const { return now_.mark == mark; }
  bool at(Token::Kind kind) const { return now_.kind == kind; }
  bool at(std::string_view dotted) const { return at(Token::Kind::Dotted) && now_.text == dotted; }
  bool take_if(char mark);
  void expect(char mark, std::string_view after);
  std::string_view expect_word(std::string_view what);
  uint64_t expect_integer(std::string_view what, uint64_t most);
  [[noreturn]] void unexpected(std::string_view what) const;  // "expected WHAT, found ..."
  [[noreturn]] static void refuse(Place at, const std::string& sentence);
  std::string_view text_since(const Token& first) const;  // to the end of the last token taken

  void header(Module& module);
  void item(Module& module);
  Directive file(Module& module);
  Directive section();
  Directive pragma();
  Directive alias();

  // A declaration up to its name; and one declarator of it, with all that follows a name.
  Variable specifiers(std::string_view linkage);
  void specifier(Variable& variable);
  void pointer_attribute(Variable& variable);
  void attribute(Variable& variable);
  uint32_t alignment();
  Variable declarator(const Variable& common);
  void extents(Variable& variable);
  std::vector<Variable> variables(std::string_view linkage);
  void initializers(Variable& variable);
  void initializer_group(Variable& variable, std::span<const int64_t> extents);
  Initializer initializer();
  void initial_address(Initializer& value);

  Function function(std::string_view linkage);
  std::vector<Variable> parameters();
  PerformanceDirective performance_directive();

  Block block();
  void statement(Block& outer);
  Statement targets_or_label();
  std::string_view prototype();
  Directive location();
  Instruction instruction();

  Operand operand(int depth);
  Operand number(bool negative);
  Operand name();
  int64_t offset();
  Operand sequence(Operand::Kind kind, char close, int depth);
  Operand address(int depth);
  Operand wrapped(Operand::Kind kind);

  std::shared_ptr<const std::string> text_;
  Lexer lexer_;
  Token now_, after_;
  const char* taken_end_;
  SourceLine source_;
  int block_depth_ = 0;
  std::vector<std::string_view> modifiers_;  // of the instruction being read
};

}  // namespace fa4::emu::ptx
