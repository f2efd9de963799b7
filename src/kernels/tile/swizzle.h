// SPDX-License-Identifier: Apache-2.0
// How a tile of 16-bit elements lies in SMEM, so that cp.async's rows and ldmatrix's columns of 16-byte chunks both
// meet all banks. A tile begins on a multiple of 128 bytes.
//
//     columns a multiple of 64   chunk c of row r lies at chunk c ^ (r % 8)
//     other multiples of 16      chunks as they are, the row's pitch an odd number of chunks
#pragma once

#include "abi/tiles.h"

namespace fa4 {

template <u32 kColumns>
struct TileLayout {
  static_assert(kColumns % 16 == 0);
  static constexpr bool kSwizzled = is_swizzled(kColumns);
  static constexpr u32 kChunks = kColumns / kChunkElements;
  static constexpr u32 kPitchBytes = pitch_bytes(kColumns);

  static constexpr u32 bytes(u32 rows) { return tile_bytes(rows, kColumns); }

  // Byte offset of a chunk.
  static constexpr u32 offset(u32 row, u32 chunk) {
    return row * kPitchBytes + (kSwizzled ? chunk ^ row % 8 : chunk) * kChunkBytes;
  }
};

// A lane's place in a tile that ldmatrix walks: made once for the lane's row and chunk, then moved by whole steps of
// 8 rows and of 2 chunks, which cost one XOR and immediate offsets.
template <u32 kColumns>
class LaneOffset {
 public:
  using Layout = TileLayout<kColumns>;

  FA4_DEVICE LaneOffset(u32 tile_smem, u32 row, u32 chunk)
      : start_(tile_smem + Layout::offset(row, chunk)) {}

  // `row` a multiple of 8, `chunk` a multiple of 2, both known to the compiler when the loop is unrolled.
  FA4_DEVICE u32 at(u32 row, u32 chunk) const {
    if constexpr (Layout::kSwizzled) {
      return (start_ ^ chunk % 8 * kChunkBytes) + chunk / 8 * 8 * kChunkBytes +
             row * Layout::kPitchBytes;
    } else {
      return start_ + chunk * kChunkBytes + row * Layout::kPitchBytes;
    }
  }

  FA4_DEVICE void move(u32 bytes) { start_ += bytes; }

 private:
  u32 start_;
};

}  // namespace fa4
