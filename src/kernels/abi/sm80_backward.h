// SPDX-License-Identifier: Apache-2.0
// What host and device agree on for the sm80 backward: the value that is compiled and the values that are
// launched. Its three kernels (prepare, main, finish) share both, so that no two cut the queries differently.
#pragma once

#include "abi/attention.h"

namespace fa4 {

// Everything that changes the code and nothing else. A block owns block_k keys of one key/value head and walks the
// queries in tiles of block_q. How the warps divide the products:
//
//     S^T, dP^T  [block_k, block_q]   warps / score_query_warps along keys, score_query_warps along queries
//     dV, dK     [block_k, dim]       warps / grad_dim_warps along keys, grad_dim_warps along columns
//     dQ         [block_q, dim]       warps / dq_dim_warps along queries, dq_dim_warps along columns
//
// With score_query_warps = 1 a warp owns the same keys in the first two rows, and P and dS stay in its registers.
struct Sm80BackwardConfig {
  ElementType type = ElementType::BFloat16;
  u32 head_dim = 128;
  u32 value_dim = 128;
  u32 block_q = 64;
  u32 block_k = 128;
  u32 warps = 8;
  u32 score_query_warps = 2;
  u32 grad_dim_warps = 2;
  u32 dq_dim_warps = 4;
  u32 q_stages = 2;           // slots of Q tiles: 1 or 2
  u32 dout_stages = 1;        // slots of dO tiles: 1 or 2
  u32 softcap = 0;            // 1: S = c * tanh(S / c)
  u32 vector_reductions = 1;  // 1: dQ is summed by red.v4 (sm_90 and later); 0: by red.f32
};

struct Sm80BackwardParams {
  ProblemParams problem;
  RowsParam out, dout, dq, dk, dv;
  LseParam lse, dlse;  // dlse may be absent
  float* dsink;        // [heads], or null
  i64 dsink_stride;

  // Workspace. A slot is block_q query rows of one sequence; see Note [Slots of queries].
  float* row_lse;    // [heads, slots, block_q], log2 units, +inf for rows that take part in nothing
  float* row_delta;  // [heads, slots, block_q]
  float* sink_parts;  // [heads, slots], or null
  float* dq_sums;     // [dq_splits, heads, slots, a tile of fragments]
  float* dk_parts;    // [head_chunks, rows of k, kv_heads, head_dim], null when head_chunks is 1
  float* dv_parts;    // [head_chunks, rows of k, kv_heads, value_dim]
  i64 num_slots;
  u32 query_tiles;  // of a sequence, from the upper bound
  u32 key_tiles;
  u32 key_tile_step;  // a block walks key tiles first, first + step, ..: one tile unless deterministic
  u32 dq_splits;      // 1, or key_tile_step when deterministic: blocks of a split share no dQ sum
  u32 head_chunks;  // the query heads of a group are divided among so many blocks
  u32 dq_blocks;    // of the finish kernel: tiles of dQ; then sums of dk and dv; then dsink
  u32 grad_blocks;

  // Bytes that divide the address and every stride of a tensor: 16, 8, 4 or 2.
  u32 q_align, k_align, v_align, out_align, dout_align, dq_align, dk_align, dv_align;
};

static_assert(sizeof(Sm80BackwardConfig) == 52);

}  // namespace fa4
