// SPDX-License-Identifier: Apache-2.0
// The portable forward: one CTA computes one tile of query rows against all the keys it sees, or against its share of
// them. README.md shows the schedule.
#pragma once

#include "ptx/registers.h"
#include "sm80/forward/output.h"
#include "sm80/forward/share.h"
#include "sm80/forward/storage.h"
#include "sm80/forward/values.h"
#include "sm80/forward/work.h"
#include "tile/load.h"

namespace fa4::sm80::forward {

template <Sm80ForwardConfig config>
FA4_DEVICE auto key_rows(const Sm80ForwardParams& p, const RowsParam& tensor,
                         const SequenceRows& keys, const Work& work) {
  if constexpr (config.paged) {
    return PagedRows{static_cast<const u16*>(tensor.data) + work.kv_head * tensor.head_stride,
                     tensor.batch_stride,
                     tensor.row_stride,
                     p.problem.page_table + work.batch * p.problem.page_table_stride,
                     p.page,
                     p.problem.num_pages - 1};
  } else {
    return StridedRows{rows_of(tensor, keys, work.kv_head), tensor.row_stride};
  }
}

template <Sm80ForwardConfig config>
FA4_DEVICE auto query_rows(const Sm80ForwardParams& p, const SequenceRows& queries,
                           const Work& work) {
  const u16* data = rows_of(p.problem.q, queries, work.head);
  if constexpr (config.packed_heads) {
    return GroupedRows{data, p.problem.q.row_stride, p.problem.q.head_stride, p.group};
  } else {
    return StridedRows{data, p.problem.q.row_stride};
  }
}

template <Sm80ForwardConfig config>
FA4_DEVICE void kernel(const Sm80ForwardParams& p) {
  using G = Geometry<config>;
  static_assert(sizeof(Storage<config>) == sm80_forward_smem_bytes(config));
  extern __shared__ __align__(kTileAlignment) u8 dynamic_smem[];
  Storage<config>& smem = *reinterpret_cast<Storage<config>*>(dynamic_smem);

  if (blockIdx.x >= p.work_items) return write_rows_of_no_sequence<config>(p);
  const Work work = find_work<config>(p, ptx::ctaid_x());
  const SequenceRows queries = find_queries(p.problem, work.batch);
  const SequenceRows keys = find_keys(p.problem, work.batch);
  const u32 group = config.packed_heads ? p.group.value : 1;
  const u32 tile_row = work.tile * G::kBlockRows;
  if (tile_row >= queries.rows * group) return;

  const u32 counting_rows = queries.length * group;
  const KeyWindow window(p.problem, queries.length, keys.length);
  BlockRange blocks{};
  if (tile_row < counting_rows) {
    const u32 last_row = min(tile_row + G::kBlockRows, counting_rows) - 1;
    blocks = visible_blocks<config.block_keys>(window, query_of<config>(p, tile_row),
                                               query_of<config>(p, last_row));
    take_share<config.split, config.block_keys>(blocks, p, work.split);
  }

  const u32 q_smem = ptx::smem_address(smem.inputs.q);
  const u32 k_smem = ptx::smem_address(smem.inputs.k), v_smem = ptx::smem_address(smem.inputs.v);
  constexpr u32 kKBytes = sizeof(smem.inputs.k[0]), kVBytes = sizeof(smem.inputs.v[0]);
  const u32 warp_row = threadIdx.x / 32 * G::kWarpRows, lane = threadIdx.x % 32;

  Softmax<config> softmax(p.exponent_scale);
  Tile8 o[config.row_tiles][G::kValueDim / 8];
#pragma unroll
  for (u32 i = 0; i < config.row_tiles; ++i) {
#pragma unroll
    for (u32 n = 0; n < G::kValueDim / 8; ++n) {
#pragma unroll
      for (u32 e = 0; e < 4; ++e) o[i][n][e] = 0;
    }
  }

  if (blocks.first < blocks.end) {
    const auto k_rows = key_rows<config>(p, p.problem.k, keys, work);
    auto v_rows = key_rows<config>(p, p.problem.v, keys, work);
    const u32 first_column = work.slice * config.value_columns;
    v_rows.data += first_column;
    const u32 columns = config.value_columns == config.value_dim
                            ? config.value_dim
                            : min(config.value_columns, config.value_dim - first_column);
    using KLoader =
        TileLoader<config.block_keys, config.head_dim, config.k_copy_bytes, G::kThreads>;
    using VLoader =
        TileLoader<config.block_keys, config.value_columns, config.v_copy_bytes, G::kThreads>;
    const auto load_block = [&](u32 block) {
      const u32 slot = block % kSm80ForwardStages;
      KLoader::load(k_smem + slot * kKBytes, k_rows, block * config.block_keys, keys.length);
      VLoader::load(v_smem + slot * kVBytes, v_rows, block * config.block_keys, keys.length,
                    columns);
      ptx::cp_async_commit_group();
    };

    TileLoader<G::kBlockRows, config.head_dim, config.q_copy_bytes, G::kThreads>::load(
        q_smem, query_rows<config>(p, queries, work), tile_row, counting_rows);
    load_block(blocks.end - 1);

    QFragments<config> q(q_smem + warp_row * G::QLayout::kPitchBytes);
    const LaneOffset<G::kHeadDim> k_place(k_smem, lane % 8 + lane / 16 * 8, lane / 8 % 2);
    const LaneOffset<G::kValueDim> v_place(v_smem, lane % 16, lane / 16);
    ScoreTile<config> scores;
    for (u32 block = blocks.end; block-- > blocks.first;) {
      ptx::cp_async_wait_group<0>();
      __syncthreads();  // The block is in SMEM, and the other slot has been read by all.
      if (block > blocks.first) load_block(block - 1);
      if (block + 1 == blocks.end) q.load_all();

      const u32 slot = block % kSm80ForwardStages;
      LaneOffset<G::kHeadDim> k_block = k_place;
      LaneOffset<G::kValueDim> v_block = v_place;
      k_block.move(slot * kKBytes);
      v_block.move(slot * kVBytes);
      multiply_q_k<config>(scores, q, k_block);
      transform<config>(scores, p);
      if (block < blocks.plain_first || block >= blocks.plain_end) {
        mask<config>(scores, p, window, tile_row + warp_row + lane / 4, block * config.block_keys);
      }
      softmax.grow(scores, o);
      multiply_p_v<config>(o, scores, softmax, v_block);
    }
  }
  // Found again, so that the loop need not hold them.
  const Work again = find_work<config>(p, ptx::ctaid_x());
  finish<config>(p, find_queries(p.problem, again.batch), again, softmax, o,
                 ptx::smem_address(smem.out));
}

}  // namespace fa4::sm80::forward
