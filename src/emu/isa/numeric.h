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
#include <type_traits>

#include "emu/isa/cpu.h"
#include "emu/isa/formats.h"
#include "emu/isa/words.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// Whether std::fma is one instruction; else it is a call, and a sum in double is faster.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
inline constexpr bool kHasFma = true;
#else
inline constexpr bool kHasFma = false;
#endif

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
  if constexpr (sizeof(T) == 4 && R == Rounding::NearestEven && kHasFma) {
    return std::fma(a, b, c);
  } else if constexpr (sizeof(T) == 4) {
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
// A double to 16 bits, without branches: 1.5 * 2^(52 + last) added to it leaves no bits below 2^last, the last place
// of the result. What is left is a number of E, or beyond its largest.
template <class E>
inline E narrow_double(double x) {
  using F = Format<E>;
  constexpr int kLast = F::kExponentBits == 5 ? -24 : -133;  // of subnormal numbers
  constexpr int kMost = F::kExponentBits == 5 ? 20 : 140;    // infinite in any case
  const auto bits = std::bit_cast<uint64_t>(x);
  int64_t last = static_cast<int64_t>(bits >> 52 & 0x7ff) - 1023 - F::kFractionBits;
  last = last < kLast ? kLast : last;
  last = last > kMost ? kMost : last;
  const auto ruler =
      std::bit_cast<double>(static_cast<uint64_t>(last + 1075) << 52 | uint64_t{1} << 51);
  const auto rounded = std::bit_cast<uint64_t>((x + ruler) - ruler);
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return narrow<E>(static_cast<float>(std::bit_cast<double>((rounded & ~kSign) | (bits & kSign))));
}
template <class E>
inline E narrow_fma(E a, E b, E c) {
  const double product = static_cast<double>(widen(a)) * widen(b);  // exact
  return narrow_double<E>(odd_sum(product, widen(c)));
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
// The same of f32 without branches or choices, which cost more than the bits of masks. Asked either way round, the host
// answers with one of two equal numbers (zeros, whose signs are joined), and with the second one if either is NaN.
template <bool kMax, bool kNan>
inline float extreme(float a, float b) {
  const auto one = std::bit_cast<uint32_t>((kMax ? a > b : a < b) ? a : b);
  const auto other = std::bit_cast<uint32_t>((kMax ? b > a : b < a) ? b : a);
  const uint32_t a_nan = a != a ? ~uint32_t{0} : 0, b_nan = b != b ? ~uint32_t{0} : 0;
  uint32_t result, nan;
  if constexpr (kNan) {
    nan = a_nan | b_nan;
    result = kMax ? one & other : one | other;
  } else if constexpr (kMax) {
    nan = a_nan & b_nan;
    result = (one & other) | (one & a_nan) | (other & b_nan);
  } else {
    nan = a_nan & b_nan;
    result = (one & ~b_nan) | (other & ~a_nan);
  }
  return std::bit_cast<float>((result | nan) & ~(nan << 31));
}
template <>
inline float minimum<float, false>(float a, float b) {
  return extreme<false, false>(a, b);
}
template <>
inline float minimum<float, true>(float a, float b) {
  return extreme<false, true>(a, b);
}
template <>
inline float maximum<float, false>(float a, float b) {
  return extreme<true, false>(a, b);
}
template <>
inline float maximum<float, true>(float a, float b) {
  return extreme<true, true>(a, b);
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
inline I whole_to_integer(T whole) {
  using Limits = std::numeric_limits<I>;
  // 2^digits is a number of every floating-point type, where the maximum is none.
  constexpr T limit = T{2} * static_cast<T>(I{1} << (Limits::digits - 1));
  constexpr T least = Limits::is_signed ? -limit : T{0};
  const I nan =
      sizeof(T) < 8 && sizeof(I) < 8 ? I{0} : static_cast<I>(uint64_t{1} << (8 * sizeof(I) - 1));
  // Without branches, so that a loop over lanes is vectorised.
  const T inside = whole < limit ? (whole >= least ? whole : T{0}) : T{0};
  I result = static_cast<I>(inside);
  result = whole >= limit ? Limits::max() : result;
  result = whole < least ? Limits::min() : result;
  return whole == whole ? result : nan;
}
template <class I, class T>
inline I to_integer(T x, Rounding rounding) {
  return whole_to_integer<I>(round_to_integral(x, rounding));
}

template <class T, class I>
inline T from_integer(I x, Rounding rounding) {
  if constexpr (std::is_floating_point_v<T>) {
    if (rounding == Rounding::NearestEven) return static_cast<T>(x);
  }
  const bool negative = x < 0;
  const auto bits = static_cast<uint64_t>(x);
  return round_parts<T>(negative, negative ? uint64_t{0} - bits : bits, 0, rounding);
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
