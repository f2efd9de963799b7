// SPDX-License-Identifier: Apache-2.0
// Role Mma: S = Q K^T and O += P V for two query tiles in turn. While one tile's S is in the hands of its softmax, the
// tensor core works for the other. README.md shows the schedule.
//
// MMAs of one thread run in the order of issue. Three hand-overs rest on that and need no barrier: S of block i
// overwrites P of block i - 1 behind the P V that reads it; a commit after S proves that P V too; and P V of a tile
// waits for no S but its own.
//
// The whole warp walks and waits, and elects a lane, always the same, to issue: what it computes for the MMAs then stays
// in uniform registers.
#pragma once

#include "ptx/memory.h"
#include "ptx/registers.h"
#include "ptx/sync.h"
#include "ptx/tmem.h"
#include "ptx/umma.h"
#include "sm100/forward/config.h"
#include "sm100/forward/walk.h"
#include "sm100/forward/work.h"
#include "tile/matrix_descriptor.h"

namespace fa4::sm100::forward {

template <Sm100ForwardConfig config>
class MmaIssuer {
 public:
  using G = Geometry<config>;
  using S = Smem<config>;

  FA4_DEVICE MmaIssuer(const S& smem, u32 tmem)
      : smem_(smem),
        tmem_(tmem),
        q_start_(static_cast<u32>(tcgen05_descriptor_k_major(smem.q(0)))),
        k_start_(static_cast<u32>(tcgen05_descriptor_k_major(smem.k(0)))),
        v_start_(static_cast<u32>(tcgen05_descriptor_mn_major(smem.v(0), kBlockKeys))) {
    if constexpr (kKeepsQ) {
#pragma unroll
      for (u32 q = 0; q < kQueryTiles; ++q) {
#pragma unroll
        for (u32 step = 0; step < G::kHeadSteps; ++step) q_desc_[q][step] = make_q_desc(q, step);
      }
    }
  }

  FA4_DEVICE void multiply_tile(u32 num_blocks) {
    // First block.
    u32 k_slot = acquire();
#pragma unroll
    for (u32 q = 0; q < kQueryTiles; ++q) {
      wait_for_phase(smem_.barrier(kQFull, q), q_phase_);
      multiply_q_k(q, k_slot);
    }
    release(k_slot);

    // Steady state.
    bool accumulate = false;
    for (u32 block = 1; block < num_blocks; ++block) {
      const u32 v_slot = acquire();
      multiply_p_v(0, v_slot, accumulate);
      k_slot = acquire();
      multiply_q_k(0, k_slot);
      multiply_p_v(1, v_slot, accumulate);
      release(v_slot);
      multiply_q_k(1, k_slot);
      release(k_slot);
      p_phase_ ^= 1;
      accumulate = true;
    }

    // Last block.
#pragma unroll
    for (u32 q = 0; q < kQueryTiles; ++q) commit(kQEmpty, q);
    const u32 v_slot = acquire();
#pragma unroll
    for (u32 q = 0; q < kQueryTiles; ++q) {
      multiply_p_v(q, v_slot, accumulate);
      commit(kOFull, q);
    }
    release(v_slot);
    p_phase_ ^= 1;
    q_phase_ ^= 1;
  }

 private:
  FA4_DEVICE u32 acquire() { return cursor_.wait_and_step(smem_.barrier(kKvFull)); }
  FA4_DEVICE void release(u32 slot) { commit(kKvEmpty, slot); }
  FA4_DEVICE void commit(Barrier barrier, u32 index) {
    if (ptx::elect_sync()) ptx::tcgen05_commit<1>(smem_.barrier(barrier, index));
  }

