// SPDX-License-Identifier: Apache-2.0
// Where the gradients go: dQ into fp32 sums that all key tiles share, dK and dV into their tensors, or into fp32
// parts when several blocks share the query heads of a group.
#pragma once

#include "sm80/backward/shape.h"
#include "sm80/backward/store.h"
#include "sm80/backward/walk.h"

namespace fa4::sm80::backward {

// Where a lane's part of a slot's dQ sums begins. See Note [dQ in fragment order]. A thread adds the same elements
// for every key tile, so that within a block sums are in the order of the key tiles.
template <Sm80BackwardConfig kConfig, class S>
FA4_DEVICE float* sums_of(const Sm80BackwardParams& p, i64 slot, u32 split, const Place<S>& place) {
  const i64 tile = (p.dq_splits == 1 ? 0 : split * (p.problem.heads * p.num_slots)) + slot;
  return p.dq_sums + tile * dq_tile_floats(kConfig) +
         (place.dq_query / 16 * (S::kDim / 8) + place.dq_block * 2) * kFragmentFloats +
         fragment_index(kConfig.vector_reductions != 0, place.lane, 0);
}

// Fragment (i, j) of a warp's dQ.
template <Sm80BackwardConfig kConfig, class S>
FA4_DEVICE void add_to_sums(float* sums, const Place<S>& place, u32 i, u32 j, const float (&d)[4]) {
  const u32 block = j / 2 * S::kDqDimWarps;
  if (S::kDim / 16 % S::kDqDimWarps != 0 && place.dq_block + block >= S::kDim / 16) return;
  float* at = sums + (i * (S::kDim / 8) + block * 2 + j % 2) * kFragmentFloats;
  if constexpr (kConfig.vector_reductions != 0) {
    ptx::red_add_v4(at, d[0], d[1], d[2], d[3]);
  } else {
#pragma unroll
    for (u32 e = 0; e < 4; ++e) ptx::red_add(at + e * 32, d[e]);
  }
}

// dK or dV of the block's keys, through SMEM in whole rows.
template <Sm80BackwardConfig kConfig, u32 kDim, class S, u32 kM, u32 kN>
FA4_DEVICE void stage_gradient(u32 tile_smem, const float (&acc)[kM][kN][4], float scale,
                               const Place<S>& place) {
  constexpr u32 kColumns = padded_dim(kDim);
#pragma unroll
  for (u32 i = 0; i < kM; ++i) {
#pragma unroll
    for (u32 j = 0; j < kN; ++j) {
      const u32 block = place.grad_block + j / 2 * S::kGradDimWarps;
      if (kColumns / 16 % S::kGradDimWarps != 0 && block >= kColumns / 16) break;
      store_accumulator<S::kType, kColumns>(tile_smem, acc[i][j], scale, place.grad_key + i * 16,
                                            block * 2 + j % 2, place.lane);
    }
  }
}

// The same in fp32, [chunk][row of k][kv_head][dim]; rows that do not count get 0.
template <u32 kDim, class S, u32 kM, u32 kN>
FA4_DEVICE void store_parts(float* parts, const Sm80BackwardParams& p, const Task& task,
                            const float (&acc)[kM][kN][4], float scale, const Place<S>& place) {
  const i64 first_row = task.chunk * p.problem.total_k + i64{task.keys.batch} * p.problem.seq_k +
                        task.keys.begin + task.key;
#pragma unroll
  for (u32 i = 0; i < kM * 2; ++i) {
    const u32 row = place.grad_key + i * 8 + place.lane / 4;
    if (task.key + row >= task.keys.rows) continue;
    float* to = parts + ((first_row + row) * p.problem.kv_heads + task.kv_head) * kDim;
#pragma unroll
    for (u32 j = 0; j < kN; ++j) {
      const u32 column = (place.grad_block + j / 2 * S::kGradDimWarps) * 16 + j % 2 * 8;
      if (column >= kDim) break;
      const float* d = acc[i / 2][j] + i % 2 * 2;
      const float2 pair =
          row < task.num_keys ? make_float2(d[0] * scale, d[1] * scale) : make_float2(0, 0);
      *reinterpret_cast<float2*>(to + column + place.lane % 4 * 2) = pair;
    }
  }
}

template <Sm80BackwardConfig kConfig, class S, u32 kM, u32 kKeyN, u32 kValueN>
FA4_DEVICE void store_gradients(const Sm80BackwardParams& p, const Task& task,
                                const Place<S>& place, u32 smem, const float (&dk)[kM][kKeyN][4],
                                const float (&dv)[kM][kValueN][4]) {
  const float scale = p.problem.scale;
  if (p.head_chunks > 1) {
    store_parts<kConfig.head_dim>(p.dk_parts, p, task, dk, scale, place);
    store_parts<kConfig.value_dim>(p.dv_parts, p, task, dv, 1.0f, place);
    return;
  }
  __syncthreads();  // nobody reads K and V any more: their room is ours
  stage_gradient<kConfig, kConfig.head_dim>(smem + S::kStorage.k, dk, scale, place);
  stage_gradient<kConfig, kConfig.value_dim>(smem + S::kStorage.v, dv, 1.0f, place);
  __syncthreads();
  const u32 rows = min(task.keys.rows - task.key, S::kBlockK);
  store_rows<kConfig.head_dim, S::kThreads>(
      smem + S::kStorage.k, rows_of(p.dk, task.keys, task.kv_head) + task.key * p.dk.row_stride,
      p.dk.row_stride, rows, task.num_keys, p.dk_align, place.thread);
  store_rows<kConfig.value_dim, S::kThreads>(
      smem + S::kStorage.v, rows_of(p.dv, task.keys, task.kv_head) + task.key * p.dv.row_stride,
      p.dv.row_stride, rows, task.num_keys, p.dv_align, place.thread);
}

}  // namespace fa4::sm80::backward
