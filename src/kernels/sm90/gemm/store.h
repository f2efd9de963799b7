// SPDX-License-Identifier: Apache-2.0
// The last step of role Mma: accumulators to C, through SMEM, by TMA. Each warp stores its own 16
// rows from its own two buffers, so the end of a tile needs no barrier wider than a warp.
//
//     columns   0       64      128     192     256
//               | box 0 | box 1 | box 2 | box 3 |      16 rows each; buffers 0 1 0 1
#pragma once

#include "ptx/math.h"
#include "ptx/stmatrix.h"
#include "sm90/gemm/config.h"
#include "tile/box_store.h"
#include "tile/swizzle.h"
#include "tile/tile_scheduler.h"

namespace fa4::sm90::gemm {

class CStore {
 public:
  FA4_DEVICE CStore(const TensorMap& c_map, u32 c_smem, u32 warp_idx)
      : boxes_(c_map, c_smem), warp_row_(warp_idx * kStoreRows), lane_(threadIdx.x % 32) {}

  FA4_DEVICE void store_tile(const float (&acc)[kAccumulators], TileIndex tile) const {
    const u32 c_row = tile.row * kBlockM + warp_row_;
#pragma unroll
    for (u32 box = 0; box < kBlockN / kStoreCols; ++box) {
      boxes_.store(box, tile.col * kBlockN + box * kStoreCols, c_row,
                   [&](u32 box_smem) { write_box(box_smem, acc, box); });
    }
  }

  FA4_DEVICE void drain() const { boxes_.drain(); }

 private:
  static constexpr u32 kBoxBytes = kStoreRows * kStoreCols * sizeof(bf16);
  static_assert(kBlockN / kStoreCols % kStoreBuffers == 0, "every tile begins with buffer 0");

  // Eight columns are four accumulators of a thread: two in row t/4, two in row t/4 + 8. A stmatrix
  // takes two such groups; lanes 0-15 point at the rows of the left one, 16-31 at the right one's.
  FA4_DEVICE void write_box(u32 box_smem, const float (&acc)[kAccumulators], u32 box) const {
#pragma unroll
    for (u32 chunk = 0; chunk < kStoreCols / 8; chunk += 2) {
      const u32 i = (box * kStoreCols / 8 + chunk) * 4;
      ptx::stmatrix_x4(
          box_smem + TileLayout<kStoreCols>::offset(lane_ % 16, chunk + lane_ / 16),
          ptx::cvt_rn_bf16x2(acc[i + 0], acc[i + 1]), ptx::cvt_rn_bf16x2(acc[i + 2], acc[i + 3]),
          ptx::cvt_rn_bf16x2(acc[i + 4], acc[i + 5]), ptx::cvt_rn_bf16x2(acc[i + 6], acc[i + 7]));
    }
  }

  BoxStore<kStoreBuffers, kBoxBytes> boxes_;
  u32 warp_row_, lane_;
};

}  // namespace fa4::sm90::gemm
