// SPDX-License-Identifier: Apache-2.0
// What runs a problem. The planner chooses among backends and their kernels without knowing them;
// api/ lists the backends that are here.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
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

// A kernel that was compiled for a plan.
struct CompiledKernel {
  std::string entry;  // "fa4_sm80_forward_bf16_d128_causal"
  std::string
      origin;  // "compiled in 0.93 s by NVRTC 13.0"; empty: not compiled, since nothing here could run it
  uint32_t threads = 0, smem_bytes = 0, registers = 0, spill_bytes = 0;
};

// The cycles that each unit of an SM needs for one tile, and so what no kernel can be faster than.
struct Roofline {
  int64_t query_rows = 0, key_rows = 0;                // of the tile
  double fma_share = 0;                                // of the exponentials, on the FMA units
  std::vector<std::pair<std::string, double>> cycles;  // {"mma", 1024}, …
  std::vector<std::string> bound;                      // the unit that needs most, or those
};

// What a kernel will do with a problem: printed by the plan and handed back when it runs.
struct Blueprint {
  std::string kernel;
  std::vector<std::pair<std::string, int64_t>> tiles;  // {"query_rows", 64}, …
  int64_t grid = 0;                                    // tasks, from the upper bounds when packed
  int32_t threads = 1;
  size_t workspace_bytes = 0;  // bounds what any run of the plan uses
  std::vector<CompiledKernel> compiled{};
  std::optional<Roofline> roofline{};
  std::shared_ptr<void> details{};  // the backend's own
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;
  virtual std::vector<KernelInfo> kernels() const = 0;  // best first

  // Whether this machine has what the backend needs at all. May open a driver, so planning does not ask.
  virtual Status available() const { return {}; }

  // Whether it works on tensors of this place.
  virtual Status reaches(const Place& place) const {
    if (place.kind == Place::Kind::Host) return {};
    return unsupported("backend \"{}\" works on host memory; this problem is on {}", name(),
                       text_of(place));
  }

  // Whether the kernel serves the problem, apart from whether it runs here.
  virtual Status supports(const Problem& problem, Pass pass, std::string_view kernel) const = 0;

  // For a kernel that runs here and supports the problem. Reads sizes only, never data.
  virtual Blueprint prepare(const Problem& problem, Pass pass, std::string_view kernel) const = 0;

  // Compiles and loads what the blueprint needs to run.
  virtual Status load(const Problem&, Blueprint*) const { return {}; }

  // The sequences have been checked if they lie in host memory. `workspace` has blueprint.workspace_bytes bytes,
  // aligned to 256. `stream` is the device's; null on the host.
  virtual Status forward(const Problem& problem, const Blueprint& blueprint,
                         const ForwardTensors& tensors, void* workspace, void* stream) const = 0;
  virtual Status backward(const Problem& problem, const Blueprint& blueprint,
                          const BackwardTensors& tensors, void* workspace, void* stream) const = 0;

  // "source", "ptx", "cubin" or "log" of the blueprint's kernel of that index.
  virtual Status artifact(const Problem&, const Blueprint&, size_t, std::string_view,
                          std::string*) const {
    return unsupported("backend \"{}\" has no kernels that are compiled when needed", name());
  }
};

}  // namespace fa4
