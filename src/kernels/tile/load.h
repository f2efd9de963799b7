// SPDX-License-Identifier: Apache-2.0
// From global memory to a tile in SMEM, by all threads of a CTA, 16 bytes of a row at a time. Rows at or beyond the
// limit and columns beyond the dim are zeroed: they may hold NaN, and 0 x NaN is NaN. Nothing of them is read.
#pragma once

#include "ptx/cp_async.h"
#include "ptx/memory.h"
#include "ptx/registers.h"
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

// Threads side by side take chunks of one row, as many as a power of two divides, and step down the tile together.
//
//     chunks   threads on a row   chunks of each
//     8, 16    8, 16              1
//     10, 12   2, 4               5, 3            (D 80, 96)
//
// kSliced: `columns` may be less than kDim.
template <u32 kRows, u32 kDim, u32 kCopyBytes, u32 kThreads, bool kSliced = false>
struct TileLoader {
  using Layout = TileLayout<padded_dim(kDim)>;

  static constexpr u32 threads_on_row() {
    u32 threads = 1;
    while (Layout::kChunks % (2 * threads) == 0 && 2 * threads <= kThreads) threads *= 2;
    return threads;
  }
  static constexpr u32 kOnRow = threads_on_row();
  static constexpr u32 kChunksEach = Layout::kChunks / kOnRow;
  static constexpr u32 kRowStep = kThreads / kOnRow;
  static constexpr u32 kPasses = ceil_div(kRows, kRowStep);
  static_assert(kThreads % kOnRow == 0);

  FA4_DEVICE static u32 elements_of(u32 chunk, u32 columns) {
    if constexpr (!kSliced && kDim % 16 == 0) {
      return kChunkElements;
    } else if constexpr (kCopyBytes == 2) {
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
    if constexpr (Rows::kByStride) {  // a block that is full takes no tests
      if (first + kRows <= limit) return copy<true>(tile_smem, rows, first, limit, columns);
    }
    copy<false>(tile_smem, rows, first, limit, columns);
  }

 private:
  template <bool kFull, class Rows>
  FA4_DEVICE static void copy(u32 tile_smem, const Rows& rows, u32 first, u32 limit, u32 columns) {
    const u32 thread = ptx::tid_x();
    const u32 top = thread / kOnRow, left = thread % kOnRow;
    const u16* next = nullptr;
    i64 step = 0;
    if constexpr (Rows::kByStride) {
      next = rows.at(first + top) + left * kChunkElements;
      step = kRowStep * rows.stride;
    }
#pragma unroll
    for (u32 pass = 0; pass < kPasses; ++pass) {
      const u32 row = top + pass * kRowStep;
      if (kRows % kRowStep != 0 && row >= kRows) break;
      const bool counts = kFull || first + row < limit;
      const u16* source;
      if constexpr (Rows::kByStride) {
        source = next;
        next += step;
      } else {
        source = counts ? rows.at(first + row) + left * kChunkElements : rows.data;
      }
#pragma unroll
      for (u32 each = 0; each < kChunksEach; ++each) {
        const u32 chunk = left + each * kOnRow;
        const u32 elements = counts ? elements_of(chunk, columns) : 0;
        copy_chunk<kCopyBytes>(tile_smem + Layout::offset(row, chunk),
                               elements ? source + each * kOnRow * kChunkElements : rows.data,
                               elements);
      }
    }
  }
};

}  // namespace fa4
