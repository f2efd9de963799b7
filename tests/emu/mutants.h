// SPDX-License-Identifier: Apache-2.0
// Mutants of a kernel: its PTX with one synchronising line deleted or changed. A machine that is worth its time reports
// each, or runs it to another result under some policy. tests/emu/mutants_test.cc counts.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fa4::emu::test {

struct Mutant {
  size_t line = 0;          // of the text, from 1
  std::string kind;         // "deleted", "parity"
  std::string instruction;  // what stood there
  std::string
      replacement;  // what stands there now, possibly several instructions, possibly nothing
};

// Of each wait, arrive, fence, commit, barrier and byte count, in the order of the text.
std::vector<Mutant> mutants_of(const std::string& ptx);

std::string text_of(const std::string& ptx, const Mutant& mutant);

}  // namespace fa4::emu::test
