// SPDX-License-Identifier: Apache-2.0
// The special-function unit of an H200, bit for bit. It cuts its argument to a fixed point, whose upper bits choose a
// parabola and whose lower 17 bits go into it; the result is cut to 24 bits. What is special about it:
// Note [Truncated square]: of t * t only columns from 2^19 on are added up; the constants make up for the rest.
// Note [Ones' complement]: a negative fixed point is the complement of the positive one, a last place too low.
#pragma once

#include <array>
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
extern const Parabola kTanhTable[64];

// 2^f once more, in words of 32 bits (special_tables.cc): its constant is upper >> 9 times 2^15, and the low 15 bits of
// lower; its slope is 2^15 more than the upper half of lower, its curvature kEx2Curvature more than the low 9 bits of
// upper. So constant and slope * t, both without what is a multiple of 2^15, lie within 32 bits.
struct Ex2Word {
  uint32_t upper, lower;
};
inline constexpr uint32_t kEx2Curvature = 494;
extern const std::array<Ex2Word, 64> kEx2Words;

inline namespace FA4_EMU_CPU {

// t * t >> 19 of 17 bits, see Note [Truncated square]: the square of the upper 8, and their products with the lower 9.
inline int32_t truncated_square(uint32_t t) {
  const uint32_t high = t >> 9, low = t & 511;
  uint32_t sum = high * high >> 1;
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

// A function of the unit has three parts, each without branches, so that special_lanes.h makes each of all lanes:
//   place   t in the lower 17 bits, above them the segment; what is above that `sum` ignores
//   sum     the parabola there
//   finish  the result
// What the unit does with subnormal numbers: zeros, as argument and as result.
template <const auto& kTable>
struct ParabolaUnit {
  using Sum = int64_t;
  static constexpr uint32_t kSegments = sizeof(kTable) / sizeof(Parabola);
  static_assert((kSegments & (kSegments - 1)) == 0);
  static const Parabola& row(int32_t place) {
    return kTable[static_cast<uint32_t>(place) >> 17 & (kSegments - 1)];
  }
  static Sum sum(int32_t place) { return at_parabola(row(place), place & 0x1ffff); }
};

struct Ex2Unit {
  using Sum = int32_t;  // 23 bits behind the point; those before it are not 1
  static int32_t place(float x) {
    const float magnitude = std::fabs(x);
    const float bounded = magnitude < 255.0f ? magnitude : 255.0f;  // a NaN too
    const auto fixed = static_cast<int32_t>(bounded * 0x1p23f);
    const int32_t negative = (fixed & 0x7fffff) != 0 ? ~fixed : -fixed;  // Note [Ones' complement]
    return x < 0 ? negative : fixed;
  }
  static Sum sum(int32_t place) {
    const Ex2Word& word = kEx2Words[static_cast<size_t>(place >> 17 & 63)];
    const int32_t t = place & 0x1ffff;
    const auto curvature = static_cast<int32_t>((word.upper & 511) + kEx2Curvature);
    const int32_t rest = static_cast<int32_t>(word.lower & 0x7fff) +
                         (static_cast<int32_t>(word.lower) >> 16) * t +
                         curvature * truncated_square(static_cast<uint32_t>(t));
    return static_cast<int32_t>(word.upper >> 9) + t + (rest >> 15);
  }
  static float finish(float x, int32_t place, Sum sum) {
    const int32_t exponent = (place >> 23) + 127;
    const int32_t bits = exponent << 23 | (sum & 0x7fffff);
    float result = exponent < 255 ? std::bit_cast<float>(bits) : kUnitInfinity;
    result = exponent > 0 ? result : 0.0f;
    return x == x ? result : x;
  }
};

struct Lg2Unit : ParabolaUnit<kLg2Table> {
  static int32_t place(float x) { return std::bit_cast<int32_t>(x) & 0x7fffff; }
  static float finish(float x, int32_t, Sum fraction) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const uint32_t exponent = bits >> 23 & 255;
    const int64_t sum = (static_cast<int64_t>(exponent) - 127) * (int64_t{1} << 38) + fraction;
    const uint64_t magnitude = static_cast<uint64_t>(sum < 0 ? ~sum : sum) & ~uint64_t{3};
    float result = cut_to_float(magnitude, 0x1p-38);
    result = sum < 0 ? -result : result;
    result = x == 1.0f ? 0.0f : result;
    result = x < kUnitInfinity ? result : x;  // a NaN too
    result = bits >> 31 != 0 ? nan_of<float> : result;
    return exponent == 0 ? -kUnitInfinity : result;
  }
};

struct RcpUnit : ParabolaUnit<kRcpTable> {
  static int32_t place(float x) { return (std::bit_cast<int32_t>(x) & 0x7fffff) << 1; }
  static float finish(float x, int32_t, Sum sum) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const auto exponent = static_cast<int32_t>(bits >> 23 & 255);
    const auto cut = static_cast<int32_t>(static_cast<uint64_t>(sum) >> 16);
    const int32_t mantissa = (bits & 0x7fffff) != 0 ? cut : 1 << 24;
    const int32_t normal = (252 - exponent) * (1 << 23) + mantissa;
    float result = normal >= 1 << 23 ? std::bit_cast<float>(normal) : 0.0f;
    result = exponent == 0 ? kUnitInfinity : result;
    return x == x ? std::copysign(exponent == 255 ? 0.0f : result, x) : x;
  }
};

