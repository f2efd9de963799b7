// SPDX-License-Identifier: Apache-2.0
// Four registers of a warp and the four words of each lane, as .v4 moves them: between rows and memory, four lanes at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emu/machine/row.h"

namespace fa4::emu::isa {

using QuadWords [[gnu::vector_size(16)]] = uint32_t;

inline void transpose_quads(QuadWords (&quad)[4]) {
  const QuadWords low_01 = __builtin_shufflevector(quad[0], quad[1], 0, 4, 1, 5);
  const QuadWords low_23 = __builtin_shufflevector(quad[2], quad[3], 0, 4, 1, 5);
  const QuadWords high_01 = __builtin_shufflevector(quad[0], quad[1], 2, 6, 3, 7);
  const QuadWords high_23 = __builtin_shufflevector(quad[2], quad[3], 2, 6, 3, 7);
  quad[0] = __builtin_shufflevector(low_01, low_23, 0, 1, 4, 5);
  quad[1] = __builtin_shufflevector(low_01, low_23, 2, 3, 6, 7);
  quad[2] = __builtin_shufflevector(high_01, high_23, 0, 1, 4, 5);
  quad[3] = __builtin_shufflevector(high_01, high_23, 2, 3, 6, 7);
}

// `list`: the four rows. In memory the lanes lie side by side.
inline void load_quads(Row* rows, const uint32_t* list, const std::byte* from) {
  for (size_t lane = 0; lane < kLanes; lane += 4) {
    QuadWords quad[4];
    std::memcpy(quad, from + 16 * lane, sizeof quad);
    transpose_quads(quad);
    for (size_t e = 0; e < 4; ++e) std::memcpy(&rows[list[e]].lane[lane], &quad[e], 16);
  }
}
inline void store_quads(const Row* rows, const uint32_t* list, std::byte* to) {
  for (size_t lane = 0; lane < kLanes; lane += 4) {
    QuadWords quad[4];
    for (size_t e = 0; e < 4; ++e) std::memcpy(&quad[e], &rows[list[e]].lane[lane], 16);
    transpose_quads(quad);
    std::memcpy(to + 16 * lane, quad, sizeof quad);
  }
}

}  // namespace fa4::emu::isa
