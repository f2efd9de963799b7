// SPDX-License-Identifier: Apache-2.0
// Small modules for the tests of the PTX front end.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

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

}  // namespace fa4::emu::ptx
