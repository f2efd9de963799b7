// SPDX-License-Identifier: Apache-2.0
// Bodies: blocks, labels, instructions, and the directives between them (PTX ISA 9.0, chapters 4.2, 9.2 and 11).
#include <fmt/format.h>

#include <utility>

#include "emu/ptx/grammar.h"

namespace fa4::emu::ptx {
namespace {

// Of blocks in blocks: everything that walks a tree may recurse.
constexpr int kMostBlocks = 128;

}  // namespace

Block Parser::block() {
  Block block;
  block.place = now_.place;
  if (block_depth_ == kMostBlocks)
    refuse(now_.place, fmt::format("more than {} blocks in each other", kMostBlocks));
  ++block_depth_;
  take();
  while (!at('}')) statement(block);
  take();
  --block_depth_;
  return block;
}

void Parser::statement(Block& outer) {
  std::vector<Statement>& all = outer.statements;
  if (at(Token::Kind::Word) && after_.mark == ':') {
    all.push_back(targets_or_label());
  } else if (at(Token::Kind::Word) || at('@')) {
    all.emplace_back(instruction());
  } else if (at('{')) {
    all.emplace_back(std::make_unique<Block>(block()));
  } else if (at(".loc")) {
    all.emplace_back(location());
  } else if (at(".pragma")) {
    all.emplace_back(pragma());
  } else if (at(Token::Kind::Dotted)) {
    for (Variable& variable : variables({})) all.emplace_back(std::move(variable));
  } else {
    unexpected("an instruction, a label, a directive or '}'");
  }
}

// $L1:    or    $L1: .branchtargets $L2, $L3;
Statement Parser::targets_or_label() {
  const Token label = take();
  take();
  if (!at(".branchtargets") && !at(".calltargets") && !at(".callprototype")) {
    return Label{label.text, label.place};
  }
  Targets targets;
  targets.label = label.text;
  targets.place = label.place;
  targets.directive = take().text.substr(1);
  if (targets.directive == "callprototype") {
    targets.text = prototype();
  } else {
    do {
      targets.names.push_back(expect_word("the name of a target"));
    } while (take_if(','));
  }
  expect(';', fmt::format(".{}", targets.directive));
  return targets;
}

// (.param .b32 _) _ (.param .b64 _)
std::string_view Parser::prototype() {
  const Token first = now_;
  if (at('(')) parameters();
  expect_word("'_' in a prototype");
  if (at('(')) parameters();
  while (at(Token::Kind::Dotted)) performance_directive();
  return text_since(first);
}

// .loc 1 25 3, function_name $L__info_string0+4, inlined_at 1 5 3
Directive Parser::location() {
  const Token first = take();
  const auto read = [this](std::string_view what) {
    return static_cast<uint32_t>(expect_integer(what, UINT32_MAX));
  };
  source_.file = read("the number of a file");
  source_.line = read("a line");
  source_.column = read("a column");
  source_.caller_file = source_.caller_line = 0;
  if (at(',') && after_.text == "function_name") {
    take();
    take();
    if (!at(Token::Kind::Word)) unexpected("a label after function_name");
    name();
    expect(',', "the label of a function's name");
    if (now_.text != "inlined_at") unexpected("inlined_at");
    take();
    source_.caller_file = read("the number of a file");
    source_.caller_line = read("a line");
    read("a column");
  }
  return {text_since(first), first.place};
}

Instruction Parser::instruction() {
  Instruction instruction;
  if (take_if('@')) {
    instruction.guard_negated = take_if('!');
    instruction.guard = expect_word("a predicate after '@'");
  }
  instruction.place = now_.place;
  instruction.source = source_;
  instruction.opcode = expect_word("an instruction");
  modifiers_.clear();
  while (at(Token::Kind::Dotted)) modifiers_.push_back(take().text.substr(1));
  instruction.modifiers.assign(modifiers_.begin(), modifiers_.end());
  if (!at(';')) {
    instruction.operands.reserve(4);
    const bool is_call = instruction.opcode == "call";
    do {
      instruction.operands.push_back(is_call && at('(') ? sequence(Operand::Kind::List, ')', 0)
                                                        : operand(0));
    } while (take_if(','));
  }
  if (!take_if(';')) {
    unexpected(fmt::format("',' or ';' after {} of {}",
                           instruction.operands.empty() ? "the modifiers" : "an operand",
                           instruction.opcode));
  }
  return instruction;
}

}  // namespace fa4::emu::ptx
