// SPDX-License-Identifier: Apache-2.0
// Which keys a query sees, and which blocks a tile of queries visits. 64-bit and floors toward minus infinity, since
// bounds are up to 2^40 and a window may lie before the first key.
#pragma once

#include "abi/attention.h"

namespace fa4 {

// Keys [begin, end) of query i are i + begin_offset .. i + end_offset, cut to [0, length).
struct KeyWindow {
  i64 begin_offset;  // first visible key of query 0
  i64 end_offset;    // one past its last
  u32 length;

  FA4_DEVICE KeyWindow(const ProblemParams& p, u32 length_q, u32 length_k)
      : begin_offset(i64{length_k} - length_q - p.window_left),
        end_offset(i64{length_k} - length_q + p.window_right + 1),
        length(length_k) {}

  FA4_DEVICE u32 begin(u32 query) const {
    const i64 first = query + begin_offset;
    return first < 0 ? 0 : first > length ? length : static_cast<u32>(first);
  }
  FA4_DEVICE u32 end(u32 query) const {
    const i64 last = query + end_offset;
    return last < 0 ? 0 : last > length ? length : static_cast<u32>(last);
  }

  // Queries [query_begin, query_end) that see a key: the transpose, for a kernel that walks queries.
  FA4_DEVICE u32 first_query(u32 key,
                             u32 length_q) const {  // the first that sees `key` or one before
    const i64 first = i64{key} - end_offset + 1;
    return first < 0 ? 0 : first > length_q ? length_q : static_cast<u32>(first);
  }
  FA4_DEVICE u32 end_query(u32 key, u32 length_q) const {  // one past the last that sees `key`
    const i64 last = i64{key} - begin_offset + 1;
    return last < 0 ? 0 : last > length_q ? length_q : static_cast<u32>(last);
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
