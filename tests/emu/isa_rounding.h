// SPDX-License-Identifier: Apache-2.0
// A second way to round, without bits: by the host's rounding modes and by quanta.
#pragma once

#include <cfenv>
#include <cmath>
#include <cstdint>

#include "emu/isa/words.h"

namespace fa4::emu::isa {

// What f() gives in a rounding mode of the host; its operands must be volatile.
template <class F>
auto in_mode(int mode, F f) {
  std::fesetround(mode);
  const volatile auto result = f();
  std::fesetround(FE_TONEAREST);
  return result;
}

// A binary format by its numbers.
struct FormatFacts {
  int fraction_bits;
  int least_exponent;  // of a normal number
  double largest;
  bool has_infinity;
};
inline constexpr FormatFacts kHalfFacts = {10, -14, 65504.0, true};
inline constexpr FormatFacts kBrainFacts = {7, -126, 0x1.fep127, true};
inline constexpr FormatFacts kE4m3Facts = {3, -6, 448.0, false};
inline constexpr FormatFacts kE5m2Facts = {2, -14, 57344.0, true};
inline constexpr FormatFacts kTf32Facts = {10, -126, 0x1.ffcp127, true};

// A finite or infinite number rounded to a multiple of its quantum; saturate: never beyond the largest.
inline double rounded(double x, const FormatFacts& format, Rounding rounding, bool saturate) {
  if (x == 0.0) return x;
  double result = x;
  if (std::isfinite(x)) {
    const int exponent = std::max(std::ilogb(x), format.least_exponent);
    const double quantum = std::ldexp(1.0, exponent - format.fraction_bits);
    const double y = x / quantum;
    result = rounding == Rounding::NearestEven   ? std::nearbyint(y)
             : rounding == Rounding::NearestAway ? std::round(y)
             : rounding == Rounding::Zero        ? std::trunc(y)
             : rounding == Rounding::Down        ? std::floor(y)
                                                 : std::ceil(y);
    result *= quantum;
  }
  if (std::fabs(result) > format.largest) {
    const bool inwards =
        std::isfinite(x) && (rounding == Rounding::Zero || (rounding == Rounding::Down && x > 0) ||
                             (rounding == Rounding::Up && x < 0));
    const double beyond = inwards || saturate || !format.has_infinity ? format.largest : INFINITY;
    result = std::copysign(beyond, x);
  }
  return std::copysign(result, x);
}

// The value of bits, and the bits of a value that is a number of the format; NaN: nan_bits.
inline double value_of(uint64_t bits, const FormatFacts& format, int exponent_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto fraction = static_cast<double>(bits & ((uint64_t{1} << format.fraction_bits) - 1));
  const auto field =
      static_cast<int>(bits >> format.fraction_bits & ((uint64_t{1} << exponent_bits) - 1));
  const bool negative = (bits >> (format.fraction_bits + exponent_bits) & 1) != 0;
  double value = 0;
  if (field == (1 << exponent_bits) - 1 && format.has_infinity) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (!format.has_infinity && (bits & 0x7f) == 0x7f) {
    value = NAN;
  } else {
    const double one = field == 0 ? 0.0 : 1.0;
    value = std::ldexp(one + std::ldexp(fraction, -format.fraction_bits),
                       (field == 0 ? 1 : field) - bias);
  }
  return negative ? -value : value;
}
inline double half_value(uint64_t bits) { return value_of(bits & 0xffff, kHalfFacts, 5); }
inline double brain_value(uint64_t bits) { return value_of(bits & 0xffff, kBrainFacts, 8); }
inline double e4m3_value(uint64_t bits) { return value_of(bits & 0xff, kE4m3Facts, 4); }
inline double e5m2_value(uint64_t bits) { return value_of(bits & 0xff, kE5m2Facts, 5); }

inline uint64_t bits_of_value(double x, const FormatFacts& format, int exponent_bits,
                              uint64_t nan_bits) {
  if (x != x) return nan_bits;
  const uint64_t sign = std::signbit(x) ? uint64_t{1} << (format.fraction_bits + exponent_bits) : 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  x = std::fabs(x);
  if (std::isinf(x)) return sign | ((uint64_t{1} << exponent_bits) - 1) << format.fraction_bits;
  if (x == 0.0) return sign;
  const int exponent = std::max(std::ilogb(x), format.least_exponent);
  const double steps = std::ldexp(x, format.fraction_bits - exponent);
  return sign | (static_cast<uint64_t>(steps) +
                 (static_cast<uint64_t>(exponent + bias - 1) << format.fraction_bits));
}
inline uint64_t half_bits(double x) { return bits_of_value(x, kHalfFacts, 5, 0x7fff); }
inline uint64_t brain_bits(double x) { return bits_of_value(x, kBrainFacts, 8, 0x7fff); }
inline uint64_t e4m3_bits(double x) { return bits_of_value(x, kE4m3Facts, 4, 0x7f); }
inline uint64_t e5m2_bits(double x) { return bits_of_value(x, kE5m2Facts, 5, 0x7f); }

}  // namespace fa4::emu::isa
