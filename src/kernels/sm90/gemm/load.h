// SPDX-License-Identifier: Apache-2.0
// Role Load: keeps the ring full. It knows nothing of tile ends: while Mma stores one tile of C,
// the slots that it has released already fill with the next one.
#pragma once

#include "ptx/tma.h"
#include "sm90/gemm/storage.h"
#include "tile/ring.h"
#include "tile/tile_scheduler.h"

namespace fa4::sm90::gemm {

// A box to one CTA or, from the same offset on, to all of `cta_mask`.
template <bool kMulticast>
FA4_DEVICE void load_box(u32 dst, const TensorMap& map, u32 x, u32 y, u32 full, u16 cta_mask) {
  if constexpr (kMulticast) {
    ptx::cp_async_bulk_tensor_2d_load_multicast(dst, map, x, y, full, cta_mask);
  } else {
    ptx::cp_async_bulk_tensor_2d_load(dst, map, x, y, full);
  }
}

// One slot. The CTAs of a cluster's row need the same A, those of a column the same B: each fetches an equal share of
// the rows and TMA delivers it to all, so that the full barrier of a CTA counts the shares of its peers too.
template <Sm90GemmConfig config>
FA4_DEVICE void load_slot(const GemmParams& p, Storage<config>& smem, u32 slot, u32 full,
                          TileIndex tile, u32 k) {
  constexpr u32 kARows = kBlockM / config.cluster_cols, kBRows = kBlockN / config.cluster_rows;
  const Place<config> place(ptx::cluster_ctarank());
  const u32 a_share = place.a_share() * kARows, b_share = place.b_share() * kBRows;

  // Always a whole slot: TMA counts the bytes of a box also where it lies out of bounds.
  ptx::mbarrier_arrive_expect_tx(full, kSlotBytes);
  load_box<(config.cluster_cols > 1)>(ptx::smem_address(smem.a[slot] + a_share * kBlockK), p.a_map,
                                      k, tile.row * kBlockM + a_share, full, place.a_mask());
  load_box<(config.cluster_rows > 1)>(ptx::smem_address(smem.b[slot] + b_share * kBlockK), p.b_map,
                                      k, tile.col * kBlockN + b_share, full, place.b_mask());
}

// One lane.
template <Sm90GemmConfig config, class Tiles>
FA4_DEVICE void run_load(const GemmParams& p, Storage<config>& smem, Tiles tiles) {
  ProducerRing<config.stages> ring(smem.full, smem.empty);

  for (; !tiles.done(); tiles.advance()) {
    const TileIndex tile = tiles.tile();
    for (u32 k = 0; k < p.k; k += kBlockK) {
      // From here the slot is ours, in all CTAs of the cluster; it is Mma's when its bytes are in.
      const u32 slot = ring.acquire();
      load_slot<config>(p, smem, slot, ring.full(slot), tile, k);
    }
  }
}

}  // namespace fa4::sm90::gemm
