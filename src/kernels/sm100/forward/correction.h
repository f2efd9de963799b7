// SPDX-License-Identifier: Apache-2.0
// Role Correction: keeps the work on O off the softmax's path. Where a row took a new maximum it multiplies O by the
// factor, in TMEM; at the end it divides by the row's sum, hands O to Store and writes LSE. One thread a row, one warp
// for the same 32 rows of both query tiles.
//
// Note [NaN by the maximum]: the exponentials on FMA units make a number of NaN. So a row is NaN because its maximum is
// (NaN wins there), or because it is +inf, which leaves inf - inf. That costs nothing per block.
//
// What it releases is crosswise: when it has dealt with one query tile, the other's softmax may write its next row
// values. That keeps the two half a block apart, so that their exponentials alternate.
#pragma once

#include "ptx/f32x2.h"
#include "ptx/memory.h"
#include "ptx/named_barrier.h"
#include "ptx/sync.h"
#include "ptx/tmem.h"
#include "ptx/tmem_access.h"
#include "sm100/forward/config.h"
#include "sm100/forward/walk.h"
#include "sm100/forward/work.h"
#include "tile/element.h"
#include "tile/row_result.h"

namespace fa4::sm100::forward {

// Of O, while it is rescaled: as many as the registers of the role hold without spills in any variant (roles.h;
// `scripts/soak spills` compiles them all). With the maximum by the load there are fewer to spare.
constexpr u32 columns_at_a_time(const Sm100ForwardConfig& config) {
  const bool wide_head = config.head_dim > 128, by_load = config.maximum_by_load;
  if (config.scores == Scores::Capped || config.value_dim % 32 != 0) return 16;
  if (by_load && config.scores == Scores::Scaled) return 16;
  if (wide_head && (config.value_dim < 128 || (by_load && config.claims_tiles))) return 16;
  if (config.value_dim < 128 || (by_load && (wide_head || config.claims_tiles))) return 32;
  return 64;
}

template <Sm100ForwardConfig config>
class Correction {
 public:
  using G = Geometry<config>;
  static constexpr u32 kWide = columns_at_a_time(config);
  static constexpr u32 kChunk = 16;  // while it is stored

  FA4_DEVICE Correction(const Sm100ForwardParams& p, const Smem<config>& smem, u32 warp_idx)
      : p_(p),
        smem_(smem),
        warp_(warp_idx % kWarpsOfTile),
        row_(threadIdx.x % kTileRows),
        leader_(ptx::elect_sync()) {
    if constexpr (config.value_dim % kBoxColumns != 0 && !out_lies_over_q(config)) clear_padding();
    // The first P V of all may write O.
    for (u32 q = 0; q < kQueryTiles; ++q) arrive(kPReady, q);
  }

  FA4_DEVICE void run_tile(const Tile& tile) {
    // First block: there is no O yet.
    wait_for_row(0);
    arrive(kScaleEmpty, 0);
    wait_for_row(1);

    // Steady state.
#pragma unroll 1
    for (u32 block = 1; block < tile.num_blocks(); ++block) {
#pragma unroll
      for (u32 q = 0; q < kQueryTiles; ++q) {
        wait_for_row(q);
        rescale(q, ptx::ld_shared_f32(smem_.row_scale(q, row_)));
        __syncwarp();
        if (leader_) {
          ptx::mbarrier_arrive(smem_.barrier(kPReady, q));
          ptx::mbarrier_arrive(smem_.barrier(kScaleEmpty, 1 - q));
        }
      }
    }

    // Last block.
    arrive(kScaleEmpty, 1);
#pragma unroll 1
    for (u32 q = 0; q < kQueryTiles; ++q) finish(tile, q);
    phase_ ^= 1;
  }

 private:
  FA4_DEVICE void arrive(Barrier barrier, u32 q) {
    __syncwarp();
    if (leader_) ptx::mbarrier_arrive(smem_.barrier(barrier, q));
  }

  // Columns of the last box behind the row, which TMA reads and does not store.
  FA4_DEVICE void clear_padding() const {
    const u32 zeros[4] = {0, 0, 0, 0};
    for (u32 q = 0; q < kQueryTiles; ++q) {
      for (u32 column = config.value_dim; column % kBoxColumns != 0; column += kChunkElements) {
        ptx::st_shared_v4(out_chunk(q, column), zeros);
      }
    }
  }

  // Where eight columns of the row lie in the boxes.
  FA4_DEVICE u32 out_chunk(u32 q, u32 column) const {
    const u32 chunk = column % kBoxColumns / kChunkElements;
    return smem_.out(q) + column / kBoxColumns * kBoxBytes + row_ * 128 +
           (chunk ^ row_ % 8) * kChunkBytes;
  }

