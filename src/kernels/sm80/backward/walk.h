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

// One query tile of one head: what an iteration of the main loop is about. Steps lie in SMEM, in a ring: one thread
// writes the step after next while all work on the current one and copy the next, so that nobody else multiplies
// addresses.
struct alignas(16) Step {
  const u16* q;  // first row of the tile
  const u16* dout;
  i64 slot;  // among [heads, slots]
  u32 query, head;

  FA4_DEVICE static Step first_of(const Sm80BackwardParams& p, const Task& task, u32 head,
                                  u32 block_q) {
    const i64 query = i64{task.first_tile} * block_q;
    return {rows_of(p.problem.q, task.queries, head) + query * p.problem.q.row_stride,
            rows_of(p.dout, task.queries, head) + query * p.dout.row_stride,
            head * p.num_slots + task.first_slot + task.first_tile, static_cast<u32>(query), head};
  }
  FA4_DEVICE Step next(const Sm80BackwardParams& p, const Task& task, u32 block_q) const {
    if (query + block_q >= task.end_tile * block_q) return first_of(p, task, head + 1, block_q);
    return {q + block_q * p.problem.q.row_stride, dout + block_q * p.dout.row_stride, slot + 1,
            query + block_q, head};
  }
};
static_assert(sizeof(Step) == kStepBytes);

}  // namespace fa4::sm80::backward
