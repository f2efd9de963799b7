// SPDX-License-Identifier: Apache-2.0
// Which tiles a CTA computes. Either every gridDim.x-th, which each role counts for itself; or its own and then what it
// claims from CTAs that have not been launched yet, so that long and short tiles even out. Scheduler asks, and every
// warp reads the answer.
#pragma once

#include "ptx/launch_control.h"
#include "ptx/sync.h"
#include "sm100/forward/storage.h"

namespace fa4::sm100::forward {

// A whole warp.
template <Sm100ForwardConfig config>
class TileWalk {
 public:
  FA4_DEVICE TileWalk(const Sm100ForwardParams& p, const Smem<config>& smem)
      : smem_(smem), index_(blockIdx.x), num_tiles_(p.num_tiles) {}

  FA4_DEVICE bool done() const { return index_ >= num_tiles_; }
  FA4_DEVICE u32 index() const { return index_; }

  FA4_DEVICE void advance() {
    if constexpr (config.claims_tiles) {
      wait_for_phase(smem_.barrier(kTileFull), phase_);
      phase_ ^= 1;
      u32 claimed;
      const bool taken = ptx::clusterlaunchcontrol_query_cancel(smem_.claim(), claimed);
      index_ = taken ? claimed : num_tiles_;
      // The answer has been read; the next one may overwrite it.
      ptx::fence_proxy_async();
      __syncwarp();
      if (ptx::elect_sync()) ptx::mbarrier_arrive(smem_.barrier(kTileEmpty));
    } else {
      index_ += gridDim.x;
    }
  }

 private:
  Smem<config> smem_;
  u32 index_, num_tiles_;
  u32 phase_ = 0;
};

}  // namespace fa4::sm100::forward
