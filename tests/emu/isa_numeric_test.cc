// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/numeric.h"
#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"

namespace fa4::emu::isa::numeric_test {
namespace {

constexpr Rounding kRoundings[] = {Rounding::NearestEven, Rounding::Zero, Rounding::Down,
                                   Rounding::Up, Rounding::NearestAway};

// Both NaN, or the same bits.
void expect_same(float a, float b, const std::string& what) {
  if (a != a && b != b) return;
  ASSERT_EQ(std::bit_cast<uint32_t>(a), std::bit_cast<uint32_t>(b)) << what;
}

TEST(Numeric, WidensEveryNarrowNumber) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto b16 = static_cast<uint16_t>(bits);
    const auto b8 = static_cast<uint8_t>(bits);
    expect_same(widen(Half{b16}), static_cast<float>(half_value(bits)), "f16");
    expect_same(widen(Brain{b16}), static_cast<float>(brain_value(bits)), "bf16");
    expect_same(widen(E4m3{b8}), static_cast<float>(e4m3_value(b8)), "e4m3");
    expect_same(widen(E5m2{b8}), static_cast<float>(e5m2_value(b8)), "e5m2");
  }
}

TEST(Numeric, EveryNarrowNumberRoundsToItself) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    for (const Rounding rounding : kRoundings) {
      const auto b16 = static_cast<uint16_t>(bits);
      const auto b8 = static_cast<uint8_t>(bits);
      const bool half_nan = (bits & 0x7fff) > 0x7c00, brain_nan = (bits & 0x7fff) > 0x7f80;
      EXPECT_EQ(round_double<Half>(widen(Half{b16}), rounding).bits, half_nan ? 0x7fff : b16);
      EXPECT_EQ(round_double<Brain>(widen(Brain{b16}), rounding).bits, brain_nan ? 0x7fff : b16);
      EXPECT_EQ(round_double<E4m3>(widen(E4m3{b8}), rounding).bits,
                (b8 & 0x7f) == 0x7f ? 0x7f : b8);
      EXPECT_EQ(round_double<E5m2>(widen(E5m2{b8}), rounding).bits, (b8 & 0x7f) > 0x7c ? 0x7f : b8);
    }
  }
}

// Around every number of f16 and bf16 and around every middle between two: their neighbours among the floats.
TEST(Numeric, RoundsFloatsAtEveryMiddle) {
  for (uint32_t bits = 0; bits < 0x20000; ++bits) {
    for (int step = -1; step <= 1; ++step) {
      const float near_half =
          std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(
                                   half_value(bits >> 1) + (bits & 1) * std::ldexp(1.0, -25))) +
                               step);
      const float near_brain = std::bit_cast<float>((bits << 15) + step);
      for (const float x : {near_half, near_brain}) {
        if (x != x) continue;
        const uint64_t half = half_bits(rounded(x, kHalfFacts, Rounding::NearestEven, false));
        const uint64_t brain = brain_bits(rounded(x, kBrainFacts, Rounding::NearestEven, false));
        ASSERT_EQ(narrow_to_half(x).bits, half) << std::hexfloat << x;
        ASSERT_EQ(narrow_to_brain(x).bits, brain) << std::hexfloat << x;
      }
    }
  }
}

TEST(Numeric, RoundsDoublesToEveryFormatInEveryRounding) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 200000; ++round) {
    double x = as_double(any_value(random, 64));
    if (round % 2 == 0) {  // near the formats' numbers and middles
      const double number = half_value(random()) + (random() % 3) * std::ldexp(1.0, -25);
      x = number * (1 + static_cast<double>(random() % 3) * 0x1p-40);
    }
    if (x != x) continue;
    for (const Rounding rounding : kRoundings) {
      for (const bool saturate : {false, true}) {
        const Overflow overflow = saturate ? Overflow::Saturate : Overflow::Ieee;
        ASSERT_EQ(round_double<Half>(x, rounding, overflow).bits,
                  half_bits(rounded(x, kHalfFacts, rounding, saturate)))
            << std::hexfloat << x;
        ASSERT_EQ(round_double<Brain>(x, rounding, overflow).bits,
                  brain_bits(rounded(x, kBrainFacts, rounding, saturate)))
            << std::hexfloat << x;
        ASSERT_EQ(round_double<E4m3>(x, rounding, overflow).bits,
                  e4m3_bits(rounded(x, kE4m3Facts, rounding, saturate)))
            << std::hexfloat << x;
        ASSERT_EQ(round_double<E5m2>(x, rounding, overflow).bits,
                  e5m2_bits(rounded(x, kE5m2Facts, rounding, saturate)))
            << std::hexfloat << x;
      }
    }
  }
}

