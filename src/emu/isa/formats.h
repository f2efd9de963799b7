// SPDX-License-Identifier: Apache-2.0
// The formats of numbers: their bits, how a number is rounded to one in every rounding, and how one is widened.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "emu/isa/cpu.h"
#include "emu/isa/words.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// Numbers that the host does not have, as bits.
struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};
struct E4m3 {
  uint8_t bits;
};
struct E5m2 {
  uint8_t bits;
};
// In a 32-bit register, the low 13 bits 0.
struct Tf32 {
  uint32_t bits;
};
// Two in a register, the first in the low half.
template <class E>
struct Pair {
  uint32_t bits;
  E low() const { return E{static_cast<uint16_t>(bits)}; }
  E high() const { return E{static_cast<uint16_t>(bits >> 16)}; }
};
template <class E>
constexpr Pair<E> pair_of(E low, E high) {
  return {static_cast<uint32_t>(high.bits) << 16 | low.bits};
}

// kUnused: low bits of the representation that are always 0.
template <class T>
struct Format;
template <>
struct Format<Half> {
  using Bits = uint16_t;
  static constexpr int kExponentBits = 5, kFractionBits = 10, kUnused = 0;
  static constexpr bool kHasInfinity = true;
  static constexpr Bits kNan = 0x7fff;
};
template <>
struct Format<Brain> {
  using Bits = uint16_t;
  static constexpr int kExponentBits = 8, kFractionBits = 7, kUnused = 0;
  static constexpr bool kHasInfinity = true;
  static constexpr Bits kNan = 0x7fff;
};
template <>
struct Format<E4m3> {
  using Bits = uint8_t;
  static constexpr int kExponentBits = 4, kFractionBits = 3, kUnused = 0;
  static constexpr bool kHasInfinity = false;  // 0x7e is 448, 0x7f is NaN
  static constexpr Bits kNan = 0x7f;
};
template <>
struct Format<E5m2> {
  using Bits = uint8_t;
  static constexpr int kExponentBits = 5, kFractionBits = 2, kUnused = 0;
  static constexpr bool kHasInfinity = true;
  static constexpr Bits kNan = 0x7f;
};
template <>
struct Format<Tf32> {
  using Bits = uint32_t;
  static constexpr int kExponentBits = 8, kFractionBits = 10, kUnused = 13;
  static constexpr bool kHasInfinity = true;
  static constexpr Bits kNan = 0x7fffe000;
};
template <>
struct Format<float> {
  using Bits = uint32_t;
  static constexpr int kExponentBits = 8, kFractionBits = 23, kUnused = 0;
  static constexpr bool kHasInfinity = true;
  static constexpr Bits kNan = 0x7fffffff;
};
template <>
struct Format<double> {
  using Bits = uint64_t;
  static constexpr int kExponentBits = 11, kFractionBits = 52, kUnused = 0;
  static constexpr bool kHasInfinity = true;
  static constexpr Bits kNan = 0xfff8000000000000;
};

template <class T>
inline constexpr T nan_of = std::bit_cast<T>(Format<T>::kNan);

// What a result beyond the largest number becomes: infinity where the rounding says so, or that number.
enum class Overflow : uint8_t { Ieee, Saturate };