  // S of the block is complete, and with it the P V before: O is ours until p_ready.
  FA4_DEVICE void wait_for_row(u32 q) {
    ptx::bar_sync(scale_full(q, warp_), kScaleFullThreads);
    ptx::tcgen05_fence_after_thread_sync();
  }

  FA4_DEVICE u32 lanes(u32 q, u32 column) const {
    return (warp_ * 32 << 16) + kQueryTiles * kBlockKeys + q * config.value_dim + column;
  }

  FA4_DEVICE void rescale(u32 q, float factor) {
    if (__any_sync(0xffffffff, factor < 1)) {
      const ptx::F32x2 factors = ptx::pack_f32x2(factor, factor);
#pragma unroll
      for (u32 column = 0; column < config.value_dim; column += kWide) {
        float o[kWide];
        ptx::tcgen05_ld_32x32b(o, lanes(q, column));
        ptx::tcgen05_wait_ld();
        multiply(o, factors);
        ptx::tcgen05_st_32x32b(lanes(q, column), o);
      }
      ptx::tcgen05_wait_st();
      ptx::tcgen05_fence_before_thread_sync();
    }
  }

  template <u32 kColumns>
  FA4_DEVICE static void multiply(float (&o)[kColumns], ptx::F32x2 factors) {
#pragma unroll
    for (u32 i = 0; i < kColumns; i += 2) {
      ptx::unpack_f32x2(o[i], o[i + 1],
                        ptx::mul_rn_f32x2(ptx::pack_f32x2(o[i], o[i + 1]), factors));
    }
  }

  FA4_DEVICE void finish(const Tile& tile, u32 q) {
    wait_for_row(q);
    const float most = ptx::ld_shared_f32(smem_.row_max(q, row_));
    // Of a maximum of NaN or +inf: see Note [NaN by the maximum].
    const float own_sum = ptx::ld_shared_f32(smem_.row_scale(q, row_));
    const float sum = most < -minus_infinity() ? own_sum : not_a_number();
    arrive(kScaleEmpty, q);

    const u32 row = tile.row + q * kTileRows + row_;
    const bool counts = row < tile.counting_rows;
    const u32 query = row >> p_.group_log2;
    const u32 head = tile.head + (row - (query << p_.group_log2));
    const bool has_sink = p_.problem.sink.data;
    const float sink = has_sink && counts ? sink_of<config.element>(p_.problem.sink, head) : 0;
    const float max_log2 = most == minus_infinity() ? most : most * (p_.exponent_scale * kLog2E);
    const RowResult result = finish_row(max_log2, sum, has_sink, sink);
    if (row < tile.queries.rows << p_.group_log2 && p_.lse.data) {
      lse_of(p_.lse, tile.queries, head)[query * p_.lse.row_stride] =
          counts ? result.lse : minus_infinity();
    }

    wait_for_phase(smem_.barrier(kOFull, q), phase_);
    ptx::tcgen05_fence_after_thread_sync();
    wait_for_phase(smem_.barrier(kOutEmpty, q), phase_ ^ 1);
    const bool sees = counts && most != minus_infinity();
    store_out(q, sees, result.factor);
    ptx::tcgen05_fence_before_thread_sync();
    arrive(kPReady, q);
    ptx::fence_proxy_async();
    arrive(kOutFull, q);
  }

  // The row, to the box layout of TMA. Rows that see nothing are 0 whatever O holds.
  FA4_DEVICE void store_out(u32 q, bool sees, float factor) {
    const ptx::F32x2 factors = ptx::pack_f32x2(factor, factor);
#pragma unroll
    for (u32 column = 0; column < config.value_dim; column += kChunk) {
      float o[kChunk];
      ptx::tcgen05_ld_32x32b(o, lanes(q, column));
      ptx::tcgen05_wait_ld();
      multiply(o, factors);
#pragma unroll
      for (u32 first = 0; first < kChunk; first += kChunkElements) {
        u32 words[4];
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
          words[i] = sees ? pack<config.element>(o[first + 2 * i], o[first + 2 * i + 1]) : 0;
        }
        ptx::st_shared_v4(out_chunk(q, column + first), words);
      }
    }
  }

  const Sm100ForwardParams& p_;
  Smem<config> smem_;
  u32 warp_;  // of the query tile
  u32 row_;
  bool leader_;
  u32 phase_ = 0;  // of o_full; of out_empty the other
};

template <Sm100ForwardConfig config>
FA4_DEVICE void run_correction(const Sm100ForwardParams& p, const Smem<config>& smem,
                               u32 warp_idx) {
  Correction<config> correction(p, smem, warp_idx);
  for (TileWalk<config> walk(p, smem); !walk.done(); walk.advance()) {
    const Tile tile = find_tile(p, walk.index());
    if (!tile.empty()) correction.run_tile(tile);
  }
}

}  // namespace fa4::sm100::forward
