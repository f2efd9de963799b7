// SPDX-License-Identifier: Apache-2.0
// Role Mma: one lane, of a pair in the even CTA, issues every tcgen05.mma. It never waits for one: what has been read, and
// what is summed up, is told by commits.
#pragma once

#include "ptx/tmem.h"
#include "ptx/umma.h"
#include "sm100/gemm/storage.h"
#include "tile/matrix_descriptor.h"
#include "tile/ring.h"
#include "tile/tile_scheduler.h"

namespace fa4::sm100::gemm {

// Tells the same barrier of all CTAs of the mask when the MMAs so far are done.
template <Sm100GemmConfig config>
FA4_DEVICE void commit(u32 barrier, u16 cta_mask) {
  if constexpr (config.cluster() > 1) {
    ptx::tcgen05_commit_multicast<config.cta_group>(barrier, cta_mask);
  } else {
    ptx::tcgen05_commit<config.cta_group>(barrier);
  }
}

// One slot: tile += A[m, 64] * B[256, 64]^T, in steps of 16 along K. The first slot of a tile overwrites it.
template <Sm100GemmConfig config>
FA4_DEVICE void multiply_slot(u32 tile_tmem, u64 a_desc, u64 b_desc, bool is_first) {
#pragma unroll
  for (u32 k = 0; k < kBlockK; k += kMmaK) {
    ptx::tcgen05_mma_f16_ss<config.cta_group>(
        tile_tmem, advance_descriptor(a_desc, k * sizeof(bf16)),
        advance_descriptor(b_desc, k * sizeof(bf16)), instruction_descriptor(mma_shape(config)),
        !is_first || k > 0);
  }
}

// One lane.
template <Sm100GemmConfig config, class Tiles>
FA4_DEVICE void run_mma(const GemmParams& p, Storage<config>& smem, Tiles tiles, u32 tmem) {
  constexpr u32 kASlotBytes = sizeof(smem.a[0]), kBSlotBytes = sizeof(smem.b[0]);
  const Place<config> place(ptx::cluster_ctarank());
  const u64 a_desc = tcgen05_descriptor_k_major(ptx::smem_address(smem.a[0]));
  const u64 b_desc = tcgen05_descriptor_k_major(ptx::smem_address(smem.b[0]));
  MmaRing<config.stages> ring(smem.full, smem.empty);
  ProducerRing<kTiles> halves(smem.tile_full, smem.tile_empty);

  for (; !tiles.done(); tiles.advance()) {
    // From here the half is ours, in both CTAs of a pair; it is Store's when the last MMA is done.
    const u32 half = halves.acquire();
    ptx::tcgen05_fence_after_thread_sync();
    for (u32 k = 0; k < p.k; k += kBlockK) {
      const u32 slot = ring.acquire();
      multiply_slot<config>(tile_tmem(tmem, half), advance_descriptor(a_desc, slot * kASlotBytes),
                            advance_descriptor(b_desc, slot * kBSlotBytes), k == 0);
      commit<config>(ring.empty(slot), place.writers_mask());
    }
    commit<config>(halves.full(half), place.pair_mask());
  }
}

}  // namespace fa4::sm100::gemm
