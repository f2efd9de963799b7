// SPDX-License-Identifier: Apache-2.0
// From numbers of 16 bits to those that the fast product multiplies; included as tcgen05_simd.h is, behind it.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

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
  FA4_EMU_UNROLL(8)
  for (size_t i = 0; i < 8; ++i) std::memcpy(&rows[i], from + i * line_bytes, sizeof rows[i]);
  tensor_transpose(rows);
  FA4_EMU_UNROLL(8)
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
