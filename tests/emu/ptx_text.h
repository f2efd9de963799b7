// SPDX-License-Identifier: Apache-2.0
// Small modules for the tests of the PTX front end.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emu/ptx/lexer.h"
#include "emu/ptx/parser.h"

namespace fa4::emu::ptx {

inline constexpr const char* kHeader = ".version 9.0\n.target sm_90a\n.address_size 64\n";

inline std::string module_of(const std::string& items) { return kHeader + items; }

// Line 5 of the text is the first of the body.
inline std::string entry_of(const std::string& body) {
  return module_of(".visible .entry f(.param .u64 a) {\n" + body + "\n}\n");
}

inline std::string message_of(const std::string& text) {
  try {
    parse(text);
  } catch (const SyntaxError& error) {
    return error.what();
  }
  return "was accepted";
}

template <class T>
const T& item_at(const Module& module, size_t index) {
  return std::get<T>(module.items.at(index));
}

// The body of the only entry of entry_of().
inline const std::vector<Statement>& body_of(const Module& module) {
  return item_at<Function>(module, 0).body->statements;
}

template <class T>
const T& statement_at(const Module& module, size_t index) {
  return std::get<T>(body_of(module).at(index));
}

// Printed once and twice: equal, and the caller sees the first.
inline std::string printed_twice(const std::string& text) {
  const std::string once = print(parse(text));
  EXPECT_EQ(print(parse(once)), once);
  return once;
}

// A text as its tokens say it: numbers by their value, everything else by its letters; +0 says nothing.
inline std::vector<std::string> spoken(std::string_view text) {
  Lexer lexer(text);
  std::vector<std::string> all;
  for (Token token = lexer.next(); token.kind != Token::Kind::End; token = lexer.next()) {
    std::string said(token.text);
    if (token.kind == Token::Kind::Integer) said = std::to_string(token.bits);
    if (token.kind == Token::Kind::Float32) said = "float " + std::to_string(token.bits);
    if (token.kind == Token::Kind::Float64) said = "double " + std::to_string(token.bits);
    if (said == "0" && !all.empty() && all.back() == "+") {
      all.pop_back();
    } else {
      all.push_back(said);
    }
  }
  return all;
}

// The tree is printed, and the first token that differs from the text is shown with its place in the tokens.
inline std::string expect_nothing_lost(const std::string& text) {
  const std::string printed = printed_twice(text);
  const std::vector<std::string> before = spoken(text), after = spoken(printed);
  EXPECT_EQ(before.size(), after.size());
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (before[i] == after[i]) continue;
    ADD_FAILURE() << "token " << i << " was " << before[i] << " and is " << after[i];
    break;
  }
  return printed;
}

}  // namespace fa4::emu::ptx
