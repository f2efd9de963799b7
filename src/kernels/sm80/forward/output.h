// SPDX-License-Identifier: Apache-2.0
// The end of a tile: O divided by the row sums, LSE, and rows that hold nothing. A row that does not count gets 0 and
// -inf; one that sees no key gets 0 and -inf or the sink.
#pragma once

#include "ptx/memory.h"
#include "sm80/forward/softmax.h"
#include "sm80/forward/work.h"
#include "tile/element.h"
#include "tile/row_result.h"
#include "tile/sequence.h"

namespace fa4::sm80::forward {

// Where a row of the tile lies in the results.
struct ResultRow {
  u32 query, head;
};

template <Sm80ForwardConfig config>
FA4_DEVICE ResultRow result_row(const Sm80ForwardParams& p, u32 row, u32 head) {
  if constexpr (config.packed_heads) {
    const u32 query = p.group.quotient(row);
    return {query, head + row - query * p.group.value};
  }
  return {row, head};
}

FA4_DEVICE i64 partial_row(const Sm80ForwardParams& p, const SequenceRows& queries, ResultRow at) {
  const i64 token = i64{queries.batch} * p.problem.seq_q + queries.begin + at.query;
  return token * p.problem.heads + at.head;
}

// One lane of each quad, once per row: the first slice writes LSE for all.
template <Sm80ForwardConfig config>
FA4_DEVICE void store_lse(const Sm80ForwardParams& p, const SequenceRows& queries, ResultRow at,
                          u32 split, float lse) {
  if constexpr (config.split) {
    p.partial.lse[split * p.partial.rows + partial_row(p, queries, at)] = lse;
  } else if (p.lse.data) {
    lse_of(p.lse, queries, at.head)[at.query * p.lse.row_stride] = lse;
  }
}

// 16-bit results leave through SMEM, so that a row is written in whole chunks. Each warp reads back what it wrote.
template <Sm80ForwardConfig config>
FA4_DEVICE void store_rows(const Sm80ForwardParams& p, const SequenceRows& queries, u32 tile_row,
                           u32 tensor_rows, u32 head, u32 first_column, u32 columns, u32 out_smem) {
  using G = Geometry<config>;
  constexpr u32 kChunks = G::kValueDim / kChunkElements;
  const u32 warp_row = threadIdx.x / 32 * G::kWarpRows;
  for (u32 idx = threadIdx.x % 32; idx < G::kWarpRows * kChunks; idx += 32) {
    const u32 row = warp_row + idx / kChunks, chunk = idx % kChunks;
    if (tile_row + row >= tensor_rows || chunk * kChunkElements >= columns) continue;
    const ResultRow at = result_row<config>(p, tile_row + row, head);
    u16* out = rows_of(p.out, queries, at.head) + at.query * p.out.row_stride + first_column +
               chunk * kChunkElements;
    u32 words[4];
    ptx::ld_shared_v4(words, out_smem + G::VLayout::offset(row, chunk));
    if (p.out_vector) {
      *reinterpret_cast<uint4*>(out) = make_uint4(words[0], words[1], words[2], words[3]);
    } else {
#pragma unroll
      for (u32 i = 0; i < kChunkElements; ++i) {
        if (chunk * kChunkElements + i < columns) {
          out[i] = static_cast<u16>(words[i / 2] >> i % 2 * 16);
        }
      }
    }
  }
}

// Partial results leave as they are, fp32.
template <Sm80ForwardConfig config>
FA4_DEVICE void store_partial(const Sm80ForwardParams& p, float* out, const Tile8* tiles, u32 half,
                              u32 columns) {
#pragma unroll
  for (u32 n = 0; n < Geometry<config>::kValueDim / 8; ++n) {
#pragma unroll
    for (u32 e = 0; e < 2; ++e) {
      const u32 column = n * 8 + threadIdx.x % 4 * 2 + e;
      if (column < columns) out[column] = tiles[n][half * 2 + e];
    }
  }
}

template <Sm80ForwardConfig config>
FA4_DEVICE void finish(const Sm80ForwardParams& p, const SequenceRows& queries, const Work& work,
                       Softmax<config>& softmax,
                       Tile8 (&o)[config.row_tiles][Geometry<config>::kValueDim / 8],
                       u32 out_smem) {
  using G = Geometry<config>;
  const u32 head = work.head, slice = work.slice, split = work.split;
  const u32 tile_row = work.tile * G::kBlockRows;
  const u32 group = config.packed_heads ? p.group.value : 1;
  const u32 tensor_rows = queries.rows * group, counting_rows = queries.length * group;
  const u32 first_column = slice * config.value_columns;
  const u32 columns = min(config.value_columns, p.problem.value_dim - first_column);
  const u32 lane = threadIdx.x % 32;
  __syncthreads();  // All have read the last block: its SMEM is the warps' for O, each its own rows.
#pragma unroll
  for (u32 i = 0; i < config.row_tiles; ++i) {
#pragma unroll
    for (u32 half = 0; half < 2; ++half) {
      const u32 row = threadIdx.x / 32 * G::kWarpRows + i * 16 + half * 8 + lane / 4;
      const bool counts = tile_row + row < counting_rows;
      const ResultRow at = result_row<config>(p, tile_row + row, head);
      const bool has_sink = !config.split && p.problem.sink.data;
      const float sink = has_sink && counts ? sink_of<config.element>(p.problem.sink, at.head) : 0;
      const float sum = quad_sum(softmax.row_sum[i][half]);
      const float max = softmax.row_max[i][half];
      const float max_log2 = max == minus_infinity() ? max : max * softmax.scale;
      const RowResult result = finish_row(max_log2, sum, has_sink, sink);
      const bool sees = counts && (max != minus_infinity() || sum != sum);
#pragma unroll
      for (u32 n = 0; n < G::kValueDim / 8; ++n) {
#pragma unroll
        for (u32 e = 0; e < 2; ++e) {
          float& value = o[i][n][half * 2 + e];
          value = sees ? value * result.factor : 0;
        }
      }
      if (tile_row + row < tensor_rows && lane % 4 == 0 && slice == 0) {
        const float none = config.split ? -minus_infinity() : minus_infinity();
        store_lse<config>(p, queries, at, split, counts ? result.lse : none);
      }
      if constexpr (config.split) {
        if (tile_row + row < tensor_rows && sees) {
          float* out =
              p.partial.out +
              (split * p.partial.rows + partial_row(p, queries, at)) * p.problem.value_dim +
              first_column;
          store_partial<config>(p, out, o[i], half, columns);
        }
      } else {
#pragma unroll
        for (u32 n = 0; n < G::kValueDim / 8; ++n) {
          ptx::st_shared(out_smem + G::VLayout::offset(row, n) + lane % 4 * 4,
                         pack<config.element>(o[i][n][half * 2], o[i][n][half * 2 + 1]));
        }
      }
    }
  }
  if constexpr (!config.split) {
    __syncwarp();
    store_rows<config>(p, queries, tile_row, tensor_rows, head, first_column, columns, out_smem);
  }
}

// Packed tensors may hold rows before the first sequence and after the last.
template <Sm80ForwardConfig config>
FA4_DEVICE void write_rows_of_no_sequence(const Sm80ForwardParams& p) {
  const ProblemParams& problem = p.problem;
  const i64 first = clamp_to(problem.cu_seqlens_q.data[0], 0, problem.total_q);
  const i64 end = clamp_to(problem.cu_seqlens_q.data[problem.batch * problem.cu_seqlens_q.stride],
                           first, problem.total_q);
  const i64 outside = first + (problem.total_q - end);
  const u32 warp_idx = (blockIdx.x - p.work_items) * config.warps + threadIdx.x / 32;
  const u32 num_warps = (gridDim.x - p.work_items) * config.warps;
  for (i64 at = warp_idx; at < outside * problem.heads; at += num_warps) {
    const i64 index = at / problem.heads;
    const u32 head = static_cast<u32>(at % problem.heads);
    const SequenceRows row{0, index < first ? index : end + (index - first), 1, 0};
    if constexpr (config.split) {
      for (u32 split = threadIdx.x % 32; split < p.num_splits; split += 32) {
        store_lse<config>(p, row, {0, head}, split, -minus_infinity());
      }
    } else {
      if (threadIdx.x % 32 == 0) store_lse<config>(p, row, {0, head}, 0, minus_infinity());
      u16* out = rows_of(p.out, row, head);
      for (u32 column = threadIdx.x % 32; column < problem.value_dim; column += 32) out[column] = 0;
    }
  }
}

}  // namespace fa4::sm80::forward
