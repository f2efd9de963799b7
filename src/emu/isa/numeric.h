// SPDX-License-Identifier: Apache-2.0
// The one home of rounding, flushing, saturation and NaN: what the arithmetic of the machine does to numbers, to
// the bit. Everything is integer or correctly rounded IEEE arithmetic of the host, compiled without contraction.
// NVIDIA hardware gives one NaN for each type, Format<T>::kNan, and keeps payloads in f64 alone. What the manual leaves
// open is as an H200 answers.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "emu/isa/words.h"

namespace fa4::emu::isa {

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

// ---- what surrounds an operation ---------------------------------------------------------------------------

// .ftz: a subnormal number becomes zero of its sign.
inline float flush(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>(bits & ((bits & 0x7f800000) != 0 ? 0xffffffff : 0x80000000));
}

inline float canonical(float x) { return x == x ? x : nan_of<float>; }

// A NaN of f64 keeps its sign and payload, and becomes a quiet one.
inline double quiet(double x) {
  return std::bit_cast<double>(std::bit_cast<uint64_t>(x) | uint64_t{1} << 51);
}

// A result of f32 or f64 with the NaN that the operands ask for: of f64 that of the first operand that is one.
inline float with_nan(float result, float, float = 0, float = 0) { return canonical(result); }
inline double with_nan(double result, double a, double b = 0, double c = 0) {
  if (result == result) return result;
  return a != a ? quiet(a) : b != b ? quiet(b) : c != c ? quiet(c) : nan_of<double>;
}

// Of a result: 0 for NaN.
template <class T>
inline T saturate(T x) {
  return x > T{0} ? (x < T{1} ? x : T{1}) : T{0};
}

// .relu: 0 for a number below it, -0 included.
inline float clamp_negative(float x) { return x <= 0.0f ? 0.0f : x; }

// ---- sums, products, quotients and roots in every rounding ---------------------------------------------------

// p + c, of which all that lies below its 53 bits is kept in the last one (rounding to odd): rounding it once more
// to a narrower format gives the correctly rounded sum. Needs a sum that neither overflows nor is subnormal.
inline double odd_sum(double p, double c) {
  const double sum = p + c;
  const double c_part = sum - p;
  const double error = (p - (sum - c_part)) + (c - c_part);
  const auto bits = std::bit_cast<uint64_t>(sum);
  const bool inexact = error > 0.0 || error < 0.0;  // not for NaN
  const bool outwards = (error > 0.0) == (sum > 0.0);
  const bool change = inexact && (bits & 1) == 0;
  return std::bit_cast<double>(bits + (change ? (outwards ? 1 : ~uint64_t{0}) : 0));
}

// Any rounding, any finite or infinite operands, results in the format T: by integers, slowly (numeric.cc).
template <class T>
T slow_fma(double a, double b, double c, Rounding rounding);
template <class T>
T slow_div(double a, double b, Rounding rounding);
template <class T>
T slow_sqrt(double a, Rounding rounding);

// A double whose bits beyond a float's are kept by odd rounding.
template <Rounding R>
inline float narrow_odd(double x) {
  if constexpr (R == Rounding::NearestEven) {
    return static_cast<float>(x);
  } else {
    return round_double<float>(x, R);
  }
}

// The sign of an exact sum of zero: negative when rounding down, unless both terms are +0.
template <Rounding R>
inline double signed_zero(double sum, double p, double c) {
  if constexpr (R == Rounding::Down) {
    if (sum == 0.0) return std::signbit(p) || std::signbit(c) ? -0.0 : 0.0;
  }
  return sum;
}

template <class T, Rounding R>
inline T rounded_add(T a, T b) {
  if constexpr (R == Rounding::NearestEven) {
    return a + b;
  } else if constexpr (sizeof(T) == 4) {
    return narrow_odd<R>(signed_zero<R>(odd_sum(a, b), a, b));
  } else {
    return slow_fma<T>(a, T{1}, b, R);
  }
}

template <class T, Rounding R>
inline T rounded_mul(T a, T b) {
  if constexpr (R == Rounding::NearestEven) {
    return a * b;
  } else if constexpr (sizeof(T) == 4) {
    return round_double<float>(static_cast<double>(a) * b, R);
  } else {
    const bool negative = std::signbit(a) != std::signbit(b);
    return slow_fma<T>(a, b, negative ? -0.0 : 0.0, R);
  }
}

template <class T, Rounding R>
inline T rounded_fma(T a, T b, T c) {
  if constexpr (sizeof(T) == 4) {
    const double product = static_cast<double>(a) * b;  // exact
    return narrow_odd<R>(signed_zero<R>(odd_sum(product, c), product, c));
  } else if constexpr (R == Rounding::NearestEven) {
    return std::fma(a, b, c);
  } else {
    return slow_fma<T>(a, b, c, R);
  }
}

template <class T, Rounding R>
inline T rounded_div(T a, T b) {
  if constexpr (R == Rounding::NearestEven) {
    return a / b;
  } else {
    return slow_div<T>(a, b, R);
  }
}

template <class T, Rounding R>
inline T rounded_sqrt(T a) {
  if constexpr (R == Rounding::NearestEven) {
    return std::sqrt(a);
  } else {
    return slow_sqrt<T>(a, R);
  }
}

// ---- 16-bit arithmetic: one rounding, to the nearest even ------------------------------------------------------

// A sum or product of two is a float after at most one rounding that the second one cannot turn wrong: 24 bits are
// at least 2 * 11 + 2 (and products of subnormal bf16 have 16 bits).
template <class E>
inline E narrow_add(E a, E b) {
  return narrow<E>(widen(a) + widen(b));
}
template <class E>
inline E narrow_mul(E a, E b) {
  return narrow<E>(widen(a) * widen(b));
}
template <class E>
inline E narrow_fma(E a, E b, E c) {
  const double product = static_cast<double>(widen(a)) * widen(b);  // exact
  return round_double<E>(odd_sum(product, widen(c)), Rounding::NearestEven);
}

// ---- minimum and maximum -----------------------------------------------------------------------------------------

// A NaN loses against a number; kNan: it wins. -0 is less than +0.
template <class T, bool kNan>
inline T minimum(T a, T b) {
  if (a != a) return kNan || b != b ? with_nan(a, a) : b;
  if (b != b) return kNan ? with_nan(b, b) : a;
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <class T, bool kNan>
inline T maximum(T a, T b) {
  if (a != a) return kNan || b != b ? with_nan(a, a) : b;
  if (b != b) return kNan ? with_nan(b, b) : a;
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

// ---- to and from integers ----------------------------------------------------------------------------------------

template <class T>
inline T round_to_integral(T x, Rounding rounding) {
  switch (rounding) {
    case Rounding::Zero:
      return std::trunc(x);
    case Rounding::Down:
      return std::floor(x);
    case Rounding::Up:
      return std::ceil(x);
    case Rounding::NearestAway:
      return std::round(x);
    case Rounding::NearestEven:
      break;
  }
  return std::nearbyint(x);
}

// Clamped to the range of I. NaN: 0 if both types have at most 32 bits, else the top bit alone (9.7.9.21).
template <class I, class T>
inline I to_integer(T x, Rounding rounding) {
  using Limits = std::numeric_limits<I>;
  if (x != x) {
    return sizeof(T) < 8 && sizeof(I) < 8 ? I{0}
                                          : static_cast<I>(uint64_t{1} << (8 * sizeof(I) - 1));
  }
  const T whole = round_to_integral(x, rounding);
  // 2^digits is a number of every floating-point type, where the maximum is none.
  constexpr T limit = T{2} * static_cast<T>(I{1} << (Limits::digits - 1));
  if (whole >= limit) return Limits::max();
  if (whole < (Limits::is_signed ? -limit : T{0})) return Limits::min();
  return static_cast<I>(whole);
}

template <class T, class I>
inline T from_integer(I x, Rounding rounding) {
  const bool negative = x < 0;
  const auto bits = static_cast<uint64_t>(x);
  return round_parts<T>(negative, negative ? uint64_t{0} - bits : bits, 0, rounding);
}

}  // namespace fa4::emu::isa
