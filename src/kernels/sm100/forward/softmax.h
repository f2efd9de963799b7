// SPDX-License-Identifier: Apache-2.0
// Role Softmax: P = ex2(S * scale - m * scale), one thread a row, in log2 units and with a maximum m that may be stale. A
// row takes a new maximum only when it grew by more than kGrowth, so that P stays below 2^kGrowth and a rescaled O is
// rare; the factor goes to Correction, off this path. Each row decides for itself, so its bits do not depend on its
// neighbours in the tile.
#pragma once

#include "ptx/bits.h"
#include "ptx/f32x2.h"
#include "ptx/memory.h"
#include "ptx/named_barrier.h"
#include "ptx/sync.h"
#include "ptx/tmem.h"
#include "ptx/tmem_access.h"
#include "ptx/tmem_reduce.h"
#include "sm100/forward/config.h"
#include "sm100/forward/walk.h"
#include "sm100/forward/work.h"
#include "tile/element.h"
#include "tile/exp2.h"
#include "tile/softcap_pair.h"
#include "tile/warp.h"

namespace fa4::sm100::forward {

constexpr float kGrowth = 8;  // log2 of what P may reach; fp16 holds 2^15

template <Sm100ForwardConfig config>
class Softmax {
 public:
  using G = Geometry<config>;

  FA4_DEVICE Softmax(const Sm100ForwardParams& p, const Smem<config>& smem, u32 warp_idx)
      : p_(p),
        smem_(smem),
        tile_(warp_idx / kWarpsOfTile),
        warp_(warp_idx % kWarpsOfTile),
        row_(threadIdx.x % kTileRows),
        leader_(ptx::elect_sync()),
        scale_log2_(p.exponent_scale * kLog2E),
        inverse_cap_(config.scores == Scores::Capped ? p.score_scale / p.problem.softcap : 0) {}

  FA4_DEVICE void run_tile(const Tile& tile) {
    const u32 first_row = tile.row + tile_ * kTileRows;
    const KeyWindow window(p_.problem, tile.queries.length, tile.keys.length);
    BlockRange own = blocks_of(p_, window, first_row, kTileRows, tile.counting_rows);
    // Rows behind the sequence: nobody looks at them, so they need no mask.
    if (first_row >= tile.counting_rows) own.plain_end = tile.blocks.end;
    const u32 query = (first_row + row_) >> p_.group_log2;
    key_begin_ = static_cast<i32>(window.begin(query));
    key_end_ = static_cast<i32>(window.end(query));
    row_max_ = minus_infinity();
    row_sum_ = 0;

    wait_for_slot();
    for (u32 block = tile.blocks.end; block-- > tile.blocks.first;) {
      const bool plain = block >= own.plain_first && block < own.plain_end;
      // Capping is long, and the code for it there once; a branch is nothing beside it.
      if (config.scores != Scores::Capped && plain) {
        step<false>(block);
      } else {
        step<true>(block, !plain);
      }
    }
    ptx::st_shared(smem_.row_scale(tile_, row_), __float_as_uint(row_sum_));
    ptx::st_shared(smem_.row_max(tile_, row_), __float_as_uint(row_max_));
    hand_over_row();
  }

 private:
  // The row's values of before have been read.
  FA4_DEVICE void wait_for_slot() {
    wait_for_phase(smem_.barrier(kScaleEmpty, tile_), slot_phase_);
    slot_phase_ ^= 1;
  }
  FA4_DEVICE void hand_over_row() { ptx::bar_arrive(scale_full(tile_, warp_), kScaleFullThreads); }