// Of roots, the odd exponents have segments of their own.
inline int32_t root_place(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<int32_t>((bits & 0x7fffff) | (~bits & 0x800000));
}
// The exponent, halved downwards.
inline int32_t root_exponent(uint32_t bits) {
  return (static_cast<int32_t>(bits >> 23 & 255) - 127) >> 1;
}

struct RsqrtUnit : ParabolaUnit<kRsqrtTable> {
  static int32_t place(float x) { return root_place(x); }
  static float finish(float x, int32_t, Sum sum) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const bool power_of_four = (bits & 0xffffff) == 0x800000;
    const auto cut = static_cast<int32_t>(static_cast<uint64_t>(sum) >> 16);
    const int32_t mantissa = power_of_four ? 1 << 24 : cut;
    float result = std::bit_cast<float>((125 - root_exponent(bits)) * (1 << 23) + mantissa);
    result = x < kUnitInfinity ? result : 0.0f;
    result = x < 0 ? nan_of<float> : result;
    result = (bits & 0x7f800000) == 0 ? std::copysign(kUnitInfinity, x) : result;
    return x == x ? result : x;
  }
};

struct SqrtUnit : ParabolaUnit<kSqrtTable> {
  static int32_t place(float x) { return root_place(x); }
  static float finish(float x, int32_t, Sum sum) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const auto mantissa = static_cast<int32_t>(static_cast<uint64_t>(sum) >> 17);
    float result = std::bit_cast<float>((126 + root_exponent(bits)) * (1 << 23) + mantissa);
    result = x < kUnitInfinity ? result : x;
    result = x < 0 ? nan_of<float> : result;
    return (bits & 0x7f800000) == 0 ? std::copysign(0.0f, x) : result;
  }
};

// sine(x / 4 turns) for kQuarters 0, cosine for 1. The argument in turns is a product cut to 24 bits, of which the
// unit takes 25 bits after the point; the second and the fourth quarter are the first one's, complemented.
template <uint32_t kQuarters>
struct SineUnit : ParabolaUnit<kSineTable> {
  static uint32_t turns(float x) {
    const float magnitude = std::fabs(x);
    const double product = static_cast<double>(magnitude < kUnitInfinity ? magnitude : 0.0f) *
                           static_cast<double>(0.15915494f);
    const double cut = std::bit_cast<double>(std::bit_cast<uint64_t>(product) & 0xffffffffe0000000);
    return static_cast<uint32_t>(
        static_cast<uint64_t>(static_cast<int64_t>((cut < 0x1p25 ? cut : 0.0) * 0x1p25)));
  }
  static int32_t place(float x) {
    const uint32_t turned = turns(x);
    const uint32_t complement = 0 - ((turned >> 23 & 1) ^ kQuarters);
    return static_cast<int32_t>((turned ^ complement) & 0x7fffff);
  }
  static float finish(float x, int32_t, Sum sum) {
    const uint32_t turned = turns(x);
    const uint32_t quarter = (turned >> 23 & 3) + kQuarters;
    float result = cut_to_float(static_cast<uint64_t>(sum), 0x1p-37);
    result = (quarter & 1) != 0 && (turned & 0x7fffff) == 0 ? 1.0f : result;
    const bool minus = (quarter & 2) != 0;
    result = minus != (kQuarters == 0 && std::signbit(x)) ? -result : result;
    return std::fabs(x) < kUnitInfinity ? result : nan_of<float>;
  }
};

// Below 2^-8 the argument itself. From there on each binade has segments of its own, more where tanh bends more, and from 8
// on the result is 1.
struct TanhUnit : ParabolaUnit<kTanhTable> {
  struct Binade {
    uint8_t first, shift;  // its first segment; bits of the mantissa that do not count
  };
  // From 2^-8 on; the last is all from 8 on.
  static constexpr Binade kBinades[12] = {{0, 6},  {1, 6},  {2, 6},  {3, 5},  {5, 5},  {7, 4},
                                          {11, 4}, {15, 4}, {19, 3}, {27, 2}, {43, 3}, {51, 23}};
  static constexpr int32_t kFirst = 119;  // the exponent of 2^-8
  static int32_t place(float x) {
    const auto bits = std::bit_cast<int32_t>(x);
    const int32_t behind = (bits >> 23 & 255) - kFirst;
    const Binade binade = kBinades[behind < 0 ? 0 : behind < 11 ? behind : 11];
    return (binade.first << 17) + ((bits & 0x7fffff) >> binade.shift);
  }
  static float finish(float x, int32_t, Sum sum) {
    const float result = std::copysign(cut_to_float(static_cast<uint64_t>(sum), 0x1p-39), x);
    return std::fabs(x) >= 0x1p-8f ? result : x;  // a NaN too
  }
};

// A function of one lane.
template <class Unit>
float unit_of(float x) {
  const int32_t place = Unit::place(x);
  return Unit::finish(x, place, Unit::sum(place));
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
