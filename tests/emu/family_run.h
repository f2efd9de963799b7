// SPDX-License-Identifier: Apache-2.0
// The kernels of a family on the machine with any PTX in place of their own: a small problem, its tensors in this
// process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/problem.h"
#include "emu/run/machine.h"
#include "plan/kernel_family.h"

namespace fa4::emu::test {

class FamilyRun {
 public:
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

 protected:
  // Of a well-known device: "sm_80".
  FamilyRun(const plan::KernelFamily& family, Pass pass, const char* model);

  std::vector<std::byte>& tensor(const char* name, size_t bytes);
  using Value = std::function<float(int64_t row, int64_t head)>;  // a factor of N(0, 1)
  // [row, head, dim] in bf16: N(0, 1) times a factor, or nothing yet (seed 0).
  RowsView rows(const char* name, int64_t rows, int64_t heads, int64_t dim, uint64_t seed,
                const Value& factor = {});
  void set_outputs(int64_t query_rows);  // out and lse of problem_
  void make_plan();                      // of problem_, when that is complete
  void compile();

  const plan::KernelFamily& family_;
  Pass pass_;
  plan::DeviceFacts facts_;
  Problem problem_;
  ForwardTensors forward_;
  BackwardTensors backward_;
  plan::FamilyPlan plan_;
  uint32_t most_blocks_ = 0;  // of a grid, which then walk over several tiles; 0: as planned
  std::vector<std::pair<std::string, std::vector<std::byte>>> tensors_;

 private:
  std::vector<std::string> ptx_;
  std::vector<std::byte> workspace_;
};

}  // namespace fa4::emu::test
