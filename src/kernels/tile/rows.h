// SPDX-License-Identifier: Apache-2.0
// Where row i of a tile lies in global memory: by a stride, through a page table, or as one of the query heads of a
// K/V head. All in 64 bits from the first product.
#pragma once

#include "abi/attention.h"
#include "base/divide.h"

namespace fa4 {

struct StridedRows {
  static constexpr bool kByStride = true;
  const u16* data;
  i64 stride;
  FA4_DEVICE const u16* at(u32 row) const { return data + row * stride; }
};

// Row i of a sequence is row i % page_size of page table[i / page_size]. A page that is not there is cut to the
// last, so that nothing outside the tensor is read.
struct PagedRows {
  static constexpr bool kByStride = false;
  const u16* data;  // of the head, page 0
  i64 page_stride, row_stride;
  const i32* table;
  Divisor page;
  u32 last_page;
  FA4_DEVICE const u16* at(u32 row) const {
    const u32 column = page.quotient(row);
    const u32 page_idx = min(static_cast<u32>(table[column]), last_page);
    return data + page_idx * page_stride + (row - column * page.value) * row_stride;
  }
};

// Row i is query i / group of head i % group.
struct GroupedRows {
  static constexpr bool kByStride = false;
  const u16* data;  // of the group's first head
  i64 row_stride, head_stride;
  Divisor group;
  FA4_DEVICE const u16* at(u32 row) const {
    const u32 query = group.quotient(row);
    return data + query * row_stride + (row - query * group.value) * head_stride;
  }
};

}  // namespace fa4
