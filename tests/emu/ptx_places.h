// SPDX-License-Identifier: Apache-2.0
// Where the lines of a PTX text come from: its line table (.file, .loc) with all functions that were inlined.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fa4::emu::test {

struct PtxFrame {
  std::string file;  // "sm100/forward/softmax.h", from src/kernels
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

// "kernel kernel.h:48, run_softmax softmax.h:275, step softmax.h:107": from the outermost function to the innermost.
std::string text_of(const std::vector<PtxFrame>& frames);

// The same with what stands there: "run_load: loader.drain(); drain: …". Read from src/kernels.
std::string source_of(const std::vector<PtxFrame>& frames);

}  // namespace fa4::emu::test
