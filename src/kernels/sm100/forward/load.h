// SPDX-License-Identifier: Apache-2.0
// Role Load: Q tiles and blocks of K and V, from the last block to the first, in the order in which Mma reads them:
// K Q0 Q1 V, then K V K V .. It knows nothing of tile ends but Q: the ring already fills for the next tile while the
// last one is computed.
#pragma once

#include "ptx/memory.h"
#include "ptx/sync.h"
#include "ptx/tma_nd.h"
#include "sm100/forward/storage.h"
#include "sm100/forward/walk.h"
#include "sm100/forward/work.h"

namespace fa4::sm100::forward {

template <Sm100ForwardConfig config>
class Loader {
 public:
  using S = Smem<config>;

  FA4_DEVICE Loader(const Sm100ForwardParams& p, const S& smem)
      : p_(p), smem_(smem), leader_(ptx::elect_sync()) {}

  FA4_DEVICE void load_tile(const Tile& tile) {
    const u32 last = tile.blocks.end - 1;
    load_k(tile, last);
    load_q(tile);
    load_last_v(tile, last);
    for (u32 block = last; block-- > tile.blocks.first;) {
      load_k(tile, block);
      load_v(tile, block);
    }
  }

  // No commit of Mma may arrive when the CTA is gone. Each is waited for: the manual does not say that they signal in order.
  FA4_DEVICE void drain() {
    for (u32 slot = 0; slot < S::kAt.slots; ++slot) acquire();
    for (u32 q = 0; q < kQueryTiles; ++q) wait_for_phase(smem_.barrier(kQEmpty, q), q_phase_);
  }

 private:
  // The next slot, when all that read it are done.
  FA4_DEVICE u32 acquire() { return cursor_.wait_and_step(smem_.barrier(kKvEmpty)); }

  FA4_DEVICE void load_q(const Tile& tile) {
    const u32 first_query = static_cast<u32>(tile.queries.begin) + (tile.row >> p_.group_log2);
    const u32 group = tile.head >> p_.group_log2;
    for (u32 q = 0; q < kQueryTiles; ++q) {
      wait_for_phase(smem_.barrier(kQEmpty, q), q_phase_);
      // The room is Store's until O has left.
      if constexpr (out_lies_over_q(config)) {
        wait_for_phase(smem_.barrier(kOutEmpty, q), q_phase_);
      }
      const u32 full = smem_.barrier(kQFull, q);
      if (leader_) {
        ptx::mbarrier_arrive_expect_tx(full, S::kAt.q_bytes);
        for (u32 box = 0; box < boxes_of(config.head_dim); ++box) {
          ptx::cp_async_bulk_tensor_5d_load(
              smem_.q(q) + box * kBoxBytes, p_.q_map, box * kBoxColumns, 0,
              first_query + (q * kTileRows >> p_.group_log2), group, tile.queries.batch, full);
        }
      }
    }
    q_phase_ ^= 1;
  }

  FA4_DEVICE void load_k(const Tile& tile, u32 block) {
    const u32 slot = acquire();
    if constexpr (has_uneven_ring(config)) {
      // The K before the last: see Note [Uneven ring]. Its release ends the phase that slot 1 will next be filled in.
      if (slot == 0) wait_for_phase(smem_.barrier(kKvEmpty, 1), cursor_.phase());
    }
    const u32 full = smem_.barrier(kKvFull, slot);
    if (leader_) {
      ptx::mbarrier_arrive_expect_tx(full, S::kAt.k_bytes);
      load_rows<boxes_of(config.head_dim)>(p_.k_map, smem_.k(slot), tile, block, full);
    }
  }

  FA4_DEVICE void load_v(const Tile& tile, u32 block) {
    const u32 slot = acquire();
    copy_v(tile, block, slot, smem_.barrier(kKvFull, slot));
  }

  // P is 0 beyond the sequence, but 0 x NaN is NaN: rows there must be 0, as TMA leaves those beyond the tensor.
  FA4_DEVICE void load_last_v(const Tile& tile, u32 block) {
    const u32 slot = acquire();
    const u32 full = smem_.barrier(kKvFull, slot);
    const u32 used_rows = tile.keys.length - block * kBlockKeys;
    const bool clear = p_.clear_tails && used_rows < kBlockKeys;
    const u32 landed = clear ? smem_.barrier(kVLanded) : full;
    copy_v(tile, block, slot, landed);
    if (clear) {
      wait_for_phase(landed, landed_phase_);
      landed_phase_ ^= 1;
      clear_rows(smem_.v(slot), used_rows);
      ptx::fence_proxy_async();
      __syncwarp();
      if (leader_) ptx::mbarrier_arrive(full);
    }
  }

  FA4_DEVICE void copy_v(const Tile& tile, u32 block, u32 slot, u32 landed) {
    if (leader_) {
      ptx::mbarrier_arrive_expect_tx(landed, S::kAt.v_bytes);
      load_rows<boxes_of(config.value_dim)>(p_.v_map, smem_.v(slot), tile, block, landed);
    }
  }

  template <u32 kBoxes>
  FA4_DEVICE void load_rows(const TensorMap& map, u32 smem, const Tile& tile, u32 block, u32 full) {
    const u32 first_row = static_cast<u32>(tile.keys.begin) + block * kBlockKeys;
    for (u32 box = 0; box < kBoxes; ++box) {
      ptx::cp_async_bulk_tensor_4d_load(smem + box * kBoxBytes, map, box * kBoxColumns, first_row,
                                        tile.kv_head, tile.keys.batch, full);
    }
  }

  // Whole rows, so that the swizzle does not matter.
  FA4_DEVICE void clear_rows(u32 v_smem, u32 first_row) {
    constexpr u32 kRowChunks = 128 / kChunkBytes;
    const u32 zeros[4] = {0, 0, 0, 0};
    for (u32 box = 0; box < boxes_of(config.value_dim); ++box) {
      for (u32 chunk = first_row * kRowChunks + threadIdx.x % 32; chunk < kTileRows * kRowChunks;
           chunk += 32) {
        ptx::st_shared_v4(v_smem + box * kBoxBytes + chunk * kChunkBytes, zeros);
      }
    }
  }

  const Sm100ForwardParams& p_;
  S smem_;
  bool leader_;
  RingCursor<S::kAt.slots> cursor_{1};
  u32 q_phase_ = 1;
  u32 landed_phase_ = 0;
};

// A whole warp, of which one lane speaks to TMA.
template <Sm100ForwardConfig config>
FA4_DEVICE void run_load(const Sm100ForwardParams& p, const Smem<config>& smem) {
  Loader<config> loader(p, smem);
  for (TileWalk<config> walk(p, smem); !walk.done(); walk.advance()) {
    const Tile tile = find_tile(p, walk.index());
    if (!tile.empty()) loader.load_tile(tile);
  }
  loader.drain();
}

}  // namespace fa4::sm100::forward
