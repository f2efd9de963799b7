// SPDX-License-Identifier: Apache-2.0
// The approximate instructions as one lane's functions: the unit of special_unit.h and what the compiler puts around it;
// of f64, the exact result, cut.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "emu/isa/cpu.h"
#include "emu/isa/special_unit.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// Without .ftz the compiler brings subnormal numbers into the unit's range and takes its result back.
inline float scale_in(float x, bool small, float factor) { return small ? x * factor : x; }
inline bool is_subnormal(float x) { return std::fabs(x) < 0x1p-126f; }

inline float ex2_approx(float x) {
  const bool small = x < -126.0f;
  const float y = unit_ex2(scale_in(x, small, 0.5f));
  return small ? y * y : y;
}

inline float lg2_approx(float x) {
  const bool small = is_subnormal(x);
  return unit_lg2(scale_in(x, small, 0x1p24f)) - (small ? 24.0f : 0.0f);
}

inline float rcp_approx(float x) {
  const bool large = std::fabs(x) >= 0x1p126f && std::fabs(x) < kUnitInfinity;
  const float factor = is_subnormal(x) ? 0x1p24f : large ? 0.25f : 1.0f;
  return unit_rcp(x * factor) * factor;
}

inline float sqrt_approx(float x) {
  const bool small = is_subnormal(x);
  return unit_sqrt(scale_in(x, small, 0x1p24f)) * (small ? 0x1p-12f : 1.0f);
}

inline float rsqrt_approx(float x) {
  const bool small = is_subnormal(x);
  return unit_rsqrt(scale_in(x, small, 0x1p24f)) * (small ? 0x1p12f : 1.0f);
}

// Of flushed operands both are the same. A reciprocal that is subnormal is flushed: a divisor beyond 2^126 gives zero,
// or NaN for an infinite dividend; div.full brings such divisors nearer.
inline float div_approx(float a, float b) {
  const float factor = is_subnormal(b) ? 0x1p24f : 1.0f;
  return a * factor * unit_rcp(b * factor);
}

inline float div_full(float a, float b) {
  const bool large = std::fabs(b) >= 0x1p126f && std::fabs(b) < kUnitInfinity;
  const float factor = is_subnormal(b) ? 0x1p24f : large ? 0.25f : 1.0f;
  return a * factor * unit_rcp(b * factor);
}

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
