// SPDX-License-Identifier: Apache-2.0
// From numbers of 16 bits to those that the fast product multiplies; included as tcgen05_simd.h is, behind it.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

// Eight rows of eight words: columns become rows.
FA4_EMU_INLINE void tcgen05_transpose(Int8 (&rows)[8]) {
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

template <TensorElement kElement, bool kHigh>
FA4_EMU_INLINE void tcgen05_put(const Int8& words, const Int8& sign, float* to) {
  Float8 floats;
  tensor_floats<kElement, kHigh>(words, floats);
  if constexpr (kElement == TensorElement::F16) tensor_restore_specials(floats);
  const Int8 bits = reinterpret_cast<Int8>(floats) ^ sign;
  std::memcpy(to, &bits, sizeof bits);
}

// Eight lines of sixteen numbers become sixteen lines of eight.
template <TensorElement kElement>
FA4_EMU_INLINE void tcgen05_turn(const std::byte* from, size_t line_bytes, const Int8& sign,
                                 float* to, size_t pitch) {
  Int8 rows[8];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) std::memcpy(&rows[i], from + i * line_bytes, sizeof rows[i]);
  tcgen05_transpose(rows);
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    tcgen05_put<kElement, false>(rows[i], sign, to + 2 * i * pitch);
    tcgen05_put<kElement, true>(rows[i], sign, to + (2 * i + 1) * pitch);
  }
}

template <TensorElement kElement>
void tcgen05_load_of(const Tcgen05Lines& lines, float* to, size_t pitch) {
  const Int8 sign = Int8{} + static_cast<int32_t>(lines.negate ? 0x80000000 : 0);
  const auto place = [&](size_t at) { return lines.apart ? at / 16 * 32 + at % 16 : at; };
  switch (lines.order) {
    case Tcgen05Order::Across:
      for (size_t line = 0; line < lines.count; line += 8) {
        for (size_t at = 0; at < lines.numbers; at += 16) {
          tcgen05_turn<kElement>(lines.from + (line * lines.numbers + at) * 2, lines.numbers * 2,
                                 sign, to + at * pitch + place(line), pitch);
        }
      }
      return;
    case Tcgen05Order::Along:
      for (size_t line = 0; line < lines.count; ++line) {
        for (size_t at = 0; at < lines.numbers; at += 8) {
          using Halves [[gnu::vector_size(16)]] = uint16_t;
          Halves halves;
          std::memcpy(&halves, lines.from + (line * lines.numbers + at) * 2, sizeof halves);
          const Int8 words = __builtin_convertvector(halves, Int8);
          tcgen05_put<kElement, false>(words, sign, to + line * pitch + place(at));
        }
      }
      return;
    case Tcgen05Order::Pairs:
      for (size_t line = 0; line < lines.count; line += 2) {
        for (size_t at = 0; at < lines.numbers; at += 8) {
          Int8 words;
          std::memcpy(&words, lines.from + (line / 2 * lines.numbers + at) * 4, sizeof words);
          tcgen05_put<kElement, false>(words, sign, to + line * pitch + at);
          tcgen05_put<kElement, true>(words, sign, to + (line + 1) * pitch + at);
        }
      }
      return;
  }
}

void tcgen05_load(const Tcgen05Lines& lines, float* to, size_t pitch) {
  if (lines.element == TensorElement::F16) {
    return tcgen05_load_of<TensorElement::F16>(lines, to, pitch);
  }
  tcgen05_load_of<TensorElement::BF16>(lines, to, pitch);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
