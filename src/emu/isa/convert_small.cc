// SPDX-License-Identifier: Apache-2.0
// The conversions of sm_100 (PTX ISA 9.0, 9.7.9.21): pairs of e2m3, e3m2, e2m1 and ue8m0, and .rs, where random bits decide
// the rounding. The first source is the upper one of the result. Where the manual is silent, as its header files do it:
// a NaN becomes the largest number of a format without NaN, and ue8m0 takes the magnitude.
#include <algorithm>
#include <bit>

#include "emu/isa/apply.h"
#include "emu/isa/convert_ops.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {

struct E2m3 {
  uint8_t bits;
};
struct E3m2 {
  uint8_t bits;
};
struct E2m1 {
  uint8_t bits;
};
template <int kExponent, int kFraction>
struct SmallFormat {
  using Bits = uint8_t;
  static constexpr int kExponentBits = kExponent, kFractionBits = kFraction, kUnused = 0;
  static constexpr bool kHasInfinity = false;
  static constexpr Bits kNan =
      1 << (kExponent + kFraction);  // one above the largest: there is none
};
inline namespace FA4_EMU_CPU {
template <>
struct Format<E2m3> : SmallFormat<2, 3> {};
template <>
struct Format<E3m2> : SmallFormat<3, 2> {};
template <>
struct Format<E2m1> : SmallFormat<2, 1> {};
}  // namespace FA4_EMU_CPU

namespace {

constexpr uint32_t kSmallRelu = 1, kSmallFinite = 2, kSmallUp = 4;

uint32_t small_options(const Words& words) {
  return (words.has("relu") ? kSmallRelu : 0) | (words.has("satfinite") ? kSmallFinite : 0) |
         (words.has("rp") ? kSmallUp : 0);
}

template <class E>
uint32_t to_small(float x, uint32_t options) {
  if (x != x) return Format<E>::kNan - 1u;
  if ((options & kSmallRelu) != 0 && x <= 0) x = 0;
  return round_double<E>(static_cast<double>(x), Rounding::NearestEven, Overflow::Saturate).bits;
}

// A number of few bits, exactly.
template <class E>
float from_small(uint32_t bits) {
  using F = Format<E>;
  const uint32_t magnitude = bits & ((1u << (F::kExponentBits + F::kFractionBits)) - 1);
  const uint32_t exponent = magnitude >> F::kFractionBits;
  const uint32_t fraction = magnitude & ((1u << F::kFractionBits) - 1);
  constexpr int kBias = (1 << (F::kExponentBits - 1)) - 1;
  const auto significand =
      static_cast<float>(exponent == 0 ? fraction : fraction | 1u << F::kFractionBits);
  const float value =
      std::ldexp(significand, static_cast<int>(std::max(exponent, 1u)) - kBias - F::kFractionBits);
  return (bits >> (F::kExponentBits + F::kFractionBits) & 1) != 0 ? -value : value;
}

// d = {a, b}: each of `kBits` in the result.
template <class E, int kBits>
Outcome convert_to_small(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    const uint32_t high = to_small<E>(read<float>(warp, i.a, lane), i.extra);
    const uint32_t low = to_small<E>(read<float>(warp, i.b, lane), i.extra);
    warp.rows[i.dst].lane[lane] = high << kBits | low;
  });
  return Outcome::Next;
}

template <class E, int kBits>
Outcome convert_from_small(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    const uint32_t bits = warp.rows[i.a].lane[lane];
    const auto half = [&](uint32_t code) {
      const float x = from_small<E>(code & ((1u << kBits) - 1));
      return narrow_to_half((i.extra & kSmallRelu) != 0 && x <= 0 ? 0 : x);
    };
    write(warp, i.dst, lane, pair_of(half(bits), half(bits >> kBits)));
  });
  return Outcome::Next;
}

ExecFn small_function(const Words& words, bool to) {
  if (words.has("e2m3x2")) return to ? convert_to_small<E2m3, 8> : convert_from_small<E2m3, 8>;
  if (words.has("e3m2x2")) return to ? convert_to_small<E3m2, 8> : convert_from_small<E3m2, 8>;
  return to ? convert_to_small<E2m1, 4> : convert_from_small<E2m1, 4>;
}

// A pair of e2m1 has 8 bits, in a register of 8 or more.
Type small_register(Decoder& d, const Words& words, const ptx::Operand& operand) {
  if (!words.has("e2m1x2")) return Type::B16;
  if (operand.kind != ptx::Operand::Kind::Sink && d.bits(operand) != 8) {
    d.refuse("a pair of e2m1 lies in a register of 8 bits");
  }
  return Type::B8;
}

Instr decode_to_small(Decoder& d, const Words& words, const ptx::Instruction& text) {
  d.require_operands(text, 3, 3);
  Instr instr = d.binary(small_function(words, true), text,
                         small_register(d, words, text.operands[0]), Type::F32, Type::F32);
  instr.extra = small_options(words);
  return instr;
}

Instr decode_from_small(Decoder& d, const Words& words, const ptx::Instruction& text) {
  d.require_operands(text, 2, 2);
  Instr instr = d.unary(small_function(words, false), text, Type::F16x2,
                        small_register(d, words, text.operands[1]));
  instr.extra = small_options(words);
  return instr;
}

// The power of two that is next to a magnitude: 2^-127, the least, up to 2^127; 0xff is NaN.
uint32_t to_ue8m0(float x, uint32_t options) {
  const uint32_t magnitude = std::bit_cast<uint32_t>(x) & 0x7fffffff;
  uint32_t exponent = magnitude >> 23;
  if (magnitude > 0x7f800000) return 0xff;
  const bool inexact = (magnitude & 0x7fffff) != 0 && magnitude > 0x00400000;
  if ((options & kSmallUp) != 0 && inexact) ++exponent;
  return exponent == 0xff && (options & kSmallFinite) != 0 ? 0xfe : exponent;
}