// The host's own instructions in the same rounding mode.
template <class T, Rounding R>
void expect_host_rounding(int mode) {
  std::mt19937_64 random(static_cast<uint64_t>(mode) + sizeof(T));
  const auto value = [&] {
    const uint64_t bits = any_value(random, 8 * sizeof(T));
    if constexpr (sizeof(T) == 4) return as_float(bits);
    if constexpr (sizeof(T) == 8) return as_double(bits);
  };
  const auto same = [](T a, T b) {
    return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b));
  };
  for (int round = 0; round < 100000; ++round) {
    const volatile T a = value(), b = value();
    volatile T c = value();
    if (round % 3 == 0) c = -(a * b);  // cancels all that was not rounded away
    EXPECT_TRUE(same((rounded_add<T, R>(a, b)), in_mode(mode, [&] { return a + b; })))
        << std::hexfloat << a << ' ' << b;
    EXPECT_TRUE(same((rounded_mul<T, R>(a, b)), in_mode(mode, [&] { return a * b; })))
        << std::hexfloat << a << ' ' << b;
    EXPECT_TRUE(same((rounded_div<T, R>(a, b)), in_mode(mode, [&] { return a / b; })))
        << std::hexfloat << a << ' ' << b;
    EXPECT_TRUE(same((rounded_sqrt<T, R>(a)), in_mode(mode, [&] { return std::sqrt(T{a}); })))
        << std::hexfloat << a;
    EXPECT_TRUE(same((rounded_fma<T, R>(a, b, c)),
                     in_mode(mode, [&] { return std::fma(T{a}, T{b}, T{c}); })))
        << std::hexfloat << a << ' ' << b << ' ' << c;
  }
}

TEST(Numeric, CalculatesAsTheHostInEveryRounding) {
  expect_host_rounding<float, Rounding::NearestEven>(FE_TONEAREST);
  expect_host_rounding<float, Rounding::Zero>(FE_TOWARDZERO);
  expect_host_rounding<float, Rounding::Down>(FE_DOWNWARD);
  expect_host_rounding<float, Rounding::Up>(FE_UPWARD);
  expect_host_rounding<double, Rounding::NearestEven>(FE_TONEAREST);
  expect_host_rounding<double, Rounding::Zero>(FE_TOWARDZERO);
  expect_host_rounding<double, Rounding::Down>(FE_DOWNWARD);
  expect_host_rounding<double, Rounding::Up>(FE_UPWARD);
}

TEST(Numeric, IntegersBecomeFloatsInEveryRounding) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 100000; ++round) {
    const volatile auto x = static_cast<int64_t>(any_value(random, 64));
    const volatile auto u = static_cast<uint64_t>(x);
    EXPECT_EQ((from_integer<float>(int64_t{x}, Rounding::NearestEven)), static_cast<float>(x));
    EXPECT_EQ((from_integer<float>(uint64_t{u}, Rounding::NearestEven)), static_cast<float>(u));
    EXPECT_EQ((from_integer<float>(int64_t{x}, Rounding::Down)),
              in_mode(FE_DOWNWARD, [&] { return static_cast<float>(x); }));
    EXPECT_EQ((from_integer<double>(int64_t{x}, Rounding::Up)),
              in_mode(FE_UPWARD, [&] { return static_cast<double>(x); }));
    EXPECT_EQ((from_integer<double>(int64_t{x}, Rounding::Zero)),
              in_mode(FE_TOWARDZERO, [&] { return static_cast<double>(x); }));
  }
}

TEST(Numeric, FlushesClampsAndSaturates) {
  EXPECT_TRUE(std::signbit(flush(-0x1p-130f)));
  EXPECT_EQ(flush(-0x1p-130f), 0.0f);
  EXPECT_EQ(flush(0x1p-126f), 0x1p-126f);
  EXPECT_EQ(saturate(2.0f), 1.0f);
  EXPECT_FALSE(std::signbit(saturate(-0.0f)));
  EXPECT_EQ(saturate(NAN), 0.0f);
  EXPECT_FALSE(std::signbit(clamp_negative(-0.0f)));
  EXPECT_TRUE(std::isnan(clamp_negative(NAN)));
  EXPECT_EQ(bits_of_float(canonical(as_float(0xffc12345))), 0x7fffffffu);
}

}  // namespace
}  // namespace fa4::emu::isa::numeric_test
