// SPDX-License-Identifier: Apache-2.0
// After the main kernel: dQ from its fp32 sums, dK and dV from the parts of a group's heads, dsink from those of the
// tiles. Blocks are dealt to the three in this order; every sum is in a fixed order.
#pragma once

#include "ptx/ldmatrix.h"
#include "sm80/backward/prepare.h"

namespace fa4::sm80::backward {

// One tile of dQ: fragments to rows by way of SMEM.
template <Sm80BackwardConfig kConfig>
FA4_DEVICE void finish_query_tile(const Sm80BackwardParams& p, const QueryTile& at) {
  constexpr u32 kColumns = padded_dim(kConfig.head_dim);
  constexpr u32 kFragments = dq_tile_floats(kConfig) / kFragmentFloats;
  __shared__ __align__(128) u8 tile[TileLayout<kColumns>::bytes(kConfig.block_q)];
  const u32 tile_smem = ptx::smem_address(tile);
  const u32 thread = threadIdx.x, lane = thread % 32;
  const SequenceRows queries = find_queries(p.problem, at.batch);
  const u32 query = at.tile * kConfig.block_q;
  if (query >= queries.rows) return;
  const u32 filled = queries.length > query ? min(queries.length - query, kConfig.block_q) : 0;
  const i64 slot = at.slot(p, queries, kConfig.block_q);

  for (u32 f = thread / 32; filled > 0 && f < kFragments; f += kFinishThreads / 32) {
    float sum[4] = {0, 0, 0, 0};
    for (u32 split = 0; split < p.dq_splits; ++split) {
      const i64 index = split * (p.problem.heads * p.num_slots) + slot;
      const float* from = p.dq_sums + index * dq_tile_floats(kConfig) + f * kFragmentFloats;
#pragma unroll
      for (u32 e = 0; e < 4; ++e) {
        sum[e] += from[fragment_index(kConfig.vector_reductions != 0, lane, e)];
      }
    }
    store_accumulator<kConfig.type, kColumns>(tile_smem, sum, p.problem.scale,
                                              f / (kColumns / 8) * 16, f % (kColumns / 8), lane);
  }
  __syncthreads();
  store_rows<kConfig.head_dim, kFinishThreads>(
      tile_smem, rows_of(p.dq, queries, at.head) + query * p.dq.row_stride, p.dq.row_stride,
      min(queries.rows - query, kConfig.block_q), filled, p.dq_align, thread);
}

// A chunk of eight columns of dK or dV: the parts of all blocks that shared the group's heads.
template <ElementType kType>
FA4_DEVICE void sum_parts(const Sm80BackwardParams& p, const float* parts, const RowsParam& to,
                          u32 align, u32 dim, i64 row, u32 head, u32 chunk) {
  float sum[kChunkElements] = {};
  for (u32 part = 0; part < p.head_chunks; ++part) {
    const i64 at = (part * p.problem.total_k + row) * p.problem.kv_heads + head;
    const float* from = parts + at * dim + chunk * kChunkElements;
#pragma unroll
    for (u32 i = 0; i < kChunkElements; ++i) sum[i] += from[i];
  }
  u32 words[4];
#pragma unroll
  for (u32 i = 0; i < 4; ++i) words[i] = pack<kType>(sum[i * 2], sum[i * 2 + 1]);
  const bool packed = p.problem.cu_seqlens_k.data != nullptr;
  const i64 offset =
      packed ? row * to.row_stride
             : row / p.problem.seq_k * to.batch_stride + row % p.problem.seq_k * to.row_stride;
  store_chunk(static_cast<u16*>(to.data) + offset + head * to.head_stride + chunk * kChunkElements,
              words, align);
}

// Rows of k that lie in some sequence; the others have been cleared.
template <Sm80BackwardConfig kConfig>
FA4_DEVICE void finish_key_rows(const Sm80BackwardParams& p, u32 block) {
  constexpr u32 kKeyChunks = kConfig.head_dim / kChunkElements;
  constexpr u32 kChunks = kKeyChunks + kConfig.value_dim / kChunkElements;
  const ProblemParams& problem = p.problem;
  i64 first = 0, last = problem.total_k;
  if (const LengthsParam& cu = problem.cu_seqlens_k; cu.data) {
    first = clamp_to(cu.data[0], 0, problem.total_k);
    last = clamp_to(cu.data[problem.batch * cu.stride], first, problem.total_k);
  }
  const i64 num_items = (last - first) * problem.kv_heads * kChunks;
  for (i64 item = i64{block} * kFinishThreads + threadIdx.x; item < num_items;
       item += i64{p.grad_blocks} * kFinishThreads) {
    const i64 row = first + item / kChunks / problem.kv_heads;
    const u32 head = item / kChunks % problem.kv_heads, chunk = item % kChunks;
    if (chunk < kKeyChunks) {
      sum_parts<kConfig.type>(p, p.dk_parts, p.dk, p.dk_align, kConfig.head_dim, row, head, chunk);
    } else {
      sum_parts<kConfig.type>(p, p.dv_parts, p.dv, p.dv_align, kConfig.value_dim, row, head,
                              chunk - kKeyChunks);
    }
  }
}

template <Sm80BackwardConfig kConfig>
FA4_DEVICE void finish_sink(const Sm80BackwardParams& p, u32 head) {
  __shared__ float parts[kFinishThreads / 32];
  float sum = 0;
  const u32 num_tiles = p.problem.batch * p.query_tiles;
  for (u32 i = threadIdx.x; i < num_tiles; i += kFinishThreads) {
    QueryTile at(p, 0);
    at.batch = i / p.query_tiles;
    at.head = head;
    at.tile = i % p.query_tiles;
    const SequenceRows queries = find_queries(p.problem, at.batch);
    if (at.tile * kConfig.block_q < queries.length) {
      sum += p.sink_parts[at.slot(p, queries, kConfig.block_q)];
    }
  }
  sum = sum_of_block(sum, parts, threadIdx.x, kFinishThreads / 32);
  if (threadIdx.x == 0) p.dsink[head * p.dsink_stride] = sum;
}

template <Sm80BackwardConfig kConfig>
FA4_DEVICE void finish(const Sm80BackwardParams& p) {
  const u32 block = blockIdx.x;
  if (block < p.dq_blocks) {
    finish_query_tile<kConfig>(p, QueryTile(p, block));
  } else if (block < p.dq_blocks + p.grad_blocks) {
    finish_key_rows<kConfig>(p, block - p.dq_blocks);
  } else {
    finish_sink<kConfig>(p, block - p.dq_blocks - p.grad_blocks);
  }
}

}  // namespace fa4::sm80::backward
