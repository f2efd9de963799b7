// SPDX-License-Identifier: Apache-2.0
// The forward of family sm80: tiles, splits, order and launches. Pure functions.
#pragma once

#include <optional>
#include <vector>

#include "abi/sm80_forward.h"
#include "core/problem.h"
#include "plan/kernel_family.h"

namespace fa4::plan {

// What one CTA takes, and how many CTAs of it an SM holds.
struct ForwardTile {
  u32 warps, row_tiles, block_keys, q_in_registers;
  Schedule schedule;
  u32 value_columns;  // of Dv: all, or a slice
  u32 min_blocks;
};

// Plain: 16-byte copies of contiguous rows, dims that are multiples of 64 and scores that need no transform. Anything
// else takes registers for addresses or arithmetic.
enum class ForwardTraits { Plain, Other };

// The first row of the table that serves these head dims within the device's shared memory.
std::optional<ForwardTile> choose_forward_tile(u32 head_dim, u32 value_dim, ForwardTraits traits,
                                               const DeviceFacts& device);

// The forward of few rows: null where there are more, or where nothing fits.
struct DecodeTile {
  u32 row_tiles, depth, q_in_registers;
  u32 min_blocks;
};
std::optional<DecodeTile> choose_decode_tile(const Problem& problem, const DeviceFacts& device);

Status supports_forward(const Problem& problem, const DeviceFacts& device);
// With a tile of the caller's, for measurements, in place of the table's and of the decode kernel.
FamilyPlan prepare_forward(const Problem& problem, const DeviceFacts& device,
                           const std::optional<ForwardTile>& forced = {});
std::vector<Launch> forward_launches(const Problem& problem, const FamilyPlan& plan,
                                     const DeviceFacts& device, const ForwardTensors& tensors,
                                     void* workspace);

}  // namespace fa4::plan
