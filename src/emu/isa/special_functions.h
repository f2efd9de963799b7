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

// What the compiler puts around the unit: before(x) goes in, and what comes out goes to after(x, result).
template <class U>
struct Plain {
  using Unit = U;
  static float before(float x) { return x; }
  static float after(float, float result) { return result; }
};
// .ftz is the unit's own flushing.
template <class U>
struct Flushed {
  using Unit = U;
  static float before(float x) { return flush(x); }
  static float after(float, float result) { return canonical(flush(result)); }
};

// Without .ftz the compiler brings subnormal numbers into the unit's range and takes its result back.
inline float scale_in(float x, bool small, float factor) { return small ? x * factor : x; }
inline bool is_subnormal(float x) { return std::fabs(x) < 0x1p-126f; }

struct Ex2Approx {
  using Unit = Ex2Unit;
  static bool small(float x) { return x < -126.0f; }
  static float before(float x) { return scale_in(x, small(x), 0.5f); }
  static float after(float x, float y) { return canonical(small(x) ? y * y : y); }
};

struct Lg2Approx {
  using Unit = Lg2Unit;
  static float before(float x) { return scale_in(x, is_subnormal(x), 0x1p24f); }
  static float after(float x, float y) { return canonical(y - (is_subnormal(x) ? 24.0f : 0.0f)); }
};

struct RcpApprox {
  using Unit = RcpUnit;
  static float factor(float x) {
    const float magnitude = std::fabs(x);
    const float large = magnitude >= 0x1p126f ? 0.25f : 1.0f;
    return magnitude < kUnitInfinity ? (is_subnormal(x) ? 0x1p24f : large) : 1.0f;
  }
  static float before(float x) { return x * factor(x); }
  static float after(float x, float y) { return canonical(y * factor(x)); }
};

struct SqrtApprox {
  using Unit = SqrtUnit;
  static float before(float x) { return scale_in(x, is_subnormal(x), 0x1p24f); }
  static float after(float x, float y) {
    return canonical(y * (is_subnormal(x) ? 0x1p-12f : 1.0f));
  }
};

struct RsqrtApprox {
  using Unit = RsqrtUnit;
  static float before(float x) { return scale_in(x, is_subnormal(x), 0x1p24f); }
  static float after(float x, float y) { return canonical(y * (is_subnormal(x) ? 0x1p12f : 1.0f)); }
};

struct TanhApprox : Plain<TanhUnit> {
  static float after(float, float result) { return canonical(result); }
};

template <uint32_t kQuarters>
struct SineApprox : Plain<SineUnit<kQuarters>> {
  static float after(float, float result) { return canonical(result); }
};

// Of flushed operands both are the same. A reciprocal that is subnormal is flushed: a divisor beyond 2^126 gives zero,
// or NaN for an infinite dividend; div.full brings such divisors nearer.
inline float div_approx(float a, float b) {
  const float factor = is_subnormal(b) ? 0x1p24f : 1.0f;
  return a * factor * unit_of<RcpUnit>(b * factor);
}

inline float div_full(float a, float b) {
  const bool large = std::fabs(b) >= 0x1p126f && std::fabs(b) < kUnitInfinity;
  const float factor = is_subnormal(b) ? 0x1p24f : large ? 0.25f : 1.0f;
  return a * factor * unit_of<RcpUnit>(b * factor);
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
