// SPDX-License-Identifier: Apache-2.0
// Where the lines of a PTX text come from: its line table (.file, .loc) with all functions that were inlined.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fa4::emu::test {

struct PtxFrame {
  std::string file;  // "softmax.h", without folders
  unsigned line = 0;
  std::string function;  // "hand_over", without its scope and its parameters; "" of the entry
};

// For each line of the text, from 1, the functions that hold it, the innermost first; none before the first .loc.
class PtxPlaces {
 public:
  explicit PtxPlaces(const std::string& ptx);
  const std::vector<PtxFrame>& at(size_t line) const { return frames_[index_[line]]; }

 private:
  std::vector<size_t> index_;  // by line, of frames_
  std::vector<std::vector<PtxFrame>> frames_;
};

// "run_tile softmax.h:55, step softmax.h:111, hand_over": from the outermost function of a role or of the set-up to the
// innermost that is no wrapper of an instruction.
std::string text_of(const std::vector<PtxFrame>& frames);

}  // namespace fa4::emu::test
