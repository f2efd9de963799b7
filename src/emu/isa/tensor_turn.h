// SPDX-License-Identifier: Apache-2.0
// Rows of words to columns, for operands of both kinds of tensor cores; included as tensor_parts.h is.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

// Eight rows of eight words: columns become rows.
FA4_EMU_INLINE void tensor_transpose(Int8 (&rows)[8]) {
  const Int8 a0 = FA4_EMU_MIX(rows[0], rows[1], 0, 8, 1, 9, 4, 12, 5, 13);
  const Int8 a1 = FA4_EMU_MIX(rows[0], rows[1], 2, 10, 3, 11, 6, 14, 7, 15);
  const Int8 a2 = FA4_EMU_MIX(rows[2], rows[3], 0, 8, 1, 9, 4, 12, 5, 13);
  const Int8 a3 = FA4_EMU_MIX(rows[2], rows[3], 2, 10, 3, 11, 6, 14, 7, 15);
  const Int8 a4 = FA4_EMU_MIX(rows[4], rows[5], 0, 8, 1, 9, 4, 12, 5, 13);
  const Int8 a5 = FA4_EMU_MIX(rows[4], rows[5], 2, 10, 3, 11, 6, 14, 7, 15);
  const Int8 a6 = FA4_EMU_MIX(rows[6], rows[7], 0, 8, 1, 9, 4, 12, 5, 13);
  const Int8 a7 = FA4_EMU_MIX(rows[6], rows[7], 2, 10, 3, 11, 6, 14, 7, 15);
  const Int8 b0 = FA4_EMU_MIX(a0, a2, 0, 1, 8, 9, 4, 5, 12, 13);
  const Int8 b1 = FA4_EMU_MIX(a0, a2, 2, 3, 10, 11, 6, 7, 14, 15);
  const Int8 b2 = FA4_EMU_MIX(a1, a3, 0, 1, 8, 9, 4, 5, 12, 13);
  const Int8 b3 = FA4_EMU_MIX(a1, a3, 2, 3, 10, 11, 6, 7, 14, 15);
  const Int8 b4 = FA4_EMU_MIX(a4, a6, 0, 1, 8, 9, 4, 5, 12, 13);
  const Int8 b5 = FA4_EMU_MIX(a4, a6, 2, 3, 10, 11, 6, 7, 14, 15);
  const Int8 b6 = FA4_EMU_MIX(a5, a7, 0, 1, 8, 9, 4, 5, 12, 13);
  const Int8 b7 = FA4_EMU_MIX(a5, a7, 2, 3, 10, 11, 6, 7, 14, 15);
  rows[0] = FA4_EMU_MIX(b0, b4, 0, 1, 2, 3, 8, 9, 10, 11);
  rows[1] = FA4_EMU_MIX(b1, b5, 0, 1, 2, 3, 8, 9, 10, 11);
  rows[2] = FA4_EMU_MIX(b2, b6, 0, 1, 2, 3, 8, 9, 10, 11);
  rows[3] = FA4_EMU_MIX(b3, b7, 0, 1, 2, 3, 8, 9, 10, 11);
  rows[4] = FA4_EMU_MIX(b0, b4, 4, 5, 6, 7, 12, 13, 14, 15);
  rows[5] = FA4_EMU_MIX(b1, b5, 4, 5, 6, 7, 12, 13, 14, 15);
  rows[6] = FA4_EMU_MIX(b2, b6, 4, 5, 6, 7, 12, 13, 14, 15);
  rows[7] = FA4_EMU_MIX(b3, b7, 4, 5, 6, 7, 12, 13, 14, 15);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
