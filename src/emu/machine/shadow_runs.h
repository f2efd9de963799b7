// SPDX-License-Identifier: Apache-2.0
// How the shadow's files walk over cells.
#pragma once

#include <algorithm>

#include "emu/machine/shadow.h"

namespace fa4::emu {

// Bits of the bytes [offset, offset + bytes) within the cell at `cell` * 4.
inline uint32_t bytes_within(uint32_t cell, uint32_t offset, uint32_t bytes) {
  const uint32_t begin = std::max(cell * 4, offset) - cell * 4;
  const uint32_t end = std::min(cell * 4 + 4, offset + bytes) - cell * 4;
  return ((1u << end) - 1) & ~((1u << begin) - 1);
}

template <class Body>
void Shadow::for_runs(uint32_t offset, uint32_t bytes, Body body) const {
  const uint32_t end = (offset + bytes + 3) / 4;
  const uint32_t whole_end = (offset + bytes) / 4;
  for (uint32_t index = offset / 4; index < end;) {
    const uint32_t mask = bytes_within(index, offset, bytes);
    uint32_t next = index + 1;
    if (mask == 0xf) next = index + equal_cells(cells_.data() + index, whole_end - index);
    body(index, next - index, mask);
    index = next;
  }
}

}  // namespace fa4::emu
