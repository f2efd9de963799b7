// SPDX-License-Identifier: Apache-2.0
// Role Store: O tiles from SMEM to memory. By TMA where every row of the tensor counts; else row by row, because a box
// would also write what lies behind the sequence. It also writes the rows that nobody computes: those of tiles that see
// no key, and those of no sequence.
#pragma once

#include "ptx/memory.h"
#include "ptx/sync.h"
#include "ptx/tma.h"
#include "ptx/tma_nd.h"
#include "sm100/forward/storage.h"
#include "sm100/forward/walk.h"
#include "sm100/forward/work.h"
#include "tile/element.h"
#include "tile/row_result.h"

namespace fa4::sm100::forward {

template <Sm100ForwardConfig config>
class Storer {
 public:
  FA4_DEVICE Storer(const Sm100ForwardParams& p, const Smem<config>& smem)
      : p_(p), smem_(smem), lane_(threadIdx.x % 32), leader_(ptx::elect_sync()) {}

  FA4_DEVICE void store_tile(const Tile& tile) {
#pragma unroll 1
    for (u32 q = 0; q < kQueryTiles; ++q) {
      wait_for_phase(smem_.barrier(kOutFull, q), phase_);
      if (p_.out_by_tma) {
        if (leader_) store_boxes(tile, q);
      } else {
        store_rows(tile, q);
        release(q);
      }
    }
    if (p_.out_by_tma && leader_) {
      ptx::cp_async_bulk_wait_group_read<1>();
      ptx::mbarrier_arrive(smem_.barrier(kOutEmpty, 0));
      ptx::cp_async_bulk_wait_group_read<0>();
      ptx::mbarrier_arrive(smem_.barrier(kOutEmpty, 1));
    }
    __syncwarp();
    phase_ ^= 1;
  }

  // A tile without keys: 0, and -inf or the sink.
  FA4_DEVICE void store_empty(const Tile& tile) const {
    const u32 end = min(tile.row + kCtaRows, tile.queries.rows << p_.group_log2);
    for (u32 row = tile.row; row < end; ++row) {
      const u32 query = row >> p_.group_log2;
      const u32 head = tile.head + (row - (query << p_.group_log2));
      store_nothing(tile.queries, query, head, row < tile.counting_rows);
    }
  }

  // Packed tensors may hold rows before the first sequence and after the last. This is share `share` of `shares`.
  FA4_DEVICE void store_rows_of_no_sequence(u32 share, u32 shares) const {
    const ProblemParams& problem = p_.problem;
    if (!problem.cu_seqlens_q.data) return;
    const i64 first = clamp_to(problem.cu_seqlens_q.data[0], 0, problem.total_q);
    const i64 end = clamp_to(problem.cu_seqlens_q.data[problem.batch * problem.cu_seqlens_q.stride],
                             first, problem.total_q);
    const i64 outside = first + (problem.total_q - end);
    for (i64 at = share; at < outside * problem.heads; at += shares) {
      const i64 index = at / problem.heads;
      const SequenceRows row{0, index < first ? index : end + (index - first), 1, 0};
      store_nothing(row, 0, static_cast<u32>(at % problem.heads), false);
    }
  }

 private:
  FA4_DEVICE void release(u32 q) {
    __syncwarp();
    if (leader_) ptx::mbarrier_arrive(smem_.barrier(kOutEmpty, q));
  }

  FA4_DEVICE void store_boxes(const Tile& tile, u32 q) const {
    const u32 first_query = (tile.row + q * kTileRows) >> p_.group_log2;
    const u32 group = tile.head >> p_.group_log2;
    for (u32 box = 0; box < boxes_of(config.value_dim); ++box) {
      ptx::cp_async_bulk_tensor_5d_store(p_.out_map, box * kBoxColumns, 0, first_query, group,
                                         tile.batch, smem_.out(q) + box * kBoxBytes);
    }
    ptx::cp_async_bulk_commit_group();
  }

  FA4_DEVICE u16* out_row(const SequenceRows& queries, u32 query, u32 head) const {
    return rows_of(p_.out, queries, head) + query * p_.out.row_stride;
  }

  // The lanes of the warp share a row's chunks, and several rows where it has few.
  FA4_DEVICE void store_rows(const Tile& tile, u32 q) const {
    constexpr u32 kChunks = config.value_dim / kChunkElements;
    const u32 first_row = tile.row + q * kTileRows;
    const u32 rows = tile.queries.rows << p_.group_log2;
    const u32 columns = p_.problem.value_dim;
    for (u32 at = lane_; at < kTileRows * kChunks; at += 32) {
      const u32 row = at / kChunks, column = at % kChunks * kChunkElements;
      if (first_row + row >= rows || column >= columns) continue;
      const u32 query = (first_row + row) >> p_.group_log2;
      const u32 head = tile.head + (first_row + row - (query << p_.group_log2));
      u32 words[4];
      ptx::ld_shared_v4(words, smem_.out(q) + column / kBoxColumns * kBoxBytes + row * 128 +
                                   (column % kBoxColumns / kChunkElements ^ row % 8) * kChunkBytes);
      u16* out = out_row(tile.queries, query, head) + column;
      if (p_.out_vector) {
        *reinterpret_cast<uint4*>(out) = make_uint4(words[0], words[1], words[2], words[3]);
      } else {
#pragma unroll
        for (u32 i = 0; i < kChunkElements; ++i) {
          if (column + i < columns) out[i] = static_cast<u16>(words[i / 2] >> i % 2 * 16);
        }
      }
    }
  }

  FA4_DEVICE void store_nothing(const SequenceRows& queries, u32 query, u32 head,
                                bool counts) const {
    u16* out = out_row(queries, query, head);
    for (u32 column = lane_; column < p_.problem.value_dim; column += 32) out[column] = 0;
    if (lane_ == 0 && p_.lse.data) {
      const bool has_sink = counts && p_.problem.sink.data;
      const float sink = has_sink ? sink_of<config.element>(p_.problem.sink, head) : 0;
      lse_of(p_.lse, queries, head)[query * p_.lse.row_stride] =
          finish_row(minus_infinity(), 0, has_sink, sink).lse;
    }
  }

  const Sm100ForwardParams& p_;
  Smem<config> smem_;
  u32 lane_;
  bool leader_;
  u32 phase_ = 0;
};

// A whole warp.
template <Sm100ForwardConfig config>
FA4_DEVICE void run_store(const Sm100ForwardParams& p, const Smem<config>& smem) {
  Storer<config> storer(p, smem);
  for (TileWalk<config> walk(p, smem); !walk.done(); walk.advance()) {
    const Tile tile = find_tile(p, walk.index());
    if (tile.empty()) {
      storer.store_empty(tile);
    } else {
      storer.store_tile(tile);
    }
    if constexpr (config.claims_tiles) {  // a CTA that is claimed never comes
      storer.store_rows_of_no_sequence(walk.index(), p.num_tiles);
    }
  }
  if (!config.claims_tiles || p.num_tiles == 0) {
    storer.store_rows_of_no_sequence(blockIdx.x, gridDim.x);
  }
}

}  // namespace fa4::sm100::forward
