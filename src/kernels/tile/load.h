// SPDX-License-Identifier: Apache-2.0
// From global memory to a tile in SMEM, by all threads of a CTA, 16 bytes of a row at a time. Rows at or beyond the
// limit and columns beyond the dim are zeroed: they may hold NaN, and 0 x NaN is NaN. Nothing of them is read.
#pragma once

#include "ptx/cp_async.h"
#include "ptx/memory.h"
#include "ptx/thread.h"
#include "tile/rows.h"
#include "tile/swizzle.h"

namespace fa4 {

// One chunk, of which the first `elements` exist. The plan chose kCopyBytes so that it divides the address; above 2
// a chunk exists whole or not at all.
template <u32 kCopyBytes>
FA4_DEVICE void copy_chunk(u32 smem, const u16* source, u32 elements) {
  if constexpr (kCopyBytes == 16) {
    ptx::cp_async_16(smem, source, elements * 2);
  } else if constexpr (kCopyBytes == 8) {
#pragma unroll
    for (u32 i = 0; i < 2; ++i) ptx::cp_async_8(smem + i * 8, source + i * 4, elements);
  } else if constexpr (kCopyBytes == 4) {
#pragma unroll
    for (u32 i = 0; i < 4; ++i) ptx::cp_async_4(smem + i * 4, source + i * 2, elements / 2);
  } else {
    u32 words[4];
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
      const u32 low = 2 * i < elements ? source[2 * i] : 0;
      const u32 high = 2 * i + 1 < elements ? source[2 * i + 1] : 0;
      words[i] = low | high << 16;
    }
    ptx::st_shared_v4(smem, words);
  }
}

template <u32 kRows, u32 kDim, u32 kCopyBytes, u32 kThreads>
struct TileLoader {
  using Layout = TileLayout<padded_dim(kDim)>;
  static constexpr u32 kChunks = Layout::kChunks;
  static constexpr u32 kTotal = kRows * kChunks;
  static constexpr u32 kPasses = ceil_div(kTotal, kThreads);
  // A thread stays in its column of chunks and steps down by the same number of rows.
  static constexpr bool kRegular = kThreads % kChunks == 0 && kTotal % kThreads == 0;

  FA4_DEVICE static u32 elements_of(u32 chunk, u32 columns) {
    if constexpr (kCopyBytes == 2) {
      const u32 begin = chunk * kChunkElements;
      return begin < columns ? min(columns - begin, kChunkElements) : 0;
    } else {
      return chunk * kChunkElements < columns ? kChunkElements : 0;
    }
  }

  // Rows [first, first + kRows) of `rows`, those at or beyond `limit` and columns at or beyond `columns` as zeros.
  template <class Rows>
  FA4_DEVICE static void load(u32 tile_smem, const Rows& rows, u32 first, u32 limit,
                              u32 columns = kDim) {
#pragma unroll
    for (u32 pass = 0; pass < kPasses; ++pass) {
      const u32 idx = threadIdx.x + pass * kThreads;
      const u32 row = idx / kChunks, chunk = idx % kChunks;
      if (kTotal % kThreads != 0 && idx >= kTotal) break;
      const bool counts = first + row < limit;
      const u16* source = counts ? rows.at(first + row) + chunk * kChunkElements : rows.data;
      copy_chunk<kCopyBytes>(tile_smem + Layout::offset(row, chunk), source,
                             counts ? elements_of(chunk, columns) : 0);
    }
  }

  // The same by a stride: one pointer that steps, and no test in a block that is full.
  FA4_DEVICE static void load(u32 tile_smem, const StridedRows& rows, u32 first, u32 limit,
                              u32 columns = kDim) {
    if constexpr (!kRegular) {
      load<StridedRows>(tile_smem, rows, first, limit, columns);
    } else {
      constexpr u32 kRowStep = kThreads / kChunks;
      const u32 thread = ptx::tid_x();
      const u32 row = thread / kChunks, chunk = thread % kChunks;
      const u32 elements = elements_of(chunk, columns);
      const u16* source = rows.at(first + row) + chunk * kChunkElements;
      const i64 step = kRowStep * rows.stride;
      if (first + kRows <= limit) {
#pragma unroll
        for (u32 pass = 0; pass < kPasses; ++pass, source += step) {
          copy_chunk<kCopyBytes>(tile_smem + Layout::offset(row + pass * kRowStep, chunk), source,
                                 elements);
        }
      } else {
#pragma unroll
        for (u32 pass = 0; pass < kPasses; ++pass, source += step) {
          const bool counts = first + row + pass * kRowStep < limit;
          copy_chunk<kCopyBytes>(tile_smem + Layout::offset(row + pass * kRowStep, chunk),
                                 counts ? source : rows.data, counts ? elements : 0);
        }
      }
    }
  }
};

}  // namespace fa4
