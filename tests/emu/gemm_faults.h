// SPDX-License-Identifier: Apache-2.0
// Faults planted in the GEMMs, as edits of their sources. Each is reported or spoils the result under some policy.
// FA4_FAULT_TABLE prints which, and FA4_FAULT_REPORTS the first report of each.
#pragma once

#include <string>
#include <vector>

#include "emu/gemm_machine.h"

namespace fa4::emu::test {

struct GemmFault {
  const char* name;
  std::vector<SourceEdit> edits;
  std::vector<std::string>
      signs;  // codes, beginnings of codes, or "spoiled"; empty: only a detector to come sees it
};

// Together with edits that give the rings' wait_and_step a second argument, whether it waits.
std::vector<SourceEdit> with_optional_waits(std::vector<SourceEdit> edits);

// Runs the kernel with the fault on a problem, in one cluster, under every policy.
void expect_found(const fa4::test::GemmKernel& kernel, const GemmFault& fault,
                  fa4::test::GemmProblem problem);

}  // namespace fa4::emu::test
