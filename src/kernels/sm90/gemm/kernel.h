// SPDX-License-Identifier: Apache-2.0
// The Hopper GEMM: sets up, dispatches the roles, tears down. README.md shows the schedule.
#pragma once

#include "ptx/sync.h"
#include "sm90/gemm/load.h"
#include "sm90/gemm/mma.h"
#include "sm90/gemm/roles.h"
#include "tile/sync_cluster.h"

namespace fa4::sm90::gemm {

// One lane. After the cluster barrier that follows, anyone in the cluster may arrive and wait.
template <Sm90GemmConfig config>
FA4_DEVICE void set_up(Storage<config>& smem) {
  for (u32 slot = 0; slot < config.stages; ++slot) {
    ptx::mbarrier_init(ptx::smem_address(&smem.full[slot]), kFullArrivals);
    ptx::mbarrier_init(ptx::smem_address(&smem.empty[slot]), empty_arrivals(config));
  }
  ptx::fence_mbarrier_init();
}

template <Sm90GemmConfig config>
FA4_DEVICE void kernel(const GemmParams& p) {
  extern __shared__ __align__(kAtomAlignment) u8 dynamic_smem[];
  Storage<config>& smem = *reinterpret_cast<Storage<config>*>(dynamic_smem);
  // The shuffle tells the compiler that the index is the same for the whole warp.
  const u32 warp_idx = __shfl_sync(0xffffffff, threadIdx.x / 32, 0);
  const TileScheduler<config.cluster_rows, config.cluster_cols, kBandRows> tiles(
      ceil_div(p.m, kBlockM), ceil_div(p.n, kBlockN));

  if (kLoad.has(warp_idx) && ptx::elect_sync()) set_up(smem);
  __syncwarp();
  sync_cluster();

  // setmaxnreg speaks to whole warpgroups: one branch each, and Idle goes with Load.
  if (kMma.has(warp_idx)) {
    ptx::setmaxnreg_inc<kMma.registers>();
    run_mma<config>(p, smem, tiles, warp_idx);
  } else {
    ptx::setmaxnreg_dec<kLoad.registers>();
    if (kLoad.has(warp_idx) && ptx::elect_sync()) run_load<config>(p, smem, tiles);
    __syncwarp();
  }

  // A peer may still deliver A or B here or release a slot here: no CTA leaves before all are done.
  sync_cluster();
}

}  // namespace fa4::sm90::gemm
