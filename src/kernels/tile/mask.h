// SPDX-License-Identifier: Apache-2.0
// Which keys a query sees, and which blocks a tile of queries visits. Lengths are at most 2^30 (kMaxLength, the
// planners see to it) and offsets are cut to that, so that all sums fit 32 bits with their sign.
#pragma once

#include "abi/attention.h"

namespace fa4 {

FA4_DEVICE i32 cut_offset(i64 offset) {
  constexpr i64 kMost = kMaxLength - 1;
  return static_cast<i32>(offset < -kMost ? -kMost : offset > kMost ? kMost : offset);
}

// Keys [begin, end) of query i are i + begin_offset .. i + end_offset, cut to [0, length).
struct KeyWindow {
  i32 begin_offset;  // first visible key of query 0
  i32 end_offset;    // one past its last
  i32 length;

  FA4_DEVICE KeyWindow(const ProblemParams& p, u32 length_q, u32 length_k)
      : begin_offset(cut_offset(i64{length_k} - length_q - p.window_left)),
        end_offset(cut_offset(i64{length_k} - length_q + p.window_right + 1)),
        length(static_cast<i32>(length_k)) {}

  FA4_DEVICE u32 begin(u32 query) const {
    return cut(static_cast<i32>(query) + begin_offset, length);
  }
  FA4_DEVICE u32 end(u32 query) const { return cut(static_cast<i32>(query) + end_offset, length); }

  // The transpose, for a kernel that walks queries: those that see `key` are [first_query, end_query).
  FA4_DEVICE u32 first_query(u32 key, u32 length_q) const {
    return cut(static_cast<i32>(key) - end_offset + 1, static_cast<i32>(length_q));
  }
  FA4_DEVICE u32 end_query(u32 key, u32 length_q) const {
    return cut(static_cast<i32>(key) - begin_offset + 1, static_cast<i32>(length_q));
  }

 private:
  FA4_DEVICE static u32 cut(i32 value, i32 most) {
    return static_cast<u32>(min(max(value, 0), most));
  }
};

// Blocks [first, end) of kBlock keys that queries [query, last_query] see anything of, and [plain_first, plain_end)
// of them of which all see all.
struct BlockRange {
  u32 first, end, plain_first, plain_end;
};

template <u32 kBlock>
FA4_DEVICE BlockRange visible_blocks(const KeyWindow& window, u32 query, u32 last_query) {
  BlockRange range;
  range.first = window.begin(query) / kBlock;
  range.end = ceil_div(window.end(last_query), kBlock);
  range.plain_first = ceil_div(window.begin(last_query), kBlock);
  range.plain_end = window.end(query) / kBlock;
  if (range.first >= range.end) range.first = range.end = 0;
  return range;
}

}  // namespace fa4
