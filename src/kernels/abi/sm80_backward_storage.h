// SPDX-License-Identifier: Apache-2.0
// Where things of the sm80 backward lie: the SMEM of its main kernel and the slots and sums of its workspace, for the
// kernels and for the planner alike.
#pragma once

#include "abi/sm80_backward.h"
#include "abi/tiles.h"

namespace fa4::sm80::backward {

constexpr u32 kFinishThreads = 256;
constexpr u32 kPrepareThreads = 256;
constexpr u32 kFragmentFloats = 128;  // a 16x8 accumulator of one warp

constexpr u32 kTaskBytes = 128;  // room for Task of sm80/backward/walk.h
constexpr u32 kStepBytes = 32;   // and for each of its Steps
constexpr u32 kNumSteps = 4;

// Byte offsets. K and V stay for a key tile, and their room takes dK and dV at its end, when nobody reads them any
// more. Q, dO and the row values are rings; P^T and dS^T [block_k, block_q] are rewritten for each query tile.
struct Storage {
  u32 k, v, q, dout, p, ds, row_lse, row_delta, task, steps;
  u32 q_bytes, dout_bytes, row_bytes;  // of one slot
  u32 bytes;
};

constexpr Storage storage_of(const Sm80BackwardConfig& config) {
  const u32 dim = padded_dim(config.head_dim), value_dim = padded_dim(config.value_dim);
  const u32 scores_bytes = tile_bytes(config.block_k, config.block_q);
  Storage s{};
  s.q_bytes = tile_bytes(config.block_q, dim);
  s.dout_bytes = tile_bytes(config.block_q, value_dim);
  s.row_bytes = config.block_q * 4;
  s.k = 0;
  s.v = s.k + tile_bytes(config.block_k, dim);
  s.q = s.v + tile_bytes(config.block_k, value_dim);
  s.dout = s.q + config.q_stages * s.q_bytes;
  s.ds = s.dout + config.dout_stages * s.dout_bytes;
  s.p = s.ds + scores_bytes;
  s.row_lse = s.p + (config.score_query_warps == 1 ? 0 : scores_bytes);
  s.row_delta = s.row_lse + 2 * s.row_bytes;
  s.task = s.row_delta + 2 * s.row_bytes;
  s.steps = s.task + kTaskBytes;
  s.bytes = s.steps + kNumSteps * kStepBytes;
  return s;
}

// Note [Slots of queries]
// A sequence's query rows are cut into tiles of block_q, and each tile has a slot in the workspace, so that rows are
// padded in one way for all kernels. Packed sequence b begins at slot begin / block_q + b: its tiles end before the
// next one's, since ceil(n / q) <= floor((begin + n) / q) - floor(begin / q) + 1.
constexpr i64 slots_of(bool packed, u32 batch, i64 total_q, u32 query_tiles, u32 block_q) {
  return packed ? total_q / block_q + batch : i64{batch} * query_tiles;
}

constexpr i64 first_slot(bool packed, u32 batch, i64 begin, u32 query_tiles, u32 block_q) {
  return packed ? begin / block_q + batch : i64{batch} * query_tiles;
}

// Floats of a slot's dQ: fragments of 16 rows x 8 columns, [block_q / 16][padded dim / 8].
constexpr u32 dq_tile_floats(const Sm80BackwardConfig& config) {
  return config.block_q * padded_dim(config.head_dim);
}

// Note [dQ in fragment order]
// Blocks of different keys add to the same dQ. A warp adds a fragment in the order in which it holds it, 512
// contiguous bytes, instead of 8-byte pieces of 16 rows; the finish kernel puts it in order. Measured beside MMAs on
// an H200: +2.6 % of a tile's time by red.v4, +79 % by scalar atomics in the order of rows.
//
//     red.v4:   lane 0: d0 d1 d2 d3, lane 1: d0 d1 d2 d3, ..
//     red.f32:  d0 of lanes 0..31, d1 of lanes 0..31, ..
constexpr u32 fragment_index(bool vector_reductions, u32 lane, u32 element) {
  return vector_reductions ? lane * 4 + element : element * 32 + lane;
}

}  // namespace fa4::sm80::backward
