// SPDX-License-Identifier: Apache-2.0
// Before the main kernel: the row values (LSE in log2 units, delta = rowsum(dO * O) - dlse), the parts of dsink,
// zeros for the dQ sums and for the gradients of rows that lie in no sequence.
#pragma once

#include "sm80/backward/scores.h"
#include "sm80/backward/shape.h"
#include "sm80/backward/store.h"

namespace fa4::sm80::backward {

constexpr u32 kLanesPerRow = 8;
constexpr u32 kRowsAtOnce = kPrepareThreads / kLanesPerRow;

// A query tile of a head, by its number in a launch: tiles of one head are neighbours.
struct QueryTile {
  u32 batch, head, tile;

  FA4_DEVICE QueryTile(const Sm80BackwardParams& p, u32 index)
      : batch(index / p.query_tiles / p.problem.heads),
        head(index / p.query_tiles % p.problem.heads),
        tile(index % p.query_tiles) {}

  FA4_DEVICE i64 slot(const Sm80BackwardParams& p, const SequenceRows& queries, u32 block_q) const {
    return head * p.num_slots + tile +
           first_slot(p.problem.cu_seqlens_q.data != nullptr, batch, queries.begin, p.query_tiles,
                      block_q);
  }
};

FA4_DEVICE void load_chunk(u16 (&elements)[kChunkElements], const u16* from, u32 align) {
  if (align == 16) {
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    const u32 parts[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (u32 i = 0; i < kChunkElements; ++i) elements[i] = parts[i / 2] >> i % 2 * 16;
    return;
  }
#pragma unroll
  for (u32 i = 0; i < kChunkElements; ++i) elements[i] = from[i];
}

// Summed over the eight lanes of a row.
FA4_DEVICE float sum_of_row(float value) {
#pragma unroll
  for (u32 i = 1; i < kLanesPerRow; i *= 2) value += __shfl_xor_sync(0xffffffff, value, i);
  return value;
}

// Row `row` of the tile by eight lanes: writes its values and returns what it gives to dsink (in one of them).
template <Sm80BackwardConfig kConfig>
FA4_DEVICE float prepare_row(const Sm80BackwardParams& p, const QueryTile& at,
                             const SequenceRows& queries, i64 slot, u32 row, u32 lane) {
  const u32 query = at.tile * kConfig.block_q + row;
  const bool counts = query < queries.length;
  float sum = 0;
  if (counts) {
    const u16* out = rows_of(p.out, queries, at.head) + query * p.out.row_stride;
    const u16* dout = rows_of(p.dout, queries, at.head) + query * p.dout.row_stride;
    for (u32 chunk = lane; chunk < kConfig.value_dim / kChunkElements; chunk += kLanesPerRow) {
      u16 o[kChunkElements], d[kChunkElements];
      load_chunk(o, out + chunk * kChunkElements, p.out_align);
      load_chunk(d, dout + chunk * kChunkElements, p.dout_align);
#pragma unroll
      for (u32 i = 0; i < kChunkElements; ++i) {
        sum += unpack<kConfig.type>(o[i]) * unpack<kConfig.type>(d[i]);
      }
    }
  }
  sum = sum_of_row(sum);
  if (lane != 0) return 0;

  float lse = minus_infinity(), delta = 0;
  if (counts) {
    lse = lse_of(p.lse, queries, at.head)[query * p.lse.row_stride];
    delta = sum;
    if (p.dlse.data) delta -= lse_of(p.dlse, queries, at.head)[query * p.dlse.row_stride];
  }
  // A row without keys takes part in nothing: exp2(s - inf) is 0.
  p.row_lse[slot * kConfig.block_q + row] =
      lse == minus_infinity() ? -minus_infinity() : lse * kLog2E;
  p.row_delta[slot * kConfig.block_q + row] = delta;
  if (!counts || p.sink_parts == nullptr) return 0;
  const float sink = sink_of<kConfig.type>(p.problem.sink, at.head);
  return sink == minus_infinity() ? 0 : -ptx::ex2((sink - lse) * kLog2E) * delta;
}

// The block's sum in a fixed order, valid in thread 0. `parts` has room for one float per warp.
FA4_DEVICE float sum_of_block(float value, float* parts, u32 thread, u32 num_warps) {
#pragma unroll
  for (u32 i = 1; i < 32; i *= 2) value += __shfl_xor_sync(0xffffffff, value, i);
  if (thread % 32 == 0) parts[thread / 32] = value;
  __syncthreads();
  float sum = 0;
  for (u32 i = 0; i < num_warps; ++i) sum += parts[i];
  return sum;
}

// Zeros for the rows [0, first) and [last, total) of all heads: those of a packed tensor that lie in no sequence.
FA4_DEVICE void clear_outside(const RowsParam& tensor, const LengthsParam& cu_seqlens, u32 batch,
                              i64 total, u32 heads, u32 dim, u32 align) {
  if (cu_seqlens.data == nullptr) return;
  const i64 first = clamp_to(cu_seqlens.data[0], 0, total);
  const i64 last = clamp_to(cu_seqlens.data[batch * cu_seqlens.stride], first, total);
  const i64 chunks = dim / kChunkElements, row_chunks = chunks * heads;
  const i64 num_items = (first + total - last) * row_chunks;
  const i64 threads = i64{gridDim.x} * kPrepareThreads;
  for (i64 item = i64{blockIdx.x} * kPrepareThreads + threadIdx.x; item < num_items;
       item += threads) {
    const i64 index = item / row_chunks, row = index < first ? index : index - first + last;
    const i64 head = item / chunks % heads;
    u16* to = static_cast<u16*>(tensor.data) + row * tensor.row_stride + head * tensor.head_stride +
              item % chunks * kChunkElements;
    store_chunk(to, {0, 0, 0, 0}, align);
  }
}

template <Sm80BackwardConfig kConfig>
FA4_DEVICE void prepare_tile(const Sm80BackwardParams& p, const QueryTile& at) {
  __shared__ float parts[kPrepareThreads / 32];
  const u32 thread = threadIdx.x;
  const SequenceRows queries = find_queries(p.problem, at.batch);
  if (at.tile * kConfig.block_q >= queries.length) return;
  const i64 slot = at.slot(p, queries, kConfig.block_q);

  float to_sink = 0;
#pragma unroll
  for (u32 row = 0; row < kConfig.block_q; row += kRowsAtOnce) {
    to_sink += prepare_row<kConfig>(p, at, queries, slot, row + thread / kLanesPerRow,
                                    thread % kLanesPerRow);
  }
  if (p.sink_parts) {
    const float sum = sum_of_block(to_sink, parts, thread, kPrepareThreads / 32);
    if (thread == 0) p.sink_parts[slot] = sum;
  }

  constexpr u32 kTileFloats = dq_tile_floats(kConfig);
  for (u32 split = 0; split < p.dq_splits; ++split) {
    float* sums = p.dq_sums + (split * (p.problem.heads * p.num_slots) + slot) * kTileFloats;
    for (u32 i = thread * 4; i < kTileFloats; i += kPrepareThreads * 4) {
      *reinterpret_cast<float4*>(sums + i) = make_float4(0, 0, 0, 0);
    }
  }
}

template <Sm80BackwardConfig kConfig>
FA4_DEVICE void prepare(const Sm80BackwardParams& p) {
  static_assert(kConfig.block_q % kRowsAtOnce == 0);
  const ProblemParams& problem = p.problem;
  clear_outside(p.dq, problem.cu_seqlens_q, problem.batch, problem.total_q, problem.heads,
                problem.head_dim, p.dq_align);
  clear_outside(p.dk, problem.cu_seqlens_k, problem.batch, problem.total_k, problem.kv_heads,
                problem.head_dim, p.dk_align);
  clear_outside(p.dv, problem.cu_seqlens_k, problem.batch, problem.total_k, problem.kv_heads,
                problem.value_dim, p.dv_align);
  if (p.query_tiles == 0) return;
  const QueryTile at(p, blockIdx.x);
  if (at.batch < problem.batch) prepare_tile<kConfig>(p, at);
}

}  // namespace fa4::sm80::backward
