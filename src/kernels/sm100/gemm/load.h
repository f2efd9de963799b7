// SPDX-License-Identifier: Apache-2.0
// Role Load: keeps the ring full. It knows nothing of tile ends: while Store empties one half of TMEM, the slots that Mma
// has released already fill with the next tile. Of a pair both CTAs load, and all their bytes are counted by the even one.
#pragma once

#include "ptx/tma.h"
#include "sm100/gemm/storage.h"
#include "tile/ring.h"
#include "tile/tile_scheduler.h"

namespace fa4::sm100::gemm {

// A box to one CTA or, from the same offset on, to all of `cta_mask`; `full` is in the even CTA of a pair.
template <u32 kCtaGroup, bool kMulticast>
FA4_DEVICE void load_box(u32 dst, const TensorMap& map, u32 x, u32 y, u32 full, u16 cta_mask) {
  if constexpr (kCtaGroup == 2 && kMulticast) {
    ptx::cp_async_bulk_tensor_2d_load_pair_multicast(dst, map, x, y, full, cta_mask);
  } else if constexpr (kCtaGroup == 2) {
    ptx::cp_async_bulk_tensor_2d_load_pair(dst, map, x, y, full);
  } else if constexpr (kMulticast) {
    ptx::cp_async_bulk_tensor_2d_load_multicast(dst, map, x, y, full, cta_mask);
  } else {
    ptx::cp_async_bulk_tensor_2d_load(dst, map, x, y, full);
  }
}

// Our shares of one slot. Whoever needs the same A, or the same part of B, fetches an equal share of its rows, and TMA
// delivers it to all of them.
template <Sm100GemmConfig config>
FA4_DEVICE void load_slot(const GemmParams& p, Storage<config>& smem, u32 slot, u32 full,
                          TileIndex tile, u32 k) {
  using Where = Place<config>;
  constexpr u32 kGroup = config.cta_group;
  constexpr u32 kARows = kBlockM / Where::kASharers, kBRows = b_rows(config) / Where::kBSharers;
  const Where place(ptx::cluster_ctarank());
  const u32 a_share = place.a_share() * kARows, b_share = place.b_share() * kBRows;
  const u32 b_half = place.row % kGroup * b_rows(config);

  load_box<kGroup, (Where::kASharers > 1)>(ptx::smem_address(smem.a[slot] + a_share * kBlockK),
                                           p.a_map, k, tile.row * kBlockM + a_share, full,
                                           place.a_mask());
  load_box<kGroup, (Where::kBSharers > 1)>(ptx::smem_address(smem.b[slot] + b_share * kBlockK),
                                           p.b_map, k, tile.col * kBlockN + b_half + b_share, full,
                                           place.b_mask());
}

// One lane.
template <Sm100GemmConfig config, class Tiles>
FA4_DEVICE void run_load(const GemmParams& p, Storage<config>& smem, Tiles tiles) {
  const bool is_even = ptx::cluster_ctarank() % config.cta_group == 0;
  ProducerRing<config.stages> ring(smem.full, smem.empty);

  for (; !tiles.done(); tiles.advance()) {
    const TileIndex tile = tiles.tile();
    for (u32 k = 0; k < p.k; k += kBlockK) {
      // From here the slot is ours, in all CTAs of the cluster; it is Mma's when its bytes are in.
      const u32 slot = ring.acquire();
      u32 full = ring.full(slot);
      // Always a whole slot: TMA counts the bytes of a box also where it lies out of bounds.
      if (is_even) ptx::mbarrier_arrive_expect_tx(full, config.cta_group * slot_bytes(config));
      if constexpr (config.cta_group == 2) full = ptx::pair_leader(full);
      load_slot<config>(p, smem, slot, full, tile, k);
    }
  }
  // Every commit that was to arrive here has arrived: this CTA may end.
  ring.drain();
}

}  // namespace fa4::sm100::gemm
