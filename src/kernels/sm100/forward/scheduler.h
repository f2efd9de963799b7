// SPDX-License-Identifier: Apache-2.0
// Role Scheduler: claims the next tile while this one is computed. Without claims it has nothing to do.
#pragma once

#include "sm100/forward/walk.h"

namespace fa4::sm100::forward {

// A whole warp, of which one lane asks.
template <Sm100ForwardConfig config>
FA4_DEVICE void run_scheduler(const Sm100ForwardParams& p, const Smem<config>& smem) {
  if constexpr (config.claims_tiles) {
    u32 phase = 1;
    for (TileWalk<config> walk(p, smem); !walk.done(); walk.advance()) {
      // All 16 warps, this one too, have read the last answer.
      wait_for_phase(smem.barrier(kTileEmpty), phase);
      phase ^= 1;
      if (ptx::elect_sync()) {
        ptx::mbarrier_arrive_expect_tx(smem.barrier(kTileFull), kClaimBytes);
        ptx::clusterlaunchcontrol_try_cancel(smem.claim(), smem.barrier(kTileFull));
      }
      __syncwarp();
    }
  }
}

}  // namespace fa4::sm100::forward
