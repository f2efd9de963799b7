// SPDX-License-Identifier: Apache-2.0
// Where the elements of a matrix lie in the registers of a warp (PTX ISA 9.0, 9.7.14.5.7 and 9.7.14.5.8). With
// group = lane / 4 and pair = lane % 4:
//   A 16 x k   register r: row group + 8 (r % 2), columns 2 pair + 8 (r / 2) and the next, in the low and high half
//   B k x 8    register r: rows 2 pair + 8 r and the next, column group
//   C, D f32   register r: row group + 8 (r / 2), column 2 pair + r % 2
//   C, D f16   register r: row group + 8 r, columns 2 pair and the next
#pragma once

namespace fa4::emu::isa {

struct FragmentPlace {
  int reg = 0;
  int lane = 0;
  int half = 0;  // 1: the upper
};

constexpr FragmentPlace fragment_of_a(int row, int k) {
  return {row / 8 + 2 * (k / 8), 4 * (row % 8) + k % 8 / 2, k % 2};
}

constexpr FragmentPlace fragment_of_b(int k, int column) {
  return {k / 8, 4 * column + k % 8 / 2, k % 2};
}

constexpr FragmentPlace fragment_of_c32(int row, int column) {
  return {2 * (row / 8) + column % 2, 4 * (row % 8) + column / 2, 0};
}

constexpr FragmentPlace fragment_of_c16(int row, int column) {
  return {row / 8, 4 * (row % 8) + column / 2, column % 2};
}

}  // namespace fa4::emu::isa
