// SPDX-License-Identifier: Apache-2.0
// What a tile is: 256 query rows of one head, or of the heads of a group, against the blocks of keys that they see. Every
// role finds it for itself from the tile's index, so that nobody has to be told.
//
// The order is the schedule: groups of K/V streams that fit the L2 together; in a group the last row tiles first,
// because under a causal mask they are the longest; and next to each other what reads the same K and V.
//
//     index = ((group * row_tiles + tile) * streams of the group + stream) * heads per stream + head
#pragma once

#include "sm100/forward/config.h"
#include "tile/mask.h"
#include "tile/sequence.h"

namespace fa4::sm100::forward {

struct Tile {
  u32 batch, kv_head;
  u32 head;           // of q and out: the head, or the first of the group
  u32 row;            // the first row, of queries.rows << group_log2
  u32 counting_rows;  // of the sequence
  SequenceRows queries, keys;
  BlockRange blocks;  // of both query tiles; empty: Store alone writes the rows

  FA4_DEVICE bool empty() const { return blocks.first >= blocks.end; }
  FA4_DEVICE u32 num_blocks() const { return blocks.end - blocks.first; }
};

// What rows [row, row + rows) see, where only those below counting_rows count.
FA4_DEVICE BlockRange blocks_of(const Sm100ForwardParams& p, const KeyWindow& window, u32 row,
                                u32 rows, u32 counting_rows) {
  if (row >= counting_rows) return {0, 0, 0, 0};
  const u32 last = min(row + rows, counting_rows) - 1;
  return visible_blocks<kBlockKeys>(window, row >> p.group_log2, last >> p.group_log2);
}

FA4_DEVICE Tile find_tile(const Sm100ForwardParams& p, u32 index) {
  Tile tile;
  const u32 head = index % p.heads_per_stream;
  index /= p.heads_per_stream;
  const u32 per_group = p.streams_per_group * p.row_tiles;
  const u32 first_stream = index / per_group * p.streams_per_group;
  const u32 streams = min(p.streams_per_group, p.streams - first_stream);
  index %= per_group;
  const u32 stream = first_stream + index % streams;
  tile.row = (p.row_tiles - 1 - index / streams) * kCtaRows;
  tile.batch = stream / p.problem.kv_heads;
  tile.kv_head = stream % p.problem.kv_heads;
  tile.head = (tile.kv_head * p.heads_per_stream + head) << p.group_log2;
  tile.queries = find_queries(p.problem, tile.batch);
  tile.keys = find_keys(p.problem, tile.batch);
  tile.counting_rows = tile.queries.length << p.group_log2;
  const KeyWindow window(p.problem, tile.queries.length, tile.keys.length);
  tile.blocks = blocks_of(p, window, tile.row, kCtaRows, tile.counting_rows);
  return tile;
}

}  // namespace fa4::sm100::forward
