// SPDX-License-Identifier: Apache-2.0
// The special-function unit of an H200, bit for bit. It cuts its argument to a fixed point, whose upper bits choose a
// parabola and whose lower 17 bits go into it; the result is cut to 24 bits. What is special about it:
// Note [Truncated square]: of t * t only columns from 2^19 on are added up; the constants make up for the rest.
// Note [Ones' complement]: a negative fixed point is the complement of the positive one, a last place too low.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "emu/isa/cpu.h"
#include "emu/isa/numeric.h"

namespace fa4::emu::isa {

// constant + slope * t + curvature * (t * t >> 19).
struct Parabola {
  int64_t constant;
  int32_t slope, curvature;
};
extern const Parabola kEx2Table[64];  // as it was found; kEx2Words is made of it
extern const Parabola kLg2Table[64];
extern const Parabola kRcpTable[128];
extern const Parabola kRsqrtTable[128];
extern const Parabola kSqrtTable[128];
extern const Parabola kSineTable[64];
extern const Parabola kTanhTable[32];

// 2^f once more, in words of 32 bits (special_tables.cc): its constant is upper >> 9 times 2^15, and the low 15 bits of
// lower; its slope is lower >> 15, its curvature kEx2Curvature more than the low 9 bits of upper.
struct Ex2Words {
  uint32_t upper[64], lower[64];
};
inline constexpr uint32_t kEx2Curvature = 494;
extern const Ex2Words kEx2Words;

inline namespace FA4_EMU_CPU {

// t * t >> 19 of 17 bits, see Note [Truncated square]: the square of the upper 8, of which that of the lowest bit lies
// too low, and their products with the lower 9.
inline int32_t truncated_square(uint32_t t) {
  const uint32_t high = t >> 9, low = t & 511;
  uint32_t sum = (high * high - (high & 1)) >> 1;
  for (int bit = 1; bit <= 7; ++bit) sum += (high & (1u << bit)) != 0 ? low >> (9 - bit) : 0;
  return static_cast<int32_t>(sum);
}

inline int64_t at_parabola(const Parabola& p, uint32_t t) {
  return p.constant + static_cast<int64_t>(p.slope) * static_cast<int32_t>(t) +
         static_cast<int64_t>(p.curvature) * truncated_square(t);
}

// A number below 2^52 times `unit`, a power of two, cut to 24 bits.
inline float cut_to_float(uint64_t number, double unit) {
  const double whole = std::bit_cast<double>(number | 0x4330000000000000) - 0x1p52;
  const uint64_t cut = std::bit_cast<uint64_t>(whole) & 0xffffffffe0000000;
  return static_cast<float>(std::bit_cast<double>(cut) * unit);
}

inline constexpr float kUnitInfinity = std::numeric_limits<float>::infinity();

// What the unit does with subnormal numbers: zeros, as argument and as result.
inline float unit_ex2(float x) {
  const float magnitude = std::fabs(x);
  const float bounded = magnitude < 255.0f ? magnitude : 255.0f;  // a NaN too
  const auto fixed = static_cast<int32_t>(bounded * 0x1p23f);
  const int32_t negative = (fixed & 0x7fffff) != 0 ? ~fixed : -fixed;  // Note [Ones' complement]
  const int32_t place = x < 0 ? negative : fixed;
  // As at_parabola, in words of 32 bits: the slope's product is taken apart at 2^15.
  const auto t = static_cast<uint32_t>(place & 0x1ffff);
  const uint32_t upper = kEx2Words.upper[place >> 17 & 63],
                 lower = kEx2Words.lower[place >> 17 & 63];
  const uint32_t slope = lower >> 15;
  const uint32_t product = slope * (t >> 2);
  const uint32_t rest =
      4 * (product & 0x1fff) + slope * (t & 3) + (lower & 0x7fff) +
      ((upper & 511) + kEx2Curvature) * static_cast<uint32_t>(truncated_square(t));
  const uint32_t fraction = (upper >> 9) + (product >> 13) + (rest >> 15);
  const int32_t exponent = (place >> 23) + 127;
  const int32_t bits = exponent << 23 | static_cast<int32_t>(fraction & 0x7fffff);
  float result = exponent < 255 ? std::bit_cast<float>(bits) : kUnitInfinity;
  result = exponent > 0 ? result : 0.0f;
  return x == x ? result : x;
}

inline float unit_lg2(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t exponent = bits >> 23 & 255;
  const int64_t whole = (static_cast<int64_t>(exponent) - 127) * (int64_t{1} << 38);
  const int64_t sum = whole + at_parabola(kLg2Table[bits >> 17 & 63], bits & 0x1ffff);
  const uint64_t magnitude = static_cast<uint64_t>(sum < 0 ? ~sum : sum) & ~uint64_t{3};
  float result = cut_to_float(magnitude, 0x1p-38);
  result = sum < 0 ? -result : result;
  result = x == 1.0f ? 0.0f : result;
  result = x < kUnitInfinity ? result : x;  // a NaN too
  result = bits >> 31 != 0 ? nan_of<float> : result;
  return exponent == 0 ? -kUnitInfinity : result;
}

inline float unit_rcp(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const auto exponent = static_cast<int32_t>(bits >> 23 & 255);
  const int64_t sum = at_parabola(kRcpTable[bits >> 16 & 127], (bits & 0xffff) << 1);
  const int32_t mantissa = (bits & 0x7fffff) != 0 ? static_cast<int32_t>(sum >> 16) : 1 << 24;
  const int32_t normal = (252 - exponent) * (1 << 23) + mantissa;
  float result = normal >= 1 << 23 ? std::bit_cast<float>(normal) : 0.0f;
  result = exponent == 0 ? kUnitInfinity : result;
  return x == x ? std::copysign(exponent == 255 ? 0.0f : result, x) : x;
}

// The exponent of x, halved downwards; and the segment, of which the odd exponents have their own.
struct RootPlace {
  int32_t half, segment;
};
inline RootPlace root_place(uint32_t bits) {
  const int32_t exponent = static_cast<int32_t>(bits >> 23 & 255) - 127;
  return {exponent >> 1, (exponent & 1) * 64 + static_cast<int32_t>(bits >> 17 & 63)};
}

inline float unit_rsqrt(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const RootPlace place = root_place(bits);
  const int64_t sum = at_parabola(kRsqrtTable[place.segment], bits & 0x1ffff);
  const bool power_of_four = (bits & 0xffffff) == 0x800000;
  const int32_t mantissa = power_of_four ? 1 << 24 : static_cast<int32_t>(sum >> 16);
  float result = std::bit_cast<float>((125 - place.half) * (1 << 23) + mantissa);
  result = x < kUnitInfinity ? result : 0.0f;
  result = x < 0 ? nan_of<float> : result;
  result = (bits & 0x7f800000) == 0 ? std::copysign(kUnitInfinity, x) : result;
  return x == x ? result : x;
}

inline float unit_sqrt(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const RootPlace place = root_place(bits);
  const int64_t sum = at_parabola(kSqrtTable[place.segment], bits & 0x1ffff);
  const auto mantissa = static_cast<int32_t>(sum >> 17);
  float result = std::bit_cast<float>((126 + place.half) * (1 << 23) + mantissa);
  result = x < kUnitInfinity ? result : x;
  result = x < 0 ? nan_of<float> : result;
  return (bits & 0x7f800000) == 0 ? std::copysign(0.0f, x) : result;
}

// sine(x / 4 turns) for kQuarters 0, cosine for 1. The argument in turns is a product cut to 24 bits, of which the
// unit takes 25 bits after the point; the second and the fourth quarter are the first one's, complemented.
template <uint32_t kQuarters>
inline float unit_sine(float x) {
  const float magnitude = std::fabs(x);
  const double product = static_cast<double>(magnitude < kUnitInfinity ? magnitude : 0.0f) *
                         static_cast<double>(0.15915494f);
  const double turns = std::bit_cast<double>(std::bit_cast<uint64_t>(product) & 0xffffffffe0000000);
  const auto place = static_cast<uint32_t>(
      static_cast<uint64_t>(static_cast<int64_t>((turns < 0x1p25 ? turns : 0.0) * 0x1p25)));
  const uint32_t quarter = (place >> 23 & 3) + kQuarters;
  const uint32_t in_quarter = (quarter & 1) != 0 ? ~place & 0x7fffff : place & 0x7fffff;
  const int64_t sum = at_parabola(kSineTable[in_quarter >> 17], in_quarter & 0x1ffff);
  float result = cut_to_float(static_cast<uint64_t>(sum), 0x1p-37);
  result = (quarter & 1) != 0 && (place & 0x7fffff) == 0 ? 1.0f : result;
  const bool minus = (quarter & 2) != 0;
  result = minus != (kQuarters == 0 && std::signbit(x)) ? -result : result;
  return magnitude < kUnitInfinity ? result : nan_of<float>;
}

// Known from 0.25 to 4 (the argument to 21 bits after the point, from 0.5 on to 20); beyond, the rounded value.
inline float unit_tanh(float x) {
  const float magnitude = std::fabs(x);
  if (!(magnitude >= 0.25f && magnitude < 4.0f)) {
    return static_cast<float>(std::tanh(static_cast<double>(x)));
  }
  const bool fine = magnitude < 0.5f;
  const auto place = static_cast<uint32_t>(magnitude * (fine ? 0x1p21f : 0x1p20f));
  const uint32_t segment = (place >> 17) - (fine ? 4 : 0);
  const int64_t sum = at_parabola(kTanhTable[segment], place & 0x1ffff);
  return std::copysign(cut_to_float(static_cast<uint64_t>(sum), 0x1p-39), x);
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