Outcome convert_to_ue8m0(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    warp.rows[i.dst].lane[lane] = to_ue8m0(read<float>(warp, i.a, lane), i.extra) << 8 |
                                  to_ue8m0(read<float>(warp, i.b, lane), i.extra);
  });
  return Outcome::Next;
}

Outcome convert_pair_to_ue8m0(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    const auto pair = read<Pair<Brain>>(warp, i.a, lane);
    warp.rows[i.dst].lane[lane] =
        to_ue8m0(widen(pair.high()), i.extra) << 8 | to_ue8m0(widen(pair.low()), i.extra);
  });
  return Outcome::Next;
}

Outcome convert_from_ue8m0(Warp& warp, const Instr& i) {
  const auto number = [](uint32_t code) -> Brain {
    if (code == 0xff) return {Format<Brain>::kNan};
    return {static_cast<uint16_t>(code == 0 ? 0x40 : code << 7)};
  };
  for_active(warp, [&](int lane) {
    const uint32_t bits = warp.rows[i.a].lane[lane];
    write(warp, i.dst, lane, pair_of(number(bits & 0xff), number(bits >> 8 & 0xff)));
  });
  return Outcome::Next;
}

Instr decode_ue8m0(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const bool pair = words.has("bf16x2");
  Instr instr = pair ? d.unary(convert_pair_to_ue8m0, text, Type::B16, Type::BF16x2)
                     : d.binary(convert_to_ue8m0, text, Type::B16, Type::F32, Type::F32);
  instr.extra = small_options(words);
  return instr;
}

Instr decode_from_ue8m0(Decoder& d, const Words&, const ptx::Instruction& text) {
  return d.unary(convert_from_ue8m0, text, Type::BF16x2, Type::B16);
}

// The bits of the significand that do not fit, and as many random ones, are added; a carry rounds away from 0.
template <class E>
E round_by_chance(float x, uint32_t random, uint32_t options) {
  using F = Format<E>;
  constexpr int kDropped = 23 - F::kFractionBits;
  if ((options & kSmallRelu) != 0 && !(x > 0) && x == x) x = 0;
  if (x != x) return {Format<E>::kNan};
  const uint32_t bits = std::bit_cast<uint32_t>(x), magnitude = bits & 0x7fffffff;
  const bool negative = bits >> 31 != 0;
  const Overflow overflow = (options & kSmallFinite) != 0 ? Overflow::Saturate : Overflow::Ieee;
  if (magnitude == 0x7f800000) return round_double<E>(x, Rounding::NearestEven, overflow);
  const int exponent = static_cast<int>(std::max(magnitude >> 23, 1u));
  uint64_t significand = magnitude & 0x7fffff;
  if (magnitude >> 23 != 0) significand |= 1u << 23;
  // Subnormal results drop more bits; the random ones are at their top.
  constexpr int kBias = (1 << (F::kExponentBits - 1)) - 1;
  const int below = std::clamp(127 - kBias + 1 - exponent, 0, 30);
  const int dropped = kDropped + below;
  significand += uint64_t{random & ((1u << kDropped) - 1)} << below;
  significand = significand >> dropped << dropped;
  // Beyond the largest number it is rounded to the nearest, so that it may become infinite.
  return round_parts<E>(negative, significand, exponent - 150, Rounding::NearestEven, overflow);
}

// The upper half of the random bits is of the upper number.
template <class E>
Outcome convert_by_chance(Warp& warp, const Instr& i) {
  const uint32_t options = i.extra >> 16;
  const auto row = static_cast<uint16_t>(i.c);
  for_active(warp, [&](int lane) {
    const uint32_t random = warp.rows[row].lane[lane];
    const E high = round_by_chance<E>(read<float>(warp, i.a, lane), random >> 16, options);
    const E low = round_by_chance<E>(read<float>(warp, i.b, lane), random & 0xffff, options);
    write(warp, i.dst, lane, pair_of(low, high));
  });
  return Outcome::Next;
}

Instr decode_by_chance(Decoder& d, const Words& words, const ptx::Instruction& text) {
  const Type type = words.type(0);
  Instr instr = d.ternary(type == Type::F16x2 ? convert_by_chance<Half> : convert_by_chance<Brain>,
                          text, type, Type::F32, Type::F32, Type::B32);
  instr.extra = small_options(words) << 16;
  return instr;
}

constexpr Form small_row(const char* syntax, Decode decode) {
  return {syntax, Unit::Convert, Fidelity::Manual, decode, 100, "9.7.9.21"};
}

}  // namespace

std::span<const Form> convert_small_forms() {
  static constexpr Form kForms[] = {
      small_row("cvt.rn.satfinite{.relu}.{e2m3x2,e3m2x2,e2m1x2}.f32", decode_to_small),
      small_row("cvt.rn{.relu}.f16x2.{e2m3x2,e3m2x2,e2m1x2}", decode_from_small),
      small_row("cvt.{rz,rp}{.satfinite}.ue8m0x2.{f32,bf16x2}", decode_ue8m0),
      small_row("cvt.rn.bf16x2.ue8m0x2", decode_from_ue8m0),
      small_row("cvt.rs{.relu}{.satfinite}.{f16x2,bf16x2}.f32", decode_by_chance),
      small_row("cvt.rs.satfinite.relu.{f16x2,bf16x2}.f32", decode_by_chance),
  };
  return kForms;
}

}  // namespace fa4::emu::isa
