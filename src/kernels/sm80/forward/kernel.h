// SPDX-License-Identifier: Apache-2.0
// The portable forward: one CTA computes one tile of query rows against all the keys it sees, or against its share of
// them. README.md shows the schedule.
#pragma once

#include "ptx/registers.h"
#include "sm80/forward/blocks.h"
#include "sm80/forward/output.h"
#include "sm80/forward/share.h"

namespace fa4::sm80::forward {

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

  Softmax<config> softmax(p.exponent_scale);
  OutTile<config> o = {};
  if (blocks.first < blocks.end) {
    const u32 q_smem = ptx::smem_address(smem.inputs.q);
    const u32 k_smem = ptx::smem_address(smem.inputs.k);
    const u32 v_smem = ptx::smem_address(smem.inputs.v);
    TileLoader<G::kBlockRows, config.head_dim, config.q_copy_bytes, G::kThreads>::load(
        q_smem, query_rows<config>(p, queries, work), tile_row, counting_rows);
    const BlockLoader<config> loader(p, keys, work, k_smem, v_smem);
    Warp<config> warp{p,           tile_row, queries.length,
                      keys.length, blocks,   QFragments<config>(q_smem),
                      k_smem,      v_smem};
    if constexpr (config.schedule == Schedule::TwoSlots) {
      walk_two_slots(warp, loader, softmax, o);
    } else {
      walk_one_slot(warp, loader, softmax, o);
    }
  }
  // Found again, so that the loop need not hold them.
  const Work again = find_work<config>(p, ptx::ctaid_x());
  finish<config>(p, find_queries(p.problem, again.batch), again, softmax, o,
                 ptx::smem_address(smem.out));
}

}  // namespace fa4::sm80::forward
