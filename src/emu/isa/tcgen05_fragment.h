// SPDX-License-Identifier: Apache-2.0
// Which cell of tensor memory each register of a warp is, for tcgen05.ld and st (PTX ISA 9.0, 9.7.16.8). Lanes count from
// the one that the address names, columns likewise:
//
//   shape     registers   lane of (thread t, register i)     column
//   32x32b    N           t                                  i
//   16x64b    N           t / 4 + 8 (t % 2)                  t / 2 % 2 + 2 i
//   16x128b   2 N         t / 4 + 8 (i % 2)                  t % 4 + 4 (i / 2)
//   16x256b   4 N         t / 4 + 8 (i / 2 % 2)              2 (t % 4) + i % 2 + 8 (i / 4)
//   16x32bx2  N           t % 16                             i, of threads from 16 on split + i
//
// With .pack::16b and .unpack::16b a register is two columns, 2 c and 2 c + 1, the low half of each; its halves.
#pragma once

#include <cstdint>

#include "emu/machine/row.h"

namespace fa4::emu::isa {

enum class FragmentShape : uint8_t { L32x32b, L16x64b, L16x128b, L16x256b, L16x32bx2 };

struct Fragment {
  FragmentShape shape = FragmentShape::L32x32b;
  uint32_t count = 1;  // N
  bool halves = false;
  uint32_t split = 0;  // columns

  uint32_t num_lanes() const { return shape == FragmentShape::L32x32b ? 32 : 16; }
  uint32_t num_registers() const {
    return count * (shape == FragmentShape::L16x128b   ? 2
                    : shape == FragmentShape::L16x256b ? 4
                                                       : 1);
  }
  // One beside another; of L16x32bx2 those of each half.
  uint32_t num_columns() const {
    const uint32_t columns = shape == FragmentShape::L16x64b    ? 2
                             : shape == FragmentShape::L16x128b ? 4
                             : shape == FragmentShape::L16x256b ? 8
                                                                : 1;
    return count * columns * (halves ? 2 : 1);
  }
  bool is_split() const { return shape == FragmentShape::L16x32bx2; }

  struct Cell {
    uint32_t lane, column;
  };
  Cell cell(uint32_t t, uint32_t i) const {
    const uint32_t wide = halves ? 2 : 1;
    switch (shape) {
      case FragmentShape::L32x32b:
        return {t, i * wide};
      case FragmentShape::L16x64b:
        return {t / 4 + 8 * (t % 2), (t / 2 % 2 + 2 * i) * wide};
      case FragmentShape::L16x128b:
        return {t / 4 + 8 * (i % 2), (t % 4 + 4 * (i / 2)) * wide};
      case FragmentShape::L16x256b:
        return {t / 4 + 8 * (i / 2 % 2), (2 * (t % 4) + i % 2 + 8 * (i / 4)) * wide};
      case FragmentShape::L16x32bx2:
        break;
    }
    return {t % 16, (t < 16 ? 0 : split) + i * wide};
  }
};

}  // namespace fa4::emu::isa