  // One block: S becomes P.
  template <bool kMasked>
  FA4_DEVICE void step(u32 block, bool masks = kMasked) {
    float s[kBlockKeys], most = row_max_;
    wait_for_phase(smem_.barrier(kSFull, tile_), s_phase_);
    s_phase_ ^= 1;
    ptx::tcgen05_fence_after_thread_sync();
    if constexpr (config.scores != Scores::Plain) {
      load_scores_transformed(s);
    } else if constexpr (config.maximum_by_load && !kMasked) {
      most = load_scores_and_maximum(s);
    } else {
      load_scores(s);
    }
    if (kMasked && (config.scores != Scores::Capped || masks)) mask(s, block);
    if constexpr (!config.maximum_by_load || kMasked || config.scores != Scores::Plain) {
      most = maximum(s);
    }

    const float factor = grow(most);
    ptx::st_shared(smem_.row_scale(tile_, row_), __float_as_uint(factor));
    hand_over_row();

    const float offset = row_max_ == minus_infinity() ? 0 : -row_max_ * scale_log2_;
    const ptx::F32x2 scales = ptx::pack_f32x2(scale_log2_, scale_log2_);
    const ptx::F32x2 offsets = ptx::pack_f32x2(offset, offset);
#pragma unroll
    for (u32 quarter = 0; quarter < 4; ++quarter) {
      exponentiate(s, quarter, scales, offsets);
      store_quarter(s, quarter);
      // Three quarters of P and, once Correction has said the same, O are Mma's; then all of S.
      if (quarter == 2) hand_over(kPReady);
      if (quarter == 3) hand_over(kPTail);
    }
    wait_for_slot();
    row_sum_ = __fmaf_rn(row_sum_, factor, sum(s));
  }

  FA4_DEVICE void hand_over(Barrier barrier) {
    ptx::tcgen05_wait_st();
    ptx::tcgen05_fence_before_thread_sync();
    if (leader_) ptx::mbarrier_arrive(smem_.barrier(barrier, tile_));
  }

  FA4_DEVICE u32 lanes(u32 column) const {
    return (warp_ * 32 << 16) + tile_ * kBlockKeys + column;
  }

  FA4_DEVICE void load_scores(float (&s)[kBlockKeys]) {
#pragma unroll
    for (u32 quarter = 0; quarter < 4; ++quarter) {
      ptx::tcgen05_ld_32x32b(ptx::slice<kQuarter>(s, quarter * kQuarter),
                             lanes(quarter * kQuarter));
      if (quarter % 2 == 1) ptx::tcgen05_wait_ld();
    }
  }

  FA4_DEVICE float load_scores_and_maximum(float (&s)[kBlockKeys]) {
    float most[4];
#pragma unroll
    for (u32 quarter = 0; quarter < 4; ++quarter) {
      ptx::tcgen05_ld_red_max_32x32b(ptx::slice<kQuarter>(s, quarter * kQuarter), most[quarter],
                                     lanes(quarter * kQuarter));
    }
    ptx::tcgen05_wait_ld();
    return ptx::max3_nan(ptx::max3_nan(row_max_, most[0], most[1]), most[2], most[3]);
  }

  FA4_DEVICE void load_scores_transformed(float (&s)[kBlockKeys]) {
#pragma unroll
    for (u32 first = 0; first < kBlockKeys; first += 16) {
      float(&part)[16] = ptx::slice<16>(s, first);
      ptx::tcgen05_ld_32x32b(part, lanes(first));
      ptx::tcgen05_wait_ld();
      transform(part);
    }
  }

  template <u32 kColumns>
  FA4_DEVICE void transform(float (&s)[kColumns]) {
#pragma unroll
    for (u32 i = 0; i < kColumns; i += 2) {
      if constexpr (config.scores == Scores::Capped) {
        cap_scores(s[i], s[i + 1], inverse_cap_, p_.problem.softcap);
      } else {
        s[i] *= p_.score_scale;
        s[i + 1] *= p_.score_scale;
      }
    }
  }

  // A bit for each of 32 columns, which the compiler turns into predicates eight at a time.
  FA4_DEVICE void mask(float (&s)[kBlockKeys], u32 block) {
    const i32 end = key_end_ - static_cast<i32>(block * kBlockKeys);
    const i32 begin = key_begin_ - static_cast<i32>(block * kBlockKeys);
#pragma unroll
    for (i32 first = 0; first < static_cast<i32>(kBlockKeys); first += 32) {
      u32 keep = ptx::shr(0xffffffff, static_cast<u32>(max(first + 32 - end, 0)));
      if constexpr (config.left_bound) {
        keep &= ptx::shl(0xffffffff, static_cast<u32>(max(begin - first, 0)));
      }
#pragma unroll
      for (i32 i = 0; i < 32; ++i) {
        s[first + i] = keep >> i & 1 ? s[first + i] : minus_infinity();
      }
    }
  }

