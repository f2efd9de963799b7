// SPDX-License-Identifier: Apache-2.0
// The vendor's assembler, where there is one, on modules of one entry for each instruction.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/scratch.h"

namespace fa4::emu::test {

inline std::string entry_with(const std::string& text, size_t number) {
  return fmt::format(R"(
.visible .entry form_{}()
{{
  .reg .pred %p<8>;
  .reg .b8 %b<4>;
  .reg .b16 %rs<8>;
  .reg .b32 %r<16>;
  .reg .f32 %f<16>;
  .reg .b64 %rd<16>;
  .reg .b128 %q<4>;
  {};
  ret;
}}
)",
                     number, text);
}

inline std::string module_with(uint32_t arch, const std::string& entries) {
  return fmt::format(".version 9.0\n.target sm_{}a\n.address_size 64\n", arch) + entries;
}

// ptxas of the path, or FA4_PTXAS.
class Assembler {
 public:
  Assembler() {
    const char* named = std::getenv("FA4_PTXAS");
    command_ = named != nullptr ? named : "ptxas";
    there_ = std::system((command_ + " --version > /dev/null 2>&1").c_str()) == 0;
  }
  bool is_there() const { return there_; }
  bool takes(uint32_t arch, const std::string& module) const {
    const std::string path = scratch_ / "forms.ptx";
    std::ofstream(path) << module;
    return std::system(fmt::format("{} -arch=sm_{}a {} -o {} > /dev/null 2>&1", command_, arch,
                                   path, scratch_ / "forms.cubin")
                           .c_str()) == 0;
  }

 private:
  std::string command_;
  bool there_ = false;
  fa4::test::Scratch scratch_;
};

}  // namespace fa4::emu::test
