// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

#include "emu/ptx/module.h"

namespace fa4::emu::ptx {

// What is wrong with a PTX text, and where: "line 12, column 3: ...".
class SyntaxError : public std::runtime_error {
 public:
  SyntaxError(Place at, const std::string& sentence);
  Place place;
};

// The tree of a text. Throws SyntaxError; accepts nothing that it does not keep.
Module parse(std::string text);

// The text of a tree: parse(print(parse(x))) is the same tree as parse(x).
std::string print(const Module& module);

// One instruction in a line, as reports show it: "@!%p1 add.s32 %r1, %r2, 7".
std::string print(const Instruction& instruction);

}  // namespace fa4::emu::ptx
