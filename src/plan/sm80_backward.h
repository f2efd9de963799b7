// SPDX-License-Identifier: Apache-2.0
// The backward of family sm80: what it serves, its tiles and workspace, its launches. Pure functions in the
// shape of KernelFamily's.
#pragma once

#include <cstdint>
#include <vector>

#include "abi/sm80_backward_storage.h"
#include "core/problem.h"
#include "plan/kernel_family.h"
#include "plan/launch.h"

namespace fa4::plan {

// What prepare decided: FamilyPlan::details.
struct Sm80BackwardDetails {
  Sm80BackwardConfig config;
  uint32_t query_tiles = 0, key_tiles = 0;  // of a sequence
  uint32_t key_tile_step = 1;  // a block walks every step-th key tile: one unless deterministic
  uint32_t dq_splits = 1;      // copies of the dQ sums
  uint32_t head_chunks = 1;    // blocks among which the query heads of a group are divided
  int64_t num_slots = 0;
};

Status supports_backward(const Problem& problem, const DeviceFacts& device);
FamilyPlan prepare_backward(const Problem& problem, const DeviceFacts& device);
std::vector<Launch> backward_launches(const Problem& problem, const FamilyPlan& plan,
                                      const DeviceFacts& device, const BackwardTensors& tensors,
                                      void* workspace);

}  // namespace fa4::plan