  // S of the query tile, which is then its softmax's.
  FA4_DEVICE void multiply_q_k(u32 q, u32 k_slot) {
    const u32 k_start = k_start_ + (S::k_offset(k_slot) >> 4);
    if (ptx::elect_sync()) {
#pragma unroll
      for (u32 step = 0; step < G::kHeadSteps; ++step) {
        ptx::tcgen05_mma_f16_ss<1>(tmem_ + G::s_tmem(q), q_desc(q, step),
                                   descriptor(k_start + k_major_offset(step)), G::kScoresMma,
                                   step > 0);
      }
      ptx::tcgen05_commit<1>(smem_.barrier(kSFull, q));
    }
  }

  // The first block of a tile overwrites O.
  FA4_DEVICE void multiply_p_v(u32 q, u32 v_slot, bool accumulate) {
    const u32 v_start = v_start_ + (S::v_offset(v_slot) >> 4);
    wait_for_phase(smem_.barrier(kPReady, q), p_phase_);
    ptx::tcgen05_fence_after_thread_sync();
    multiply_keys<0, G::kReadySteps>(q, v_start, accumulate);
    wait_for_phase(smem_.barrier(kPTail, q), p_phase_);
    ptx::tcgen05_fence_after_thread_sync();
    multiply_keys<G::kReadySteps, G::kKeySteps>(q, v_start, true);
  }

  template <u32 kFirst, u32 kEnd>
  FA4_DEVICE void multiply_keys(u32 q, u32 v_start, bool accumulate) {
    if (ptx::elect_sync()) {
#pragma unroll
      for (u32 step = kFirst; step < kEnd; ++step) {
        ptx::tcgen05_mma_f16_ts<1>(tmem_ + G::o_tmem(q), tmem_ + G::p_tmem(q) + step * kMmaK / 2,
                                   descriptor(v_start + (step * kMmaK * 128 >> 4)), G::kValuesMma,
                                   accumulate || step > kFirst);
      }
    }
  }

  // Q's descriptors never change and stay in uniform registers, where these hold so many.
  static constexpr bool kKeepsQ = G::kHeadSteps <= 8;

  FA4_DEVICE u64 q_desc(u32 q, u32 step) const {
    if constexpr (kKeepsQ) return q_desc_[q][step];
    return make_q_desc(q, step);
  }
  FA4_DEVICE u64 make_q_desc(u32 q, u32 step) const {
    return descriptor(q_start_ + (q * S::kAt.q_bytes >> 4) + k_major_offset(step));
  }

  // All tiles have the same upper half.
  FA4_DEVICE static u64 descriptor(u32 low) {
    return ptx::pack_b64(low, static_cast<u32>(tcgen05_descriptor_k_major(0) >> 32));
  }

  // Of a step along D, in units of 16 bytes: four to a row of 128 bytes, then the next box.
  static constexpr u32 k_major_offset(u32 step) {
    constexpr u32 kStepsPerBox = kBoxColumns / kMmaK;
    return (step / kStepsPerBox * kBoxBytes + step % kStepsPerBox * kMmaK * 2) >> 4;
  }

  S smem_;
  u32 tmem_;  // 0, but an address that is no constant stays in a uniform register
  u32 q_start_, k_start_, v_start_;  // lower halves of descriptors: Q tile 0, slot 0
  u64 q_desc_[kQueryTiles][kKeepsQ ? G::kHeadSteps : 1];
  RingCursor<S::kAt.slots> cursor_{0};
  u32 q_phase_ = 0, p_phase_ = 0;
};

// A whole warp.
template <Sm100ForwardConfig config>
FA4_DEVICE void run_mma(const Sm100ForwardParams& p, const Smem<config>& smem) {
  // The shuffle tells the compiler that the address is the same for the whole warp.
  const u32 tmem = __shfl_sync(0xffffffff, ptx::ld_shared(smem.tmem_address()), 0);
  MmaIssuer<config> issuer(smem, tmem);
  for (TileWalk<config> walk(p, smem); !walk.done(); walk.advance()) {
    const Tile tile = find_tile(p, walk.index());
    if (!tile.empty()) issuer.multiply_tile(tile.num_blocks());
  }
}

}  // namespace fa4::sm100::forward
