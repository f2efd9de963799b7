// SPDX-License-Identifier: Apache-2.0
// The forward of family sm80: tiles, splits, order and launches. Pure functions.
#pragma once

#include <vector>

#include "abi/sm80_forward.h"
#include "core/problem.h"
#include "plan/kernel_family.h"

namespace fa4::plan {

// How much of the work one CTA takes. Chosen from a table by head dims and by the device's shared memory.
struct ForwardTile {
  u32 warps, row_tiles, block_keys, q_in_registers, min_blocks;
};

Status supports_forward(const Problem& problem, const DeviceFacts& device);
FamilyPlan prepare_forward(const Problem& problem, const DeviceFacts& device);
std::vector<Launch> forward_launches(const Problem& problem, const FamilyPlan& plan,
                                     const DeviceFacts& device, const ForwardTensors& tensors,
                                     void* workspace);

// The first tile of the table that serves these head dims within the device's budget; its config has the
// dims, the value slice and the tile filled in. Null row counts of warps: nothing fits.
bool choose_forward_tile(u32 head_dim, u32 value_dim, const DeviceFacts& device,
                         Sm80ForwardConfig* config, u32* min_blocks);

}  // namespace fa4::plan