// The number of format T for significand * 2^exponent. A significand whose low bit stands for all that lies below
// it ("sticky") is rounded correctly if it has at least kFractionBits + 3 bits.
template <class T>
constexpr T round_parts(bool negative, uint64_t significand, int exponent, Rounding rounding,
                        Overflow overflow = Overflow::Ieee) {
  using F = Format<T>;
  using Bits = typename F::Bits;
  constexpr int kBias = (1 << (F::kExponentBits - 1)) - 1;
  constexpr int kLeast = 1 - kBias;  // exponent of the smallest normal number
  constexpr uint64_t kInfinity = ((uint64_t{1} << F::kExponentBits) - 1) << F::kFractionBits;
  constexpr uint64_t kLargest =
      F::kHasInfinity ? kInfinity - 1 : (uint64_t{Format<T>::kNan} >> F::kUnused) - 1;
  uint64_t bits = 0;
  if (significand != 0) {
    const int zeros = std::countl_zero(significand);
    significand <<= zeros;
    const int top = exponent - zeros + 63;  // the value lies in [2^top, 2^(top+1))
    const bool normal = top >= kLeast;
    const int drop = 63 - F::kFractionBits + (normal ? 0 : kLeast - top);
    uint64_t kept = 0, rest = 1, half = 2;  // drop > 64: less than half of the last place
    if (drop < 64) {
      kept = significand >> drop;
      rest = significand & ((uint64_t{1} << drop) - 1);
      half = uint64_t{1} << (drop - 1);
    } else if (drop == 64) {
      rest = significand;
      half = uint64_t{1} << 63;
    }
    bool up = false;
    switch (rounding) {
      case Rounding::NearestEven:
        up = rest > half || (rest == half && (kept & 1) != 0);
        break;
      case Rounding::NearestAway:
        up = rest >= half;
        break;
      case Rounding::Zero:
        break;
      case Rounding::Down:
        up = negative && rest != 0;
        break;
      case Rounding::Up:
        up = !negative && rest != 0;
        break;
    }
    kept += up ? 1 : 0;
    // A normal number's leading bit adds 1 to its exponent, as does a carry out of the fraction.
    bits = kept + (normal && top <= kBias + 1
                       ? static_cast<uint64_t>(top + kBias - 1) << F::kFractionBits
                       : 0);
    if (top > kBias + 1 || bits > kLargest) {
      const bool away = rounding == Rounding::NearestEven || rounding == Rounding::NearestAway ||
                        (rounding == Rounding::Down && negative) ||
                        (rounding == Rounding::Up && !negative);
      bits = away && F::kHasInfinity && overflow == Overflow::Ieee ? kInfinity : kLargest;
    }
  }
  const uint64_t sign = negative ? uint64_t{1} << (F::kExponentBits + F::kFractionBits) : 0;
  return std::bit_cast<T>(static_cast<Bits>((sign | bits) << F::kUnused));
}

// The number of format T for any double. Saturate: infinity becomes the largest number.
template <class T>
constexpr T round_double(double x, Rounding rounding, Overflow overflow = Overflow::Ieee) {
  const auto bits = std::bit_cast<uint64_t>(x);
  const bool negative = bits >> 63 != 0;
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  if (exponent == 0x7ff) {
    if (fraction != 0) return nan_of<T>;
    // Larger than all; rounded to the nearest, so that it becomes infinite where there is one.
    return round_parts<T>(negative, 1, 5000, Rounding::NearestEven, overflow);
  }
  return round_parts<T>(negative, fraction | (exponent != 0 ? uint64_t{1} << 52 : 0),
                        (exponent != 0 ? exponent : 1) - 1075, rounding, overflow);
}

// ---- widening: exact -------------------------------------------------------------------------------------

// Branchless, so that a loop over lanes is vectorised: the multiplication moves the exponent, and makes
// subnormal numbers normal ones.
inline float widen(Half x) {
  const uint32_t magnitude = x.bits & 0x7fffu;
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const uint32_t finite = std::bit_cast<uint32_t>(scaled);
  const uint32_t special = magnitude > 0x7c00 ? Format<float>::kNan : 0x7f800000u;
  const uint32_t sign = magnitude > 0x7c00 ? 0 : (x.bits & 0x8000u) << 16;
  return std::bit_cast<float>((magnitude >= 0x7c00 ? special : finite) | sign);
}

// A shift: this one keeps the payload of a NaN.
inline float widen(Brain x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

inline float widen(E5m2 x) { return widen(Half{static_cast<uint16_t>(x.bits << 8)}); }

inline float widen(E4m3 x) {
  const uint32_t magnitude = x.bits & 0x7fu;
  const uint32_t sign = (x.bits & 0x80u) << 24;
  if (magnitude == 0x7f) return nan_of<float>;
  const float scaled = std::bit_cast<float>(magnitude << 20) * 0x1p120f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | sign);
}

// ---- narrowing to the nearest even: what kernels do most, branchless ------------------------------------------

inline Brain narrow_to_brain(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const bool nan = (bits & 0x7fffffff) > 0x7f800000;
  return {static_cast<uint16_t>(nan ? Format<Brain>::kNan : rounded)};
}

inline Half narrow_to_half(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7fffffff;
  // Normal: rebias from 127 to 15 and round as the bits stand. Subnormal: adding 0.5 leaves the rounded fraction
  // in the last bits of the sum, whose last place is then that of a subnormal half.
  const uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
                         std::bit_cast<uint32_t>(0.5f);
  uint32_t result = magnitude < (113u << 23) ? small : normal;
  result = magnitude >= 0x47800000 ? 0x7c00 : result;  // 2^16
  const uint32_t signed_result = result | (bits >> 16 & 0x8000);
  return {static_cast<uint16_t>(magnitude > 0x7f800000 ? Format<Half>::kNan : signed_result)};
}

template <class E>
inline E narrow(float x) {
  if constexpr (sizeof(E) == 2 && Format<E>::kExponentBits == 5) {
    return narrow_to_half(x);
  } else {
    return narrow_to_brain(x);
  }
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
