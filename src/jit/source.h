// SPDX-License-Identifier: Apache-2.0
// What is handed to the compiler, and the key of its content.
#pragma once

#include <string>
#include <vector>

#include "jit/bundle.h"
#include "plan/launch.h"

namespace fa4::jit {

// One kernel to compile for one architecture. Points into the bundle, which must outlive it.
struct Unit {
  std::string entry, arch;
  std::string source;  // the whole of the generated source
  std::vector<const char*> header_names, header_texts;
  std::vector<const char*> flags;
  std::string key;  // of headers, source, flags and architecture
};

std::string generated_source(const plan::KernelSpec& spec);

// "--gpu-architecture=" and, for a compiler that has it, "--no-cache" come on top.
// `fmad`: a product and a sum may become one instruction, rounded once.
std::vector<const char*> compiler_flags(bool fmad);

Status make_unit(const Bundle& bundle, const plan::KernelSpec& spec, const std::string& arch,
                 bool fmad, Unit* unit);

}  // namespace fa4::jit
