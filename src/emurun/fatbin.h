// SPDX-License-Identifier: Apache-2.0
// Fat binaries, as nvcc embeds them: a header, then for each architecture an entry with a cubin or a PTX text, compressed or
// not. There is no manual of the format; what is read here was seen in the output of nvcc 12 and 13.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fa4::emurun {

struct FatImage {
  bool is_ptx = false;
  uint32_t arch = 0;  // 90
  std::string ptx;    // of a PTX
};

// Where a program's registration, or its call of cuModuleLoadData, points to: one or several fat binaries (a program with
// -rdc=true has one for each source file), or a PTX text, or a cubin.
struct ProgramImage {
  std::vector<std::vector<FatImage>> binaries;
};

// Throws Failure after a sentence that begins with `owner`.
ProgramImage read_image(const void* image, const std::string& owner);

// What a text says behind .target: "sm_90a"; empty: it does not.
std::string target_of(const std::string& ptx);

// The text of the highest architecture that a device of compute capability `arch` can run (sm_90a runs on 90 alone,
// sm_100f on the family of 100); null: none.
const FatImage* best_ptx(const std::vector<FatImage>& images, uint32_t arch);

// "PTX for sm_80, a cubin for sm_90", for a sentence.
std::string contents_of(const std::vector<FatImage>& images);

}  // namespace fa4::emurun
