// SPDX-License-Identifier: Apache-2.0
// The main kernel: dK and dV of a key tile, and its part of dQ. The schedule is in README.md.
#pragma once

#include "sm80/backward/gradients.h"
#include "sm80/backward/products.h"
#include "sm80/backward/scores.h"
#include "sm80/backward/walk.h"

namespace fa4::sm80::backward {

template <Sm80BackwardConfig kConfig>
class KeyTile {
  using S = Shape<kConfig>;
  static constexpr ElementType kType = S::kType;
  static constexpr Storage kStorage = S::kStorage;
  static constexpr u32 kDqFragments = S::kDqM * S::kDqBlocks * 2;
  // True: a tile's dQ is added one by one beside the next tile's first product, since a burst of reductions keeps
  // SMEM's pipe from feeding the tensor core; before the first tile it is 0. Measured on an H100, S 4096, full: from
  // 299 to 315 TFLOP/s at 128 columns, from 229 to 268 at 256. At 64, with two blocks per SM, 296 became 291.
  static constexpr bool kDelayDq = !S::kScoresInRegisters;
  static constexpr bool kSpillsWithoutBranches =
      S::kScoresInRegisters && kConfig.vector_reductions == 0;
  static constexpr bool kBothDouble = kConfig.q_stages == 2 && kConfig.dout_stages == 2;

 public:
  FA4_DEVICE KeyTile(const Sm80BackwardParams& p, const Task& task, u32 smem)
      : p_(p), task_(task), smem_(smem), scale_(p.problem) {}

  FA4_DEVICE void run(u8* smem_generic) {
    clear(dk_);
    clear(dv_);
    clear(dq_);
    const u32 num_steps = (task_.end_tile - task_.first_tile) * task_.num_heads;
    if (num_steps > 0) {
      Step* steps = reinterpret_cast<Step*>(smem_generic + kStorage.steps);
      if (threadIdx.x == 0) {
        steps[0] = Step::first_of(p_, task_, task_.first_head, S::kBlockQ);
        steps[1] = steps[0].next(p_, task_, S::kBlockQ);
      }
      __syncthreads();
      load_keys();
      load_single(steps[0], threadIdx.x);
      load_double(steps[0], 0, threadIdx.x);
      ptx::cp_async_commit_group();
#pragma unroll 1
      for (u32 i = 0; i < num_steps; ++i) query_tile(steps, i, i + 1 < num_steps, smem_generic);
      if (kDelayDq) add_dq(Place<S>(), steps[(num_steps - 1) % kNumSteps], 0, kDqFragments);
    }
    store_gradients<kConfig>(p_, task_, Place<S>(), smem_, dk_, dv_);
  }

 private:
  FA4_DEVICE u32 q_smem(u32 slot) const {
    return smem_ + kStorage.q + (kConfig.q_stages == 2 ? slot * kStorage.q_bytes : 0);
  }
  FA4_DEVICE u32 dout_smem(u32 slot) const {
    return smem_ + kStorage.dout + (kConfig.dout_stages == 2 ? slot * kStorage.dout_bytes : 0);
  }

  FA4_DEVICE void load_keys() const {
    const Place<S> place;
    const RowsParam &k = p_.problem.k, &v = p_.problem.v;
    load_rows<S::kBlockK, kConfig.head_dim, S::kThreads>(
        smem_ + kStorage.k, rows_of(k, task_.keys, task_.kv_head) + task_.key * k.row_stride,
        k.row_stride, task_.num_keys, p_.k_align, place.thread);
    load_rows<S::kBlockK, kConfig.value_dim, S::kThreads>(
        smem_ + kStorage.v, rows_of(v, task_.keys, task_.kv_head) + task_.key * v.row_stride,
        v.row_stride, task_.num_keys, p_.v_align, place.thread);
  }
  // What has two slots, into `slot`: its last readers passed the barrier at the head of the current tile.
  FA4_DEVICE void load_double(const Step& step, u32 slot, u32 thread) const {
    if (kConfig.q_stages == 2) load_q(step, slot, thread);
    if (kConfig.dout_stages == 2) load_dout(step, slot, thread);
    const i64 at = step.slot * S::kBlockQ;
    load_floats<S::kBlockQ>(smem_ + kStorage.row_lse + slot * kStorage.row_bytes, p_.row_lse + at,
                            thread);
    load_floats<S::kBlockQ>(smem_ + kStorage.row_delta + slot * kStorage.row_bytes,
                            p_.row_delta + at, thread);
  }
  // What has one slot: every warp is done with Q and dO of the tile before.
  FA4_DEVICE void load_single(const Step& step, u32 thread) const {
    if (kConfig.q_stages == 1) load_q(step, 0, thread);
    if (kConfig.dout_stages == 1) load_dout(step, 0, thread);
  }
  FA4_DEVICE void load_q(const Step& step, u32 slot, u32 thread) const {
    load_rows<S::kBlockQ, kConfig.head_dim, S::kThreads>(
        q_smem(slot), step.q, p_.problem.q.row_stride, task_.queries.length - step.query,
        p_.q_align, thread);
  }
  FA4_DEVICE void load_dout(const Step& step, u32 slot, u32 thread) const {
    load_rows<S::kBlockQ, kConfig.value_dim, S::kThreads>(
        dout_smem(slot), step.dout, p_.dout.row_stride, task_.queries.length - step.query,
        p_.dout_align, thread);
  }

