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
  static constexpr bool kBothDouble = kConfig.q_stages == 2 && kConfig.dout_stages == 2;

 public:
  FA4_DEVICE KeyTile(const Sm80BackwardParams& p, const Task& task, u32 smem)
      : p_(p), task_(task), smem_(smem), scale_(p.problem) {}

  FA4_DEVICE void run(const u8* smem_generic) {
    clear(dk_);
    clear(dv_);
    const u32 num_steps = (task_.end_tile - task_.first_tile) * task_.num_heads;
    if (num_steps > 0) {
      Step step{task_.first_head, task_.first_tile};
      load_keys();
      load_single(step);
      load_double(step, 0);
      ptx::cp_async_commit_group();
#pragma unroll 1
      for (u32 i = 0; i < num_steps; ++i) {
        query_tile(step, i % 2, i + 1 < num_steps, smem_generic);
        step = step.next(task_);
      }
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
  FA4_DEVICE void load_double(Step step, u32 slot) const {
    if (kConfig.q_stages == 2) load_q(step, slot);
    if (kConfig.dout_stages == 2) load_dout(step, slot);
    load_row_values<S>(smem_ + kStorage.row_lse + slot * kStorage.row_bytes,
                       smem_ + kStorage.row_delta + slot * kStorage.row_bytes, p_,
                       step.slot(p_, task_), ptx::tid_x());
  }
  // What has one slot: every warp is done with Q and dO of the tile before.
  FA4_DEVICE void load_single(Step step) const {
    if (kConfig.q_stages == 1) load_q(step, 0);
    if (kConfig.dout_stages == 1) load_dout(step, 0);
  }
  FA4_DEVICE void load_q(Step step, u32 slot) const {
    load_query_rows<S, kConfig.head_dim>(q_smem(slot), p_.problem.q, p_.q_align, task_, step,
                                         ptx::tid_x());
  }
  FA4_DEVICE void load_dout(Step step, u32 slot) const {
    load_query_rows<S, kConfig.value_dim>(dout_smem(slot), p_.dout, p_.dout_align, task_, step,
                                          ptx::tid_x());
  }

  FA4_DEVICE void query_tile(Step step, u32 slot, bool has_next, const u8* smem_generic) {
    const Place<S> place;
    // After it: this tile's copies are there for all, and all have left the tile before.
    ptx::cp_async_wait_group<0>();
    __syncthreads();
    if (has_next) load_double(step.next(task_), slot ^ 1);
    ptx::cp_async_commit_group();

    u32 p_regs[S::kScoreM][S::kScoreN * 2][2], ds_regs[S::kScoreM][S::kScoreN * 2][2];
    const float* row_values =
        reinterpret_cast<const float*>(smem_generic + kStorage.row_lse + slot * kStorage.row_bytes);
    scores(step, slot, row_values + place.score_query, p_regs, ds_regs);
    store_packed<S::kBlockQ>(smem_ + kStorage.ds, ds_regs, place.score_key, place.score_query,
                             place.lane);
    if constexpr (S::kScoresInRegisters) {
      add_gradients(slot, from_registers(p_regs), from_registers(ds_regs));
      __syncthreads();  // dS of all warps is in SMEM
    } else {
      store_packed<S::kBlockQ>(smem_ + kStorage.p, p_regs, place.score_key, place.score_query,
                               place.lane);
      __syncthreads();  // P and dS of all warps are in SMEM
      const u32 row = place.grad_key + place.row_of_rows(), chunk = place.chunk_of_rows();
      const LaneOffset<S::kBlockQ> p(smem_ + kStorage.p, row, chunk);
      const LaneOffset<S::kBlockQ> ds(smem_ + kStorage.ds, row, chunk);
      add_gradients(slot, from_rows(p), from_rows(ds));
    }
    if constexpr (!kBothDouble) {
      __syncthreads();  // all are done with Q and dO
      if (has_next) load_single(step.next(task_));
      ptx::cp_async_commit_group();
    }
    query_gradient(step);
  }

  // P and dS of the warp's keys and queries, packed.
  template <u32 kM, u32 kN>
  FA4_DEVICE void scores(Step step, u32 slot, const float* row_lse, u32 (&p_regs)[kM][kN][2],
                         u32 (&ds_regs)[kM][kN][2]) const {
    const Place<S> place;
    const u32 key_row = place.score_key + place.row_of_rows();
    const u32 query_row = place.score_query + place.row_of_columns();
    const u32 key_chunk = place.chunk_of_rows(), query_chunk = place.chunk_of_columns();
    const u32 query = step.tile * S::kBlockQ;
    const u32 last_query = min(query + S::kBlockQ, task_.queries.length) - 1;

    float s[kM][kN][4];
    clear(s);
    add_rows_by_rows<kType>(s, LaneOffset<S::kDim>(smem_ + kStorage.k, key_row, key_chunk),
                            LaneOffset<S::kDim>(q_smem(slot), query_row, query_chunk));
    probabilities<kType, kConfig.softcap != 0>(
        s, p_regs, scale_, row_lse, place.lane,
        needs_mask(task_.window, task_.key, S::kBlockK, query, last_query),
        TileMask(task_.window, task_.key, query), place.score_key, place.score_query);

    float dp[kM][kN][4];
    clear(dp);
    add_rows_by_rows<kType>(dp, LaneOffset<S::kValueDim>(smem_ + kStorage.v, key_row, key_chunk),
                            LaneOffset<S::kValueDim>(dout_smem(slot), query_row, query_chunk));
    constexpr u32 kToDelta = (kStorage.row_delta - kStorage.row_lse) / 4;
    score_gradients<kType>(s, dp, ds_regs, row_lse + kToDelta, place.lane);
  }

  // dV += P^T dO, dK += dS^T Q.
  template <class LoadP, class LoadDs>
  FA4_DEVICE void add_gradients(u32 slot, LoadP load_p, LoadDs load_ds) {
    const Place<S> place;
    constexpr u32 kSteps = S::kBlockQ / 16;
    const u32 row = place.row_of_rows(), chunk = place.chunk_of_rows() + place.grad_block * 2;
    add_by_columns<kType, kSteps, S::kGradDimWarps>(
        dv_, load_p, LaneOffset<S::kValueDim>(dout_smem(slot), row, chunk), place.grad_block);
    add_by_columns<kType, kSteps, S::kGradDimWarps>(
        dk_, load_ds, LaneOffset<S::kDim>(q_smem(slot), row, chunk), place.grad_block);
  }

  // dQ of the tile from dS and K, added to the sums of all key tiles.
  FA4_DEVICE void query_gradient(Step step) const {
    const Place<S> place;
    float dq[S::kDqM][S::kDqBlocks * 2][4];
    clear(dq);
    const LaneOffset<S::kBlockQ> ds(smem_ + kStorage.ds, place.row_of_columns(),
                                    place.chunk_of_columns() + place.dq_query / 8);
    const LaneOffset<S::kDim> k(smem_ + kStorage.k, place.row_of_rows(),
                                place.chunk_of_rows() + place.dq_block * 2);
    add_by_columns<kType, S::kBlockK / 16, S::kDqDimWarps>(dq, from_columns(ds), k, place.dq_block);
    add_to_sums<kConfig>(p_, step.slot(p_, task_), task_.split, place, dq);
  }

  const Sm80BackwardParams& p_;
  const Task& task_;
  u32 smem_;
  ScoreScale scale_;
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
