// SPDX-License-Identifier: Apache-2.0
// Step Values: O += P V for one block, while the exponentials of the next 16 keys are spread between the MMAs of these:
// a tensor core takes its time over an MMA and the warp has other units to feed meanwhile.
#pragma once

#include "ptx/ldmatrix.h"
#include "sm80/forward/softmax.h"

namespace fa4::sm80::forward {

template <Sm80ForwardConfig config>
FA4_DEVICE void multiply_p_v(Tile8 (&o)[config.row_tiles][Geometry<config>::kValueDim / 8],
                             ScoreTile<config>& scores, Softmax<config>& softmax,
                             const LaneOffset<Geometry<config>::kValueDim>& v_place) {
  using G = Geometry<config>;
  constexpr u32 kElements = config.row_tiles * 8;  // of 16 keys in a thread
  u32 p[config.row_tiles][4];
  softmax.exponentiate(scores, 0, 0, kElements);
#pragma unroll
  for (u32 step = 0; step < G::kKeySteps; ++step) {
    softmax.pack_step(p, scores, step);
#pragma unroll
    for (u32 pair = 0; pair < G::kValuePairs; ++pair) {
      u32 v[4];
      ptx::ldmatrix_x4_trans(v, v_place.at(step * 16, pair * 2));
#pragma unroll
      for (u32 i = 0; i < config.row_tiles; ++i) {
        mma_m16n8k16<config.element>(o[i][2 * pair], p[i], v[0], v[1]);
        mma_m16n8k16<config.element>(o[i][2 * pair + 1], p[i], v[2], v[3]);
      }
      if (step + 1 < G::kKeySteps) {
        softmax.exponentiate(scores, step + 1, pair * kElements / G::kValuePairs,
                             (pair + 1) * kElements / G::kValuePairs);
      }
    }
  }
}

}  // namespace fa4::sm80::forward
