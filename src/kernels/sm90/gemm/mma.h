// SPDX-License-Identifier: Apache-2.0
// Role Mma: two warpgroups, each 64 rows of the tile, accumulators in registers for the whole of K.
// They share every slot and never meet: the ring lets one be ahead of the other by its depth, so
// that one keeps the tensor core busy while the other stores.
#pragma once

#include "ptx/registers.h"
#include "ptx/wgmma.h"
#include "sm90/gemm/store.h"
#include "tile/matrix_descriptor.h"
#include "tile/ring.h"
#include "tile/tile_scheduler.h"

namespace fa4::sm90::gemm {

// One slot as one wgmma group: acc += A[64, 64] * B[256, 64]^T, in steps of 16 along K. With kFirst
// the first step overwrites acc.
template <bool kFirst>
FA4_DEVICE void multiply_slot(float (&acc)[kAccumulators], u64 a_desc, u64 b_desc) {
  ptx::wgmma_fence();
#pragma unroll
  for (u32 k = 0; k < kBlockK; k += kWgmmaK) {
    ptx::wgmma_mma_async(acc, advance_descriptor(a_desc, k * sizeof(bf16)),
                         advance_descriptor(b_desc, k * sizeof(bf16)), !kFirst || k > 0);
  }
  ptx::wgmma_commit_group();
}

// One tile over all of K. A group is always in flight while the next slot is awaited, therefore a
// slot is released one step after it was read.
template <Sm90GemmConfig config>
FA4_DEVICE void multiply_tile(float (&acc)[kAccumulators], ConsumerRing<config.stages>& ring,
                              u64 a_desc, u64 b_desc, u32 size_k) {
  constexpr u32 kASlotBytes = sizeof(Storage<config>::a[0]);
  constexpr u32 kBSlotBytes = sizeof(Storage<config>::b[0]);

  // First block.
  u32 held_slot = ring.acquire();
  multiply_slot<true>(acc, advance_descriptor(a_desc, held_slot * kASlotBytes),
                      advance_descriptor(b_desc, held_slot * kBSlotBytes));

  // Steady state.
  for (u32 k = kBlockK; k < size_k; k += kBlockK) {
    const u32 slot = ring.acquire();
    multiply_slot<false>(acc, advance_descriptor(a_desc, slot * kASlotBytes),
                         advance_descriptor(b_desc, slot * kBSlotBytes));
    ptx::wgmma_wait_group<1>();
    ring.release(held_slot);
    held_slot = slot;
  }

  // Last block.
  ptx::wgmma_wait_group<0>();
  ptx::hold(acc);
  ring.release(held_slot);
}

template <Sm90GemmConfig config, class Tiles>
FA4_DEVICE void run_mma(const GemmParams& p, Storage<config>& smem, Tiles tiles, u32 warp_idx) {
  const u32 warpgroup_idx = warp_idx / 4;
  const bf16* a_smem = smem.a[0] + warpgroup_idx * kWgmmaM * kBlockK;
  const u64 a_desc = wgmma_descriptor(ptx::smem_address(a_smem));
  const u64 b_desc = wgmma_descriptor(ptx::smem_address(smem.b[0]));
  // Thread i of the warpgroup speaks to CTA i, if that shares a tile with us.
  const u32 thread = threadIdx.x % 128;
  const bool signals =
      thread < config.cluster() && Place<config>(ptx::cluster_ctarank()).shares_with(thread);
  ConsumerRing<config.stages> ring(smem.full, smem.empty, signals, thread);
  CStore store(p.c_map, ptx::smem_address(smem.c[warp_idx]), warp_idx);
  float acc[kAccumulators] = {};

  for (; !tiles.done(); tiles.advance()) {
    multiply_tile<config>(acc, ring, a_desc, b_desc, p.k);
    store.store_tile(acc, tiles.tile());
  }
  store.drain();
}

}  // namespace fa4::sm90::gemm
