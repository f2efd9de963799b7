// SPDX-License-Identifier: Apache-2.0
// Role Store: four warps, each its own 32 rows of the tile, which are lanes of TMEM: to registers, to bf16, through SMEM to
// C by TMA. No barrier is wider than a warp.
//
//     columns   0       64      128     192     256
//               | box 0 | box 1 | box 2 | box 3 |      32 rows each; buffers 0 1 0 1
#pragma once

#include "ptx/math.h"
#include "ptx/memory.h"
#include "ptx/registers.h"
#include "ptx/sync.h"
#include "ptx/tmem.h"
#include "ptx/tmem_access.h"
#include "sm100/gemm/storage.h"
#include "tile/box_store.h"
#include "tile/ring.h"
#include "tile/swizzle.h"
#include "tile/tile_scheduler.h"

namespace fa4::sm100::gemm {

class CStore {
 public:
  FA4_DEVICE CStore(const TensorMap& c_map, u32 c_smem, u32 warp_idx)
      : boxes_(c_map, c_smem), warp_row_(warp_idx * kStoreRows), lane_(threadIdx.x % 32) {}

  // From this half of TMEM, which is Mma's again as soon as it is read.
  template <class Halves>
  FA4_DEVICE void store_tile(u32 tile_tmem, TileIndex tile, const Halves& halves, u32 half) const {
    const u32 warp_tmem = tile_tmem + (warp_row_ << 16);
    const u32 c_row = tile.row * kBlockM + warp_row_;
#pragma unroll
    for (u32 box = 0; box < kBlockN / kStoreCols; ++box) {
      float row[kStoreCols];
      ptx::tcgen05_ld_32x32b(row, warp_tmem + box * kStoreCols);
      ptx::tcgen05_wait_ld();
      ptx::hold(row);
      if (box == kBlockN / kStoreCols - 1) {
        ptx::tcgen05_fence_before_thread_sync();
        __syncwarp();
        halves.release(half);
      }
      boxes_.store(box, tile.col * kBlockN + box * kStoreCols, c_row,
                   [&](u32 box_smem) { write_row(box_smem, row); });
    }
  }

  FA4_DEVICE void drain() const { boxes_.drain(); }

 private:
  static constexpr u32 kBoxBytes = kStoreRows * kStoreCols * sizeof(bf16);
  static_assert(kBlockN / kStoreCols % kStoreBuffers == 0, "every tile begins with buffer 0");

  // A lane is a row; its chunks of eight columns go where the swizzle puts them.
  FA4_DEVICE void write_row(u32 box_smem, const float (&row)[kStoreCols]) const {
#pragma unroll
    for (u32 chunk = 0; chunk < kStoreCols / kChunkElements; ++chunk) {
      u32 words[4];
#pragma unroll
      for (u32 i = 0; i < 4; ++i) {
        const u32 col = chunk * kChunkElements + 2 * i;
        words[i] = ptx::cvt_rn_bf16x2(row[col], row[col + 1]);
      }
      ptx::st_shared_v4(box_smem + TileLayout<kStoreCols>::offset(lane_, chunk), words);
    }
  }

  BoxStore<kStoreBuffers, kBoxBytes> boxes_;
  u32 warp_row_, lane_;
};

// One warp.
template <Sm100GemmConfig config, class Tiles>
FA4_DEVICE void run_store(const GemmParams& p, Storage<config>& smem, Tiles tiles, u32 tmem,
                          u32 warp_idx) {
  CStore store(p.c_map, ptx::smem_address(smem.c[warp_idx]), warp_idx);
  // One lane of each warp speaks to Mma, of a pair in the even CTA.
  const u32 mma_cta = ptx::cluster_ctarank() / config.cta_group * config.cta_group;
  ConsumerRing<kTiles> halves(smem.tile_full, smem.tile_empty, ptx::elect_sync(), mma_cta);

  for (; !tiles.done(); tiles.advance()) {
    const u32 half = halves.acquire();
    ptx::tcgen05_fence_after_thread_sync();
    store.store_tile(tile_tmem(tmem, half), tiles.tile(), halves, half);
  }
  store.drain();
}

}  // namespace fa4::sm100::gemm
