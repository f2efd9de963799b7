// SPDX-License-Identifier: Apache-2.0
// Step Scores: S = Q K^T of a warp's rows and one block of keys, then softcap and mask. Keys that a row does not see
// become -inf by selection, whatever S holds there.
#pragma once

#include "ptx/ldmatrix.h"
#include "ptx/registers.h"
#include "sm80/forward/config.h"
#include "tile/element.h"
#include "tile/mask.h"
#include "tile/softcap.h"
#include "tile/warp.h"

namespace fa4::sm80::forward {

template <Sm80ForwardConfig config>
struct QFragments {
  using G = Geometry<config>;
  static constexpr u32 kKept = config.q_in_registers ? G::kDimSteps : 1;
  u32 r[kKept][config.row_tiles][4];
  u32 q_smem;  // of the tile

  FA4_DEVICE explicit QFragments(u32 q_tile_smem) : q_smem(q_tile_smem) {}

  // Of this lane in its warp's rows; made anew for every block, since registers are scarcer.
  FA4_DEVICE LaneOffset<G::kHeadDim> place() const {
    const u32 thread = ptx::tid_x(), lane = thread % 32;
    const u32 warp_row = thread / 32 % config.warps * G::kWarpRows;
    return {q_smem + warp_row * G::QLayout::kPitchBytes, lane % 16, lane / 16};
  }

  FA4_DEVICE void load_step(const LaneOffset<G::kHeadDim>& from, u32 step, u32 slot) {
#pragma unroll
    for (u32 i = 0; i < config.row_tiles; ++i) {
      ptx::ldmatrix_x4(r[slot][i], from.at(i * 16, step * 2));
    }
  }

  // Once, when Q is in SMEM.
  FA4_DEVICE void load_all() {
    if constexpr (config.q_in_registers) {
      const LaneOffset<G::kHeadDim> from = place();
#pragma unroll
      for (u32 step = 0; step < G::kDimSteps; ++step) load_step(from, step, step);
    }
  }
};

template <Sm80ForwardConfig config>
struct ScoreTile {
  Tile8 s[config.row_tiles][config.block_keys / 8];
};

// K of the block lies where `k_place` points.
template <Sm80ForwardConfig config>
FA4_DEVICE void multiply_q_k(ScoreTile<config>& scores, QFragments<config>& q,
                             const LaneOffset<Geometry<config>::kHeadDim>& k_place) {
  using G = Geometry<config>;
#pragma unroll
  for (u32 i = 0; i < config.row_tiles; ++i) {
#pragma unroll
    for (u32 j = 0; j < config.block_keys / 8; ++j) {
#pragma unroll
      for (u32 e = 0; e < 4; ++e) scores.s[i][j][e] = 0;
    }
  }
  const LaneOffset<G::kHeadDim> q_place = q.place();
#pragma unroll
  for (u32 step = 0; step < G::kDimSteps; ++step) {
    const u32 slot = config.q_in_registers ? step : 0;
    if constexpr (!config.q_in_registers) q.load_step(q_place, step, 0);
#pragma unroll
    for (u32 pair = 0; pair < G::kKeySteps; ++pair) {
      u32 k[4];
      ptx::ldmatrix_x4(k, k_place.at(pair * 16, step * 2));
#pragma unroll
      for (u32 i = 0; i < config.row_tiles; ++i) {
        mma_m16n8k16<config.element>(scores.s[i][2 * pair], q.r[slot][i], k[0], k[1]);
        mma_m16n8k16<config.element>(scores.s[i][2 * pair + 1], q.r[slot][i], k[2], k[3]);
      }
    }
  }
}

// To log2 units, where the plain exponential would go wrong.
template <Sm80ForwardConfig config>
FA4_DEVICE void transform(ScoreTile<config>& scores, const Sm80ForwardParams& p) {
  if constexpr (config.scores == Scores::Plain) return;
  const float inverse_cap = config.scores == Scores::Capped ? p.score_scale / p.problem.softcap : 0;
#pragma unroll
  for (u32 i = 0; i < config.row_tiles; ++i) {
#pragma unroll
    for (u32 j = 0; j < config.block_keys / 8; ++j) {
#pragma unroll
      for (u32 e = 0; e < 4; ++e) {
        float& s = scores.s[i][j][e];
        if constexpr (config.scores == Scores::Capped) {
          s = p.problem.softcap * accurate_tanh(s * inverse_cap);
        } else {
          s *= p.score_scale;
        }
      }
    }
  }
}

// Row r of the tile is query r, or r / group when heads are packed.
template <Sm80ForwardConfig config>
FA4_DEVICE u32 query_of(const Sm80ForwardParams& p, u32 row) {
  return config.packed_heads ? p.group.quotient(row) : row;
}

// `row` is this thread's first row in the sequence, `key` the block's first key.
template <Sm80ForwardConfig config>
FA4_DEVICE void mask(ScoreTile<config>& scores, const Sm80ForwardParams& p, const KeyWindow& window,
                     u32 row, u32 key) {
  const u32 column = key + threadIdx.x % 4 * 2;
#pragma unroll
  for (u32 i = 0; i < config.row_tiles; ++i) {
#pragma unroll
    for (u32 half = 0; half < 2; ++half) {
      const u32 query = query_of<config>(p, row + i * 16 + half * 8);
      const u32 begin = window.begin(query), end = window.end(query);
#pragma unroll
      for (u32 j = 0; j < config.block_keys / 8; ++j) {
#pragma unroll
        for (u32 e = 0; e < 2; ++e) {
          const u32 at = column + j * 8 + e;
          float& s = scores.s[i][j][half * 2 + e];
          s = at >= begin && at < end ? s : minus_infinity();
        }
      }
    }
  }
}

}  // namespace fa4::sm80::forward
