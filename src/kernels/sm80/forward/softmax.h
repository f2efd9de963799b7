// SPDX-License-Identifier: Apache-2.0
// Step Softmax, in log2 units: P = ex2(S * scale - m * scale) with a maximum m that may be stale. A row takes a new
// maximum only when it grew by more than kGrowth, so that P stays below 2^kGrowth and the product with a rescaled O is
// rare. Each row decides for itself and the warp only votes on whether to skip: a row that did not grow is multiplied
// by exactly 1, so its bits do not depend on its neighbours in the tile.
#pragma once

#include "ptx/math.h"
#include "sm80/forward/config.h"
#include "sm80/forward/scores.h"
#include "tile/warp.h"

namespace fa4::sm80::forward {

constexpr float kGrowth = 8;  // log2 of what P may reach; fp16 holds 2^15

template <Sm80ForwardConfig config>
struct Softmax {
  static constexpr u32 kRowTiles = config.row_tiles;
  static constexpr u32 kValueTiles = Geometry<config>::kValueDim / 8;

  // Of rows t/4 and t/4 + 8 of each row tile. The sums are of this thread's columns until the end.
  float row_max[kRowTiles][2], row_sum[kRowTiles][2];
  float offset[kRowTiles][2];  // -m * scale in the current block, 0 for a row that has seen no key
  float scale;                 // exponent_scale, above 0

  FA4_DEVICE explicit Softmax(float exponent_scale) : scale(exponent_scale) {
#pragma unroll
    for (u32 i = 0; i < kRowTiles; ++i) {
#pragma unroll
      for (u32 half = 0; half < 2; ++half) {
        row_max[i][half] = minus_infinity();
        row_sum[i][half] = 0;
        offset[i][half] = 0;
      }
    }
  }

  // The block's maxima join the rows'; O and the sums follow where a row grew.
  FA4_DEVICE void grow(const ScoreTile<config>& scores, Tile8 (&o)[kRowTiles][kValueTiles]) {
    float factor[kRowTiles][2];
    bool any = false;
#pragma unroll
    for (u32 i = 0; i < kRowTiles; ++i) {
#pragma unroll
      for (u32 half = 0; half < 2; ++half) {
        float block_max = fmaxf(scores.s[i][0][half * 2], scores.s[i][0][half * 2 + 1]);
#pragma unroll
        for (u32 j = 1; j < config.block_keys / 8; ++j) {
          block_max =
              fmaxf(block_max, fmaxf(scores.s[i][j][half * 2], scores.s[i][j][half * 2 + 1]));
        }
        block_max = quad_max(block_max);
        // From -inf the difference is +inf; between equal infinities it is NaN and nothing grows.
        const bool grows = (block_max - row_max[i][half]) * scale > kGrowth;
        factor[i][half] = grows ? ptx::ex2((row_max[i][half] - block_max) * scale) : 1;
        row_max[i][half] = grows ? block_max : row_max[i][half];
        offset[i][half] = row_max[i][half] == minus_infinity() ? 0 : -row_max[i][half] * scale;
        any |= grows;
      }
    }
    if (!__any_sync(0xffffffff, any)) return;
#pragma unroll
    for (u32 i = 0; i < kRowTiles; ++i) {
#pragma unroll
      for (u32 half = 0; half < 2; ++half) {
        row_sum[i][half] *= factor[i][half];
#pragma unroll
        for (u32 n = 0; n < kValueTiles; ++n) {
          o[i][n][half * 2] *= factor[i][half];
          o[i][n][half * 2 + 1] *= factor[i][half];
        }
      }
    }
  }

  // Elements [begin, end) of the 16 keys of `step`, in the order row tile, n8 tile, register.
  FA4_DEVICE void exponentiate(ScoreTile<config>& scores, u32 step, u32 begin, u32 end) {
#pragma unroll
    for (u32 at = begin; at < end; ++at) {
      const u32 i = at / 8, j = 2 * step + at % 8 / 4, e = at % 4;
      float& s = scores.s[i][j][e];
      s = ptx::ex2(__fmaf_rn(s, scale, offset[i][e / 2]));
      row_sum[i][e / 2] += s;
    }
  }

  // P of the step, rounded, as the A operand of P V: an accumulator is one already.
  FA4_DEVICE void pack_step(u32 (&p)[kRowTiles][4], const ScoreTile<config>& scores, u32 step) {
#pragma unroll
    for (u32 i = 0; i < kRowTiles; ++i) {
#pragma unroll
      for (u32 e = 0; e < 4; ++e) {
        const Tile8& tile = scores.s[i][2 * step + e / 2];
        p[i][e] = pack<config.element>(tile[e % 2 * 2], tile[e % 2 * 2 + 1]);
      }
    }
  }
};

}  // namespace fa4::sm80::forward
