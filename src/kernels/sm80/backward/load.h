// SPDX-License-Identifier: Apache-2.0
// Rows of a tensor into SMEM, by all threads of a block. What is beyond the rows or the columns becomes zero: an
// MMA contracts over it, and 0 * NaN is NaN.
#pragma once

#include "ptx/cp_async.h"
#include "ptx/memory.h"
#include "tile/swizzle.h"

namespace fa4::sm80::backward {

// A chunk whose address is a multiple of 4 or 2 bytes only. `count` is 8, or 0 for zeros.
FA4_DEVICE void load_chunk_by_parts(u32 smem, const u16* source, u32 count, u32 align) {
  if (align >= 4) {
#pragma unroll
    for (u32 i = 0; i < 4; ++i) ptx::cp_async_4(smem + i * 4, source + i * 2, count ? 4 : 0);
    return;
  }
  u32 words[4] = {0, 0, 0, 0};
  if (count) {
#pragma unroll
    for (u32 i = 0; i < 4; ++i) words[i] = source[i * 2] | u32{source[i * 2 + 1]} << 16;
  }
  ptx::st_shared_v4(smem, words);
}

// [kRows, kDim] from `source`, of which the first `rows` exist (at least one), in the layout of padded_dim(kDim)
// columns. Ours after the block's copies are waited for and a barrier.
template <u32 kRows, u32 kDim, u32 kThreads>
FA4_DEVICE void load_rows(u32 tile_smem, const u16* source, i64 row_stride, u32 rows, u32 align,
                          u32 thread) {
  using Layout = TileLayout<padded_dim(kDim)>;
  constexpr u32 kItems = kRows * Layout::kChunks;
  constexpr u32 kFilled = kDim / kChunkElements;
  if (align == 16) {
#pragma unroll
    for (u32 i = 0; i < ceil_div(kItems, kThreads); ++i) {
      const u32 item = thread + i * kThreads;
      if (kItems % kThreads != 0 && item >= kItems) break;
      const u32 row = item / Layout::kChunks, chunk = item % Layout::kChunks;
      const bool exists = row < rows && (kFilled == Layout::kChunks || chunk < kFilled);
      const u16* from = exists ? source + row * row_stride + chunk * kChunkElements : source;
      ptx::cp_async_16(tile_smem + Layout::offset(row, chunk), from, exists ? kChunkBytes : 0);
    }
    return;
  }
#pragma unroll 1
  for (u32 item = thread; item < kItems; item += kThreads) {
    const u32 row = item / Layout::kChunks, chunk = item % Layout::kChunks;
    const bool exists = row < rows && chunk < kFilled;
    const u16* from = exists ? source + row * row_stride + chunk * kChunkElements : source;
    load_chunk_by_parts(tile_smem + Layout::offset(row, chunk), from, exists ? kChunkElements : 0,
                        align);
  }
}

// kCount floats, a multiple of 4, from the workspace.
template <u32 kCount>
FA4_DEVICE void load_floats(u32 smem, const float* source, u32 thread) {
  static_assert(kCount % 4 == 0);
  if (thread < kCount / 4) ptx::cp_async_16(smem + thread * 16, source + thread * 4, 16);
}

}  // namespace fa4::sm80::backward
