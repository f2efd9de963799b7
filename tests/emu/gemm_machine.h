// SPDX-License-Identifier: Apache-2.0
// A GEMM on the machine, as it is or with faults planted in a copy of its sources.
#pragma once

#include <string>
#include <vector>

#include "emu/gemm.h"
#include "emu/run/machine.h"

namespace fa4::emu::test {

// Fills c with poison, then runs the kernel; c holds the result. At most `most_clusters` clusters share the tiles;
// options.arch is the kernel's.
RunReport gemm_on_machine(const fa4::test::GemmKernel& kernel, const std::string& ptx,
                          fa4::test::GemmProblem& problem, uint32_t most_clusters,
                          MachineOptions options);

std::string texts_of(const RunReport& report);

// A place in src/kernels that is replaced. The text must occur there exactly once.
struct SourceEdit {
  std::string file, from, to;
};

struct SourceFile {
  std::string file, text;
};

// The PTX of a kernel with these edits and files; nothing of it touches the repository.
std::string ptx_with(const plan::KernelSpec& spec, const std::string& target,
                     const std::vector<SourceEdit>& edits,
                     const std::vector<SourceFile>& files = {});

}  // namespace fa4::emu::test
