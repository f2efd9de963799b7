// SPDX-License-Identifier: Apache-2.0
// What a family of device kernels ("sm80": every GPU since Ampere) answers about a problem. Host only and pure:
// the same arguments give the same answer, no device is asked and no data is read. Backend `gpu` chooses among
// families, compiles the kernels that a plan names, and launches what a run asks for.
#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/problem.h"
#include "plan/launch.h"

namespace fa4::plan {

// What a family will do with a problem on a device. Kept by the plan and handed back at every run.
struct FamilyPlan {
  std::vector<KernelSpec> kernels;                     // compiled when the plan is made
  std::vector<std::pair<std::string, int64_t>> tiles;  // for the reader: {"query_rows", 128}, …
  int64_t grid = 0;  // blocks of the main kernel, from the upper bounds when packed
  size_t workspace_bytes =
      0;  // on the device, aligned to 256; it may hold anything before every run
  double fma_exponentials = 0;  // the share of them that is computed on the FMA units
  std::any details;             // the family's own: what it decided and its launches need
};

class KernelFamily {
 public:
  virtual ~KernelFamily() = default;

  virtual std::string_view name()
      const = 0;  // "sm80": the kernel's name in fa4_info and fa4_problem
  virtual std::string_view summary() const = 0;  // one line for fa4_info

  // Ok, or the reason why it declines: the dtype, the head dims, the device's shared memory, …
  virtual Status supports(const Problem& problem, Pass pass, const DeviceFacts& device) const = 0;

  // For a problem that it supports. Reads sizes, strides and the alignment of the views, never data.
  virtual FamilyPlan prepare(const Problem& problem, Pass pass,
                             const DeviceFacts& device) const = 0;

  // In order, on one stream. Sizes and strides of the inputs are those of `prepare`, and each input's
  // alignment is at least what it was there; addresses are of this run, outputs have any alignment and
  // strides. Lengths and page tables lie in device memory and are not read here. Nothing is launched for an
  // output without elements (B, Sq, Sk = 0 are legal); inputs without elements may have null addresses.
  virtual std::vector<Launch> forward_launches(const Problem& problem, const FamilyPlan& plan,
                                               const DeviceFacts& device,
                                               const ForwardTensors& tensors,
                                               void* workspace) const = 0;
  virtual std::vector<Launch> backward_launches(const Problem& problem, const FamilyPlan& plan,
                                                const DeviceFacts& device,
                                                const BackwardTensors& tensors,
                                                void* workspace) const = 0;
};

}  // namespace fa4::plan