  FA4_DEVICE float maximum(const float (&s)[kBlockKeys]) const {
    float most[4];
#pragma unroll
    for (u32 chain = 0; chain < 4; ++chain) {
      const float* part = s + chain * kQuarter;
      most[chain] =
          chain == 0 ? ptx::max3_nan(row_max_, part[0], part[1]) : ptx::max_nan(part[0], part[1]);
#pragma unroll
      for (u32 i = 2; i < kQuarter; i += 2) {
        most[chain] = ptx::max3_nan(most[chain], part[i], part[i + 1]);
      }
    }
    return ptx::max_nan(ptx::max3_nan(most[0], most[1], most[2]), most[3]);
  }

  // What O and the sum are multiplied with: 1 while the old maximum is kept. `most` is not below it. A NaN is taken and never
  // left, and so is +inf but for NaN: Correction sees by the last maximum that the row is NaN.
  FA4_DEVICE float grow(float most) {
    const float finite = most == minus_infinity() ? 0 : most;
    const float change = (row_max_ - finite) * scale_log2_;  // -inf in a row that has seen no key
    const bool keeps = change >= -kGrowth;
    row_max_ = keeps ? row_max_ : most;
    return keeps ? 1 : ptx::ex2(change);
  }

  FA4_DEVICE static constexpr bool on_fma_units(u32 quarter, u32 column) {
    constexpr Exp2Share share = config.exp2;
    return share.period != 0 && quarter >= share.first_quarter && quarter < 3 &&
           column % share.period >= share.period - 4;
  }

  FA4_DEVICE void exponentiate(float (&s)[kBlockKeys], u32 quarter, ptx::F32x2 scales,
                               ptx::F32x2 offsets) {
#pragma unroll
    for (u32 column = 0; column < kQuarter; column += 2) {
      float &x = s[quarter * kQuarter + column], &y = s[quarter * kQuarter + column + 1];
      ptx::unpack_f32x2(x, y, ptx::fma_rn_f32x2(ptx::pack_f32x2(x, y), scales, offsets));
      if (on_fma_units(quarter, column)) {
        exp2_fma(x, y);
      } else {
        x = ptx::ex2(x);
        y = ptx::ex2(y);
      }
    }
  }

  FA4_DEVICE void store_quarter(const float (&s)[kBlockKeys], u32 quarter) {
    u32 packed[kQuarter / 2];
#pragma unroll
    for (u32 i = 0; i < kQuarter / 2; ++i) {
      packed[i] =
          pack<config.element>(s[quarter * kQuarter + 2 * i], s[quarter * kQuarter + 2 * i + 1]);
    }
    ptx::tcgen05_st_32x32b(lanes(G::p_tmem(0) + quarter * kQuarter / 2), packed);
  }

  FA4_DEVICE static float sum(const float (&s)[kBlockKeys]) {
    ptx::F32x2 sums[4];
#pragma unroll
    for (u32 chain = 0; chain < 4; ++chain) {
      sums[chain] = ptx::pack_f32x2(s[2 * chain], s[2 * chain + 1]);
    }
#pragma unroll
    for (u32 i = 8; i < kBlockKeys; i += 2) {
      sums[i / 2 % 4] = ptx::add_rn_f32x2(sums[i / 2 % 4], ptx::pack_f32x2(s[i], s[i + 1]));
    }
    float x, y;
    ptx::unpack_f32x2(x, y,
                      ptx::add_rn_f32x2(ptx::add_rn_f32x2(sums[0], sums[1]),
                                        ptx::add_rn_f32x2(sums[2], sums[3])));
    return x + y;
  }

  const Sm100ForwardParams& p_;
  Smem<config> smem_;
  u32 tile_, warp_;  // of the query tile
  u32 row_;
  bool leader_;
  float scale_log2_;
  float inverse_cap_;  // with the scale of the scores
  u32 s_phase_ = 0;
  u32 slot_phase_ = 1;
  i32 key_begin_ = 0, key_end_ = 0;  // what the row sees
  float row_max_ = 0;                // of S, not scaled; NaN once there was one
  float row_sum_ = 0;
};

// Four warps, one for each 32 rows of a query tile.
template <Sm100ForwardConfig config>
FA4_DEVICE void run_softmax(const Sm100ForwardParams& p, const Smem<config>& smem, u32 warp_idx) {
  Softmax<config> softmax(p, smem, warp_idx);
  for (TileWalk<config> walk(p, smem); !walk.done(); walk.advance()) {
    const Tile tile = find_tile(p, walk.index());
    if (!tile.empty()) softmax.run_tile(tile);
  }
}

}  // namespace fa4::sm100::forward
