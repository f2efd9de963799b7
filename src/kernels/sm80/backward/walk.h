// SPDX-License-Identifier: Apache-2.0
// What a block works on: a key tile, the query heads of its group (or a part of them), the query tiles that see
// some of its keys; and the copies of query tiles into SMEM.
#pragma once

#include "sm80/backward/load.h"
#include "sm80/backward/shape.h"
#include "tile/mask.h"
#include "tile/sequence.h"

namespace fa4::sm80::backward {

// Uniform over the block. It lies in SMEM, because its 30 registers are what the accumulators leave no room for.
struct Task {
  u32 split;           // of the dQ sums
  u32 chunk, kv_head;  // which part of the group's query heads
  u32 first_head, num_heads;
  SequenceRows queries, keys;
  KeyWindow window;
  i64 first_slot;            // see Note [Slots of queries]
  u32 key, num_keys;         // of the tile; those that count
  u32 first_tile, end_tile;  // of queries

  // `index` is the block's; `tile` the first key tile, or a later one of the same block.
  FA4_DEVICE Task(const Sm80BackwardParams& p, u32 index, u32 tile, u32 block_q, u32 block_k)
      : split(index % p.key_tile_step),
        chunk(index / p.key_tile_step % p.head_chunks),
        kv_head(index / p.key_tile_step / p.head_chunks % p.problem.kv_heads),
        first_head(0),
        num_heads(p.problem.heads / p.problem.kv_heads / p.head_chunks),
        queries(find_queries(p.problem, batch_of(p, index))),
        keys(find_keys(p.problem, batch_of(p, index))),
        window(p.problem, queries.length, keys.length),
        first_slot(backward::first_slot(p.problem.cu_seqlens_q.data != nullptr, batch_of(p, index),
                                        queries.begin, p.query_tiles, block_q)),
        key(tile * block_k),
        num_keys(keys.length > key ? min(keys.length - key, block_k) : 0),
        first_tile(0),
        end_tile(0) {
    first_head = (kv_head * p.head_chunks + chunk) * num_heads;
    if (num_keys == 0) return;
    first_tile = window.first_query(key, queries.length) / block_q;
    end_tile =
        max(first_tile, ceil_div(window.end_query(key + num_keys - 1, queries.length), block_q));
  }

  FA4_DEVICE static u32 batch_of(const Sm80BackwardParams& p, u32 index) {
    return index / p.key_tile_step / p.head_chunks / p.problem.kv_heads;
  }
};
static_assert(sizeof(Task) <= kTaskBytes);

// One query tile of one head: what an iteration of the main loop is about.
struct Step {
  u32 head, tile;

  FA4_DEVICE Step next(const Task& task) const {
    if (tile + 1 < task.end_tile) return {head, tile + 1};
    return {head + 1, task.first_tile};
  }
  // Its index among [heads, slots].
  FA4_DEVICE i64 slot(const Sm80BackwardParams& p, const Task& task) const {
    return head * p.num_slots + task.first_slot + tile;
  }
};

// The step's rows of Q or dO.
template <class S, u32 kDim>
FA4_DEVICE void load_query_rows(u32 smem, const RowsParam& tensor, u32 align, const Task& task,
                                Step step, u32 thread) {
  const u32 query = step.tile * S::kBlockQ;
  const u16* source = rows_of(tensor, task.queries, step.head) + query * tensor.row_stride;
  load_rows<S::kBlockQ, kDim, S::kThreads>(smem, source, tensor.row_stride,
                                           task.queries.length - query, align, thread);
}

template <class S>
FA4_DEVICE void load_row_values(u32 lse_smem, u32 delta_smem, const Sm80BackwardParams& p, i64 slot,
                                u32 thread) {
  load_floats<S::kBlockQ>(lse_smem, p.row_lse + slot * S::kBlockQ, thread);
  load_floats<S::kBlockQ>(delta_smem, p.row_delta + slot * S::kBlockQ, thread);
}

}  // namespace fa4::sm80::backward
