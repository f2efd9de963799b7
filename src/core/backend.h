// SPDX-License-Identifier: Apache-2.0
// What runs a problem. The planner chooses among backends and their kernels without knowing them;
// api/ lists the backends that are here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/problem.h"
#include "core/status.h"

namespace fa4 {

struct KernelInfo {
  std::string name;     // "avx512_bf16"
  std::string summary;  // one line for fa4_info
  Status runs_here;     // or the reason why this machine cannot run it
};

// What a kernel will do with a problem: printed by the plan and handed back when it runs.
struct Blueprint {
  std::string kernel;
  std::vector<std::pair<std::string, int64_t>> tiles;  // {"query_rows", 64}, …
  int64_t grid = 0;                                    // tasks, from the upper bounds when packed
  int32_t threads = 1;
  size_t workspace_bytes = 0;  // bounds what any run of the plan uses
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;
  virtual std::vector<KernelInfo> kernels() const = 0;  // best first

  // Whether the kernel serves the problem, apart from whether it runs here.
  virtual Status supports(const Problem& problem, Pass pass, std::string_view kernel) const = 0;

  // For a kernel that runs here and supports the problem. Reads sizes only, never data.
  virtual Blueprint prepare(const Problem& problem, Pass pass, std::string_view kernel) const = 0;

  // The sequences have been checked. `workspace` has blueprint.workspace_bytes bytes, aligned to 256.
  virtual Status forward(const Problem& problem, const Blueprint& blueprint,
                         const ForwardTensors& tensors, void* workspace) const = 0;
  virtual Status backward(const Problem& problem, const Blueprint& blueprint,
                          const BackwardTensors& tensors, void* workspace) const = 0;
};

}  // namespace fa4
