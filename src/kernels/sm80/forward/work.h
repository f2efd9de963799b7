// SPDX-License-Identifier: Apache-2.0
// Which tile a CTA computes. The hardware hands out blocks in index order, so this order is the schedule: groups of
// K/V streams that fit the L2 together; in a group the last row tiles first, because under a causal mask they are the
// longest; and next to each other what reads the same K and V at the same time.
//
//     index = (((group * tiles + tile) * streams of the group + stream) * heads + head) * slices + slice) * splits + split
#pragma once

#include "sm80/forward/config.h"

namespace fa4::sm80::forward {

struct Work {
  u32 batch, kv_head;
  u32 head;  // of the query; when heads are packed, the group's first
  u32 tile;  // of rows
  u32 slice;
  u32 split;
};

template <Sm80ForwardConfig config>
FA4_DEVICE Work find_work(const Sm80ForwardParams& p, u32 index) {
  Work work;
  const u32 heads = config.packed_heads ? 1 : p.group.value;
  work.split = index % p.num_splits;
  index /= p.num_splits;
  work.slice = index % p.value_slices;
  index /= p.value_slices;
  const u32 head = index % heads;
  index /= heads;
  const u32 per_group = p.streams_per_group * p.tiles;
  const u32 group = index / per_group;
  const u32 first = group * p.streams_per_group;
  const u32 streams = min(p.streams_per_group, p.streams - first);
  index -= group * per_group;
  const u32 stream = first + index % streams;
  work.tile = p.tiles - 1 - index / streams;
  work.batch = stream / p.problem.kv_heads;
  work.kv_head = stream % p.problem.kv_heads;
  work.head = work.kv_head * p.group.value + head;
  return work;
}

}  // namespace fa4::sm80::forward