  FA4_DEVICE void query_tile(Step* steps, u32 i, bool has_next, const u8* smem_generic) {
    const Place<S> place;
    const u32 slot = i % 2;
    const Step& step = steps[i % kNumSteps];
    const Step& next = steps[(i + 1) % kNumSteps];
    // After it: this tile's copies are there for all, and all have left the tile before.
    ptx::cp_async_wait_group<0>();
    __syncthreads();
    if (place.thread == 0) steps[(i + 2) % kNumSteps] = next.next(p_, task_, S::kBlockQ);

    u32 p_regs[S::kScoreM][S::kScoreN * 2][2], ds_regs[S::kScoreM][S::kScoreN * 2][2];
    const float* row_values =
        reinterpret_cast<const float*>(smem_generic + kStorage.row_lse + slot * kStorage.row_bytes);
    const Step& before = steps[i == 0 ? 0 : (i - 1) % kNumSteps];
    scores(place, before, step, next, slot, has_next, row_values + place.score_query, p_regs,
           ds_regs);
    if constexpr (S::kScoresInRegisters) {
      add_to_dv(place, slot, from_registers(p_regs));
      store_packed<S::kBlockQ>(smem_ + kStorage.ds, ds_regs, place.score_key, place.score_query,
                               place.lane);
      add_to_dk(place, slot, from_registers(ds_regs));
      __syncthreads();  // dS of all warps is in SMEM
    } else {
      store_packed<S::kBlockQ>(smem_ + kStorage.ds, ds_regs, place.score_key, place.score_query,
                               place.lane);
      store_packed<S::kBlockQ>(smem_ + kStorage.p, p_regs, place.score_key, place.score_query,
                               place.lane);
      __syncthreads();  // P and dS of all warps are in SMEM
      const u32 row = place.grad_key + place.row_of_rows(), chunk = place.chunk_of_rows();
      const LaneOffset<S::kBlockQ> p(smem_ + kStorage.p, row, chunk);
      const LaneOffset<S::kBlockQ> ds(smem_ + kStorage.ds, row, chunk);
      add_to_dv(place, slot, from_rows(p));
      add_to_dk(place, slot, from_rows(ds));
    }
    if constexpr (!kBothDouble) {
      __syncthreads();  // all are done with Q and dO
      if (has_next) load_single(next, place.thread);
      ptx::cp_async_commit_group();
    }
    query_gradient(place);
    if (!kDelayDq) add_dq(place, step, 0, kDqFragments);
  }

  // P and dS of the warp's keys and queries, packed.
  template <u32 kM, u32 kN>
  FA4_DEVICE void scores(const Place<S>& place, const Step& before, const Step& step,
                         const Step& next, u32 slot, bool has_next, const float* row_lse,
                         u32 (&p_regs)[kM][kN][2], u32 (&ds_regs)[kM][kN][2]) const {
    const u32 key_row = place.score_key + place.row_of_rows();
    const u32 query_row = place.score_query + place.row_of_columns();
    const u32 key_chunk = place.chunk_of_rows(), query_chunk = place.chunk_of_columns();
    const u32 query = step.query;
    const u32 last_query = min(query + S::kBlockQ, task_.queries.length) - 1;

    float s[kM][kN][4];
    clear(s);
    add_rows_by_rows<kType>(s, LaneOffset<S::kDim>(smem_ + kStorage.k, key_row, key_chunk),
                            LaneOffset<S::kDim>(q_smem(slot), query_row, query_chunk),
                            [&](u32 step_idx) {
                              if (!kDelayDq) return;
                              constexpr u32 kSteps = S::kDim / 16;
                              add_dq(place, before, share_of(kDqFragments, step_idx, kSteps),
                                     share_of(kDqFragments, step_idx + 1, kSteps));
                            });
    if (has_next) load_double(next, slot ^ 1, place.thread);
    ptx::cp_async_commit_group();
    const TileMask mask(task_.window, task_.key, query);
    if constexpr (kConfig.softcap != 0) {
      // Always true, which the compiler does not know: a block of its own, so that tanh's registers and those of
      // the next product are not wanted at once.
      if (scale_.outer > 0) {
        capped_probabilities<kType>(s, p_regs, scale_, row_lse, place.lane, mask, place.score_key,
                                    place.score_query);
      }
    } else if (needs_mask(task_.window, task_.key, S::kBlockK, query, last_query)) {
      mask_scores(s, scale_.masked(), mask, place.lane, place.score_key, place.score_query);
    }

    float dp[kM][kN][4];
    clear(dp);
    add_rows_by_rows<kType>(dp, LaneOffset<S::kValueDim>(smem_ + kStorage.v, key_row, key_chunk),
                            LaneOffset<S::kValueDim>(dout_smem(slot), query_row, query_chunk),
                            [&](u32 step_idx) {
                              if constexpr (kConfig.softcap != 0) return;
                              // Never true. On sm_80 to sm_89 ptxas would load so many steps ahead that it
                              // spills; a branch stops it.
                              if (kSpillsWithoutBranches && p_.query_tiles == 0) return;
                              constexpr u32 kSteps = S::kValueDim / 16;
#pragma unroll
                              for (u32 j = share_of(kN, step_idx, kSteps);
                                   j < share_of(kN, step_idx + 1, kSteps); ++j) {
                                probabilities<kType>(s, p_regs, scale_, row_lse, place.lane, j);
                              }
                            });
    constexpr u32 kToDelta = (kStorage.row_delta - kStorage.row_lse) / 4;
    score_gradients<kType>(s, dp, ds_regs, row_lse + kToDelta, place.lane);
  }

