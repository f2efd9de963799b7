// SPDX-License-Identifier: Apache-2.0
// What the special-function unit computes, as one lane's functions of floats that are already flushed where the
// instruction asks for it. The results here are the exact ones rounded to the nearest (of f64: cut); the unit's own differ by
// up to the bound that the table prints. Whoever has its tables replaces this file.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "emu/isa/cpu.h"
#include "emu/isa/numeric.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// 2^x: the nearest integer, and a polynomial for the rest in double (relative error below 1e-14), without branches.
inline float ex2_approx(float x) {
  // 1 / k!, of exp(t) for |t| <= ln(2) / 2; 12! * 2^28 is beyond a double's place.
  constexpr double kInverse[] = {1.0,         1.0,          1.0 / 2,       1.0 / 6,
                                 1.0 / 24,    1.0 / 120,    1.0 / 720,     1.0 / 5040,
                                 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800};
  double clamped = x;
  clamped = clamped > 200.0 ? 200.0 : clamped;
  clamped = clamped < -200.0 ? -200.0 : clamped;  // a NaN stays
  constexpr double kMagic = 0x1.8p52;             // its last place is 1
  const double shifted = clamped + kMagic;
  const double t = (clamped - (shifted - kMagic)) * 0.69314718055994530942;
  double sum = kInverse[11];
  for (int k = 10; k >= 0; --k) sum = sum * t + kInverse[k];
  const uint64_t exponent = (std::bit_cast<uint64_t>(shifted) + 1023) << 52;
  return static_cast<float>(sum * std::bit_cast<double>(exponent));
}

inline float lg2_approx(float x) { return static_cast<float>(std::log2(static_cast<double>(x))); }

inline float rcp_approx(float x) { return 1.0f / x; }

inline float sqrt_approx(float x) { return std::sqrt(x); }

inline float rsqrt_approx(float x) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x)));
}

inline float sin_approx(float x) { return static_cast<float>(std::sin(static_cast<double>(x))); }

inline float cos_approx(float x) { return static_cast<float>(std::cos(static_cast<double>(x))); }

inline float tanh_approx(float x) { return static_cast<float>(std::tanh(static_cast<double>(x))); }

// Divisors beyond 2^126 have a subnormal reciprocal, which the unit flushes.
inline float div_approx(float a, float b) {
  const float magnitude = std::fabs(b);
  if (magnitude > 0x1p126f && magnitude < std::numeric_limits<float>::infinity()) {
    const float zero = std::copysign(0.0f, b);
    return a * zero;  // NaN for an infinite one
  }
  return a / b;
}

inline float div_full(float a, float b) { return a / b; }

// Only the upper halves count: of the operand, and of the result.
inline double upper_half(double x) {
  return std::bit_cast<double>(std::bit_cast<uint64_t>(x) & 0xffffffff00000000);
}
inline double flush64(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  const uint64_t exponent = bits & 0x7ff0000000000000;
  return exponent != 0 ? x : std::bit_cast<double>(bits & uint64_t{1} << 63);
}
inline double rcp_approx64(double x) { return upper_half(flush64(1.0 / flush64(upper_half(x)))); }
inline double rsqrt_approx64(double x) {
  return upper_half(flush64(1.0 / std::sqrt(flush64(upper_half(x)))));
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
