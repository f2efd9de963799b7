// SPDX-License-Identifier: Apache-2.0
// The portable kernels on the machine with any PTX in place of their own: a small problem, its tensors in this process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/problem.h"
#include "emu/run/machine.h"
#include "plan/kernel_family.h"

namespace fa4::emu::test {

class PortableRun {
 public:
  // bf16, head dim 64, grouped heads, causal, several tiles of queries and of keys. The backward is the deterministic
  // one, whose bits do not depend on the order of events.
  explicit PortableRun(Pass pass);

  const std::vector<std::string>& ptx() const { return ptx_; }  // of each kernel of the plan
  const std::string& entry(size_t kernel) const { return plan_.kernels[kernel].entry; }

  struct Result {
    std::vector<Report> reports;
    bool finished = true;
    uint64_t warp_instructions = 0;
    std::vector<std::byte> bytes;  // of all outputs
  };
  // `ptx` as ptx() has it. Throws what Machine throws.
  Result run(const std::vector<std::string>& ptx, const MachineOptions& options);

 private:
  std::vector<std::byte>& tensor(const char* name, size_t bytes);
  RowsView rows(const char* name, int64_t rows, int64_t heads, uint64_t seed);

  Pass pass_;
  Problem problem_;
  ForwardTensors forward_;
  BackwardTensors backward_;
  plan::DeviceFacts facts_;
  plan::FamilyPlan plan_;
  std::vector<std::string> ptx_;
  std::vector<std::pair<std::string, std::vector<std::byte>>> tensors_;
  std::vector<std::byte> workspace_;
};

}  // namespace fa4::emu::test
