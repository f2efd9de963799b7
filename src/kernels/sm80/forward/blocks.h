// SPDX-License-Identifier: Apache-2.0
// The blocks of keys of a tile: how they arrive in SMEM, and the two schedules by which a warp walks them, from the
// last to the first. README.md shows each as a table.
#pragma once

#include "ptx/registers.h"
#include "sm80/forward/storage.h"
#include "sm80/forward/values.h"
#include "sm80/forward/work.h"
#include "tile/load.h"
#include "tile/sequence.h"

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

// All threads copy; a group is committed by the schedule.
template <Sm80ForwardConfig config>
class BlockLoader {
 public:
  using G = Geometry<config>;
  static constexpr u32 kSlots = sm80_forward_slots(config.schedule);
  static constexpr u32 kKBytes = G::KLayout::bytes(config.block_keys);
  static constexpr u32 kVBytes = G::VLayout::bytes(config.block_keys);

  FA4_DEVICE BlockLoader(const Sm80ForwardParams& p, const SequenceRows& keys, const Work& work,
                         u32 k_smem, u32 v_smem)
      : k_rows_(key_rows<config>(p, p.problem.k, keys, work)),
        v_rows_(key_rows<config>(p, p.problem.v, keys, work)),
        k_smem_(k_smem),
        v_smem_(v_smem),
        limit_(keys.length),
        columns_(config.value_dim) {
    if constexpr (config.value_columns != config.value_dim) {
      const u32 first_column = work.slice * config.value_columns;
      v_rows_.data += first_column;
      columns_ = min(config.value_columns, config.value_dim - first_column);
    }
  }

  FA4_DEVICE void load_k(u32 block) const {
    TileLoader<config.block_keys, config.head_dim, config.k_copy_bytes, G::kThreads>::load(
        k_smem_ + block % kSlots * kKBytes, k_rows_, block * config.block_keys, limit_);
  }
  FA4_DEVICE void load_v(u32 block) const {
    TileLoader<config.block_keys, config.value_columns, config.v_copy_bytes, G::kThreads,
               config.value_columns != config.value_dim>::load(v_smem_ + block % kSlots * kVBytes,
                                                               v_rows_, block * config.block_keys,
                                                               limit_, columns_);
  }

 private:
  using Rows = decltype(key_rows<config>(Sm80ForwardParams{}, RowsParam{}, SequenceRows{}, Work{}));
  Rows k_rows_, v_rows_;
  u32 k_smem_, v_smem_, limit_, columns_;
};

// What a warp needs to turn blocks into O.
template <Sm80ForwardConfig config>
struct Warp {
  using G = Geometry<config>;
  using Loader = BlockLoader<config>;
  const Sm80ForwardParams& p;
  u32 tile_row, length_q, length_k;
  const BlockRange& blocks;
  QFragments<config> q;
  u32 k_smem, v_smem;

  // A lane's place is made anew for every block: registers are scarcer than the few instructions.
  FA4_DEVICE LaneOffset<G::kHeadDim> k_of(u32 block) const {
    const u32 lane = ptx::tid_x() % 32;
    return {k_smem + block % Loader::kSlots * Loader::kKBytes, lane % 8 + lane / 16 * 8,
            lane / 8 % 2};
  }
  FA4_DEVICE LaneOffset<G::kValueDim> v_of(u32 block) const {
    const u32 lane = ptx::tid_x() % 32;
    return {v_smem + block % Loader::kSlots * Loader::kVBytes, lane % 16, lane / 16};
  }

  FA4_DEVICE void score(ScoreTile<config>& scores, u32 block) {
    multiply_q_k<config>(scores, q, k_of(block));
    transform<config>(scores, p);
    if (block < blocks.plain_first || block >= blocks.plain_end) mask_edge(scores, block);
  }

  // Where O is the larger part of the registers, what a mask needs is found again, seldom as that is; where S is,
  // there is no room for that here, and it is kept through the loop.
  static constexpr bool kKeepsPlace = config.block_keys > G::kValueDim;

  FA4_DEVICE void mask_edge(ScoreTile<config>& scores, u32 block) const {
    u32 first = tile_row, queries = length_q;
    if constexpr (!kKeepsPlace) {
      const Work work = find_work<config>(p, ptx::ctaid_x());
      first = work.tile * G::kBlockRows;
      queries = find_queries(p.problem, work.batch).length;
    }
    const KeyWindow window(p.problem, queries, ptx::opaque(length_k));
    const u32 thread = ptx::tid_x();
    const u32 row = first + thread / 32 * G::kWarpRows + thread % 32 / 4;
    mask<config>(scores, p, window, row, block * config.block_keys);
  }
};

template <Sm80ForwardConfig config>
using OutTile = Tile8[config.row_tiles][Geometry<config>::kValueDim / 8];

// Q has been copied but not committed. At the end nothing is in flight.
template <Sm80ForwardConfig config>
FA4_DEVICE void walk_two_slots(Warp<config>& warp, const BlockLoader<config>& loader,
                               Softmax<config>& softmax, OutTile<config>& o) {
  const BlockRange& blocks = warp.blocks;
  loader.load_k(blocks.end - 1);
  loader.load_v(blocks.end - 1);
  ptx::cp_async_commit_group();
  ScoreTile<config> scores;
  for (u32 block = blocks.end; block-- > blocks.first;) {
    ptx::cp_async_wait_group<0>();
    __syncthreads();  // The block is in SMEM, and the other slots have been read by all.
    if (block > blocks.first) {
      loader.load_k(block - 1);
      loader.load_v(block - 1);
      ptx::cp_async_commit_group();
    }
    if (block + 1 == blocks.end) warp.q.load_all();
    warp.score(scores, block);
    softmax.grow(scores, o);
    multiply_p_v<config>(o, scores, softmax, warp.v_of(block));
  }
}

template <Sm80ForwardConfig config>
FA4_DEVICE void walk_one_slot(Warp<config>& warp, const BlockLoader<config>& loader,
                              Softmax<config>& softmax, OutTile<config>& o) {
  const BlockRange& blocks = warp.blocks;
  loader.load_k(blocks.end - 1);
  ptx::cp_async_commit_group();
  ScoreTile<config> scores;
  for (u32 block = blocks.end; block-- > blocks.first;) {
    ptx::cp_async_wait_group<0>();
    __syncthreads();  // K is in SMEM, and V of the block after has been read by all.
    loader.load_v(block);
    ptx::cp_async_commit_group();
    if (block + 1 == blocks.end) warp.q.load_all();
    warp.score(scores, block);
    softmax.grow(scores, o);
    ptx::cp_async_wait_group<0>();
    __syncthreads();  // V is in SMEM, and K has been read by all.
    if (block > blocks.first) loader.load_k(block - 1);
    ptx::cp_async_commit_group();
    multiply_p_v<config>(o, scores, softmax, warp.v_of(block));
  }
}

}  // namespace fa4::sm80::forward
