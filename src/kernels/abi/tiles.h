// SPDX-License-Identifier: Apache-2.0
// How large a tile of 16-bit elements is in SMEM, for the kernels and for the planners' budgets. tile/swizzle.h says
// where its elements lie.
#pragma once

#include "base/types.h"

namespace fa4 {

constexpr u32 kChunkBytes = 16;  // what one lane copies, and one row of an ldmatrix matrix
constexpr u32 kChunkElements = 8;
constexpr u32 kTileAlignment = 128;

// Elements of a row as the MMAs see it: whole steps of 16.
constexpr u32 padded_dim(u32 dim) { return ceil_div(dim, 16) * 16; }

constexpr bool is_swizzled(u32 columns) { return columns % 64 == 0; }

// Rows that are not swizzled are an odd number of chunks apart.
constexpr u32 pitch_bytes(u32 columns) {
  return (columns / kChunkElements + (is_swizzled(columns) ? 0 : 1)) * kChunkBytes;
}

constexpr u32 tile_bytes(u32 rows, u32 columns) {
  return ceil_div(rows * pitch_bytes(columns), kTileAlignment) * kTileAlignment;
}

}  // namespace fa4
