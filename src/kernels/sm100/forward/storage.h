// SPDX-License-Identifier: Apache-2.0
// The CTA's SMEM by name, as 32-bit addresses. abi/sm100_forward_storage.h has the map and the table of barriers.
#pragma once

#include "abi/sm100_forward_storage.h"
#include "ptx/mbarrier.h"
#include "tile/ring.h"

namespace fa4::sm100::forward {

// Hardware barriers, one for each warp of softmax and the warp of Correction that owns the same rows: the row's values
// are in SMEM. scale_empty says when they have been read.
constexpr u32 kFirstScaleFull = 1;
constexpr u32 kScaleFullThreads = 64;

FA4_DEVICE u32 scale_full(u32 tile, u32 warp_of_tile) {
  return kFirstScaleFull + tile * kWarpsOfTile + warp_of_tile;
}

template <Sm100ForwardConfig config>
struct Smem {
  static constexpr Storage kAt = storage_of(config);
  u32 base;

  FA4_DEVICE u32 q(u32 tile) const { return base + kAt.q + tile * kAt.q_bytes; }
  FA4_DEVICE u32 out(u32 tile) const {
    return base + out_offset(config, 0) + tile * (out_offset(config, 1) - out_offset(config, 0));
  }
  FA4_DEVICE u32 row_scale(u32 tile, u32 row) const {
    return base + kAt.row_scale + (tile * kTileRows + row) * 4;
  }
  FA4_DEVICE u32 row_max(u32 tile, u32 row) const {
    return base + kAt.row_max + (tile * kTileRows + row) * 4;
  }
  FA4_DEVICE u32 claim() const { return base + kAt.claim; }
  FA4_DEVICE u32 tmem_address() const { return base + kAt.tmem_address; }
  FA4_DEVICE u32 barrier(Barrier which, u32 index = 0) const {
    return base + kAt.barriers[which] + index * sizeof(Mbarrier);
  }

  // See Note [Uneven ring].
  FA4_DEVICE u32 k(u32 slot) const { return base + kAt.ring + k_offset(slot); }
  FA4_DEVICE u32 v(u32 slot) const { return base + kAt.ring + v_offset(slot); }

  FA4_DEVICE static u32 k_offset(u32 slot) {
    if constexpr (has_uneven_ring(config)) {
      return slot == 0 ? 0 : slot == 1 ? kAt.v_bytes : kAt.k_bytes + kAt.v_bytes;
    }
    return slot * kAt.slot_bytes;
  }
  FA4_DEVICE static u32 v_offset(u32 slot) {
    if constexpr (has_uneven_ring(config)) {
      return slot == 0 ? 0 : slot == 1 ? kAt.k_bytes : kAt.k_bytes + kAt.v_bytes;
    }
    return slot * kAt.slot_bytes;
  }
};

}  // namespace fa4::sm100::forward