  // dV += P^T dO.
  template <class LoadP>
  FA4_DEVICE void add_to_dv(const Place<S>& place, u32 slot, LoadP load_p) {
    const LaneOffset<S::kValueDim> dout(dout_smem(slot), place.row_of_rows(),
                                        place.chunk_of_rows() + place.grad_block * 2);
    add_by_columns<kType, S::kBlockQ / 16, S::kGradDimWarps>(dv_, load_p, dout, place.grad_block);
  }
  // dK += dS^T Q.
  template <class LoadDs>
  FA4_DEVICE void add_to_dk(const Place<S>& place, u32 slot, LoadDs load_ds) {
    const LaneOffset<S::kDim> q(q_smem(slot), place.row_of_rows(),
                                place.chunk_of_rows() + place.grad_block * 2);
    add_by_columns<kType, S::kBlockQ / 16, S::kGradDimWarps>(dk_, load_ds, q, place.grad_block);
  }

  // dQ of the tile from dS and K.
  FA4_DEVICE void query_gradient(const Place<S>& place) {
    clear(dq_);
    const LaneOffset<S::kBlockQ> ds(smem_ + kStorage.ds, place.row_of_columns(),
                                    place.chunk_of_columns() + place.dq_query / 8);
    const LaneOffset<S::kDim> k(smem_ + kStorage.k, place.row_of_rows(),
                                place.chunk_of_rows() + place.dq_block * 2);
    add_by_columns<kType, S::kBlockK / 16, S::kDqDimWarps>(dq_, from_columns(ds), k,
                                                           place.dq_block);
  }

  // Fragments [first, end) of a tile's dQ to the sums of all key tiles.
  FA4_DEVICE void add_dq(const Place<S>& place, const Step& step, u32 first, u32 end) const {
    if (first == end) return;
    float* sums = sums_of<kConfig>(p_, step.slot, task_.split, place);
#pragma unroll
    for (u32 f = first; f < end; ++f) {
      add_to_sums<kConfig>(sums, place, f / (S::kDqBlocks * 2), f % (S::kDqBlocks * 2),
                           dq_[f / (S::kDqBlocks * 2)][f % (S::kDqBlocks * 2)]);
    }
  }

  const Sm80BackwardParams& p_;
  const Task& task_;
  u32 smem_;
  ScoreScale scale_;
  float dq_[S::kDqM][S::kDqBlocks * 2][4];  // of the last tile
  float dk_[S::kGradM][S::kGradBlocks * 2][4];
  float dv_[S::kGradM][S::kGradValueBlocks * 2][4];
};

template <Sm80BackwardConfig kConfig>
FA4_DEVICE void kernel(const Sm80BackwardParams& p) {
  extern __shared__ __align__(1024) u8 smem[];
  Task& task = *reinterpret_cast<Task*>(smem + storage_of(kConfig).task);
#pragma unroll 1
  for (u32 tile = blockIdx.x % p.key_tile_step; tile < p.key_tiles; tile += p.key_tile_step) {
    __syncthreads();  // the last tile's task and results have left SMEM
    if (threadIdx.x == 0) task = Task(p, blockIdx.x, tile, kConfig.block_q, kConfig.block_k);
    __syncthreads();
    if (task.key >= task.keys.rows) return;
    KeyTile<kConfig>(p, task, ptx::smem_address(smem)).run(smem);
  }
}

}  // namespace fa4::sm80::backward
