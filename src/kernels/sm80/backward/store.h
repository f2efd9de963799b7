// SPDX-License-Identifier: Apache-2.0
// A tile of results from SMEM to the rows of a tensor, and a warp's accumulators into such a tile.
#pragma once

#include "ptx/memory.h"
#include "tile/element.h"
#include "tile/swizzle.h"

namespace fa4::sm80::backward {

// Eight elements to an address that `align` bytes divide.
FA4_DEVICE void store_chunk(u16* to, const u32 (&words)[4], u32 align) {
  if (align == 16) {
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
    return;
  }
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    if (align >= 4) {
      reinterpret_cast<u32*>(to)[i] = words[i];
    } else {
      to[i * 2] = static_cast<u16>(words[i]);
      to[i * 2 + 1] = static_cast<u16>(words[i] >> 16);
    }
  }
}

// Rows 0 to `rows` of the tensor get those of the tile, and zeros from row `filled` on.
template <u32 kDim, u32 kThreads>
FA4_DEVICE void store_rows(u32 tile_smem, u16* to, i64 row_stride, u32 rows, u32 filled, u32 align,
                           u32 thread) {
  using Layout = TileLayout<padded_dim(kDim)>;
  constexpr u32 kChunks = kDim / kChunkElements;
  for (u32 item = thread; item < rows * kChunks; item += kThreads) {
    const u32 row = item / kChunks, chunk = item % kChunks;
    u32 words[4] = {0, 0, 0, 0};
    if (row < filled) ptx::ld_shared_v4(words, tile_smem + Layout::offset(row, chunk));
    store_chunk(to + row * row_stride + chunk * kChunkElements, words, align);
  }
}

// Two accumulators of 16x8 side by side, times `scale`, to rows `row`.. and columns `chunk` * 8.. of a tile.
template <ElementType kType, u32 kColumns>
FA4_DEVICE void store_accumulator(u32 tile_smem, const float (&acc)[4], float scale, u32 row,
                                  u32 chunk, u32 lane) {
  using Layout = TileLayout<kColumns>;
#pragma unroll
  for (u32 half = 0; half < 2; ++half) {
    const u32 at = Layout::offset(row + lane / 4 + half * 8, chunk) + lane % 4 * 4;
    ptx::st_shared(tile_smem + at, pack<kType>(acc[half * 2] * scale, acc[half * 2 + 1] * scale));
  }
}

}  // namespace fa4::sm80::backward
