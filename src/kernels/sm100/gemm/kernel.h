// SPDX-License-Identifier: Apache-2.0
// The Blackwell GEMM: sets up, dispatches the roles, tears down. README.md shows the schedule.
#pragma once

#include "ptx/cluster.h"
#include "ptx/sync.h"
#include "sm100/gemm/load.h"
#include "sm100/gemm/mma.h"
#include "sm100/gemm/roles.h"
#include "sm100/gemm/store.h"
#include "tile/sync_cluster.h"

namespace fa4::sm100::gemm {

// One lane. After the cluster barrier that follows, anyone in the cluster may arrive and wait.
template <Sm100GemmConfig config>
FA4_DEVICE void set_up(Storage<config>& smem) {
  for (u32 slot = 0; slot < config.stages; ++slot) {
    ptx::mbarrier_init(ptx::smem_address(&smem.full[slot]), kFullArrivals);
    ptx::mbarrier_init(ptx::smem_address(&smem.empty[slot]), kEmptyArrivals<config>);
  }
  for (u32 tile = 0; tile < kTiles; ++tile) {
    ptx::mbarrier_init(ptx::smem_address(&smem.tile_full[tile]), kTileFullArrivals);
    ptx::mbarrier_init(ptx::smem_address(&smem.tile_empty[tile]), kTileEmptyArrivals<config>);
  }
  ptx::fence_mbarrier_init();
}

// The same for TMEM.
FA4_DEVICE void sync_cluster() {
  ptx::tcgen05_fence_before_thread_sync();
  fa4::sync_cluster();
  ptx::tcgen05_fence_after_thread_sync();
}

template <Sm100GemmConfig config>
FA4_DEVICE void kernel(const GemmParams& p) {
  extern __shared__ __align__(kAtomAlignment) u8 dynamic_smem[];
  Storage<config>& smem = *reinterpret_cast<Storage<config>*>(dynamic_smem);
  // The shuffle tells the compiler that the index is the same for the whole warp.
  const u32 warp_idx = __shfl_sync(0xffffffff, threadIdx.x / 32, 0);
  const TileScheduler<config.cluster_rows, config.cluster_cols, kBandRows> tiles(
      ceil_div(p.m, kBlockM), ceil_div(p.n, kBlockN));

  if (kLoad.has(warp_idx) && ptx::elect_sync()) set_up(smem);
  if (kMma.has(warp_idx)) {
    ptx::tcgen05_alloc<config.cta_group>(ptx::smem_address(&smem.tmem), kTileColumns);
    ptx::tcgen05_relinquish_alloc_permit<config.cta_group>();
  }
  __syncwarp();
  sync_cluster();
  const u32 tmem = smem.tmem;

  if (kStore.has(warp_idx)) {
    run_store<config>(p, smem, tiles, tmem, warp_idx);
  } else if (kLoad.has(warp_idx)) {
    if (ptx::elect_sync()) run_load<config>(p, smem, tiles);
  } else if (ptx::cluster_ctarank() % config.cta_group == 0) {
    if (ptx::elect_sync()) run_mma<config>(p, smem, tiles, tmem);
  }
  __syncwarp();

  // A peer may still deliver A or B here or release a slot here, and the pair's MMAs write here: no CTA leaves, or frees
  // its TMEM, before all are done.
  sync_cluster();
  if (kMma.has(warp_idx)) ptx::tcgen05_dealloc<config.cta_group>(tmem, kTileColumns);
}

}  // namespace fa4::sm100::gemm
