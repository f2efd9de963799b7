// SPDX-License-Identifier: Apache-2.0
// Conversions of the 16-bit floats, over every code and every tie, against values made by ldexp.
#include "core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fa4 {
namespace {

struct Format {
  const char* name;
  Dtype dtype;
  int exponent_bits, mantissa_bits;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  uint16_t infinity() const {
    return static_cast<uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits);
  }
  // Of a finite code without sign.
  double value_of(uint16_t code) const {
    const int exponent = code >> mantissa_bits;
    const int mantissa = code & ((1 << mantissa_bits) - 1);
    const int unit = 1 - bias() - mantissa_bits;
    if (exponent == 0) return std::ldexp(mantissa, unit);
    return std::ldexp(mantissa + (1 << mantissa_bits), unit + exponent - 1);
  }
  float decode(uint16_t code) const {
    return dtype == Dtype::BFloat16 ? bfloat16_to_float(code) : float16_to_float(code);
  }
  uint16_t encode(float value) const {
    return dtype == Dtype::BFloat16 ? float_to_bfloat16(value) : float_to_float16(value);
  }
  uint16_t encode_double(double value) const {
    uint16_t codes[4] = {};  // as large as the largest element
    store_element(codes, dtype, value);
    return codes[0];
  }
};

class SixteenBits : public testing::TestWithParam<Format> {};

TEST_P(SixteenBits, DecodesEveryCode) {
  const Format format = GetParam();
  for (uint32_t code = 0; code < 0x8000; ++code) {
    const float positive = format.decode(static_cast<uint16_t>(code));
    const float negative = format.decode(static_cast<uint16_t>(code | 0x8000));
    if (code > format.infinity()) {
      ASSERT_TRUE(std::isnan(positive) && std::isnan(negative)) << code;
      continue;
    }
    const double expected = code == format.infinity()
                                ? std::numeric_limits<double>::infinity()
                                : format.value_of(static_cast<uint16_t>(code));
    ASSERT_EQ(positive, expected) << code;
    ASSERT_EQ(negative, -expected) << code;
    ASSERT_TRUE(std::signbit(negative)) << code;
  }
}

TEST_P(SixteenBits, EveryCodeSurvivesTheRoundTrip) {
  const Format format = GetParam();
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto code = static_cast<uint16_t>(i);
    const uint16_t back = format.encode(format.decode(code));
    if ((code & 0x7fff) > format.infinity()) {
      ASSERT_TRUE(std::isnan(format.decode(back))) << code;
      ASSERT_EQ(back & 0x8000, code & 0x8000) << code;
    } else {
      ASSERT_EQ(back, code);
    }
  }
}

// Between neighbours a and b: below the middle to a, above to b, at the middle to the even one. The
// largest finite code's upper neighbour is Infinity, as if the format went on.
TEST_P(SixteenBits, RoundsToNearestEven) {
  const Format format = GetParam();
  for (uint16_t a = 0; a < format.infinity(); ++a) {
    const auto b = static_cast<uint16_t>(a + 1);
    const double middle = (format.value_of(a) + format.value_of(b)) / 2;
    const uint16_t even = a % 2 ? b : a;
    const auto tie = static_cast<float>(middle);
    if (static_cast<double>(tie) == middle) {  // all but the smallest subnormals of bfloat16
      ASSERT_EQ(format.encode(tie), even) << a;
      ASSERT_EQ(format.encode(-tie), even | 0x8000) << a;
      ASSERT_EQ(format.encode(std::nextafter(tie, 0.0F)), a);
      ASSERT_EQ(format.encode(std::nextafter(tie, INFINITY)), b);
    }
    // From double it rounds once: a hair beside the tie is not a tie, though float cannot see the hair.
    ASSERT_EQ(format.encode_double(middle), even) << a;
    ASSERT_EQ(format.encode_double(std::nextafter(middle, 0)), a);
    ASSERT_EQ(format.encode_double(std::nextafter(middle, INFINITY)), b);
    ASSERT_EQ(format.encode_double(-std::nextafter(middle, INFINITY)), b | 0x8000);
  }
}

TEST_P(SixteenBits, OverflowsToInfinity) {
  const Format format = GetParam();
  EXPECT_EQ(format.encode(std::numeric_limits<float>::max()), format.infinity());
  EXPECT_EQ(format.encode_double(1e300), format.infinity());
  EXPECT_EQ(format.encode_double(-1e300), format.infinity() | 0x8000);
  EXPECT_EQ(format.encode_double(-1e-300), 0x8000);
}

INSTANTIATE_TEST_SUITE_P(Dtype, SixteenBits,
                         testing::Values(Format{"bfloat16", Dtype::BFloat16, 8, 7},
                                         Format{"float16", Dtype::Float16, 5, 10}),
                         [](const auto& info) { return info.param.name; });

TEST(RoundToOdd, KeepsWhatFloatHoldsExactly) {
  for (const double value : {0.0, -0.0, 1.0, -0.75, 0x1p-149, 3.0e38}) {
    const auto narrow = static_cast<float>(value);
    EXPECT_EQ(round_to_odd(static_cast<double>(narrow)), narrow);
  }
  EXPECT_TRUE(std::signbit(round_to_odd(-0.0)));
  EXPECT_TRUE(std::isnan(round_to_odd(NAN)));
  EXPECT_EQ(round_to_odd(INFINITY), INFINITY);
}

TEST(RoundToOdd, MakesInexactResultsOddAndNeverFurtherThanOneUnit) {
  // 1 + 2^-23 is odd, 1 and 1 + 2^-22 are even: whatever lies between goes to the odd one.
  EXPECT_EQ(round_to_odd(1 + 0x1p-40), 1 + 0x1p-23F);
  EXPECT_EQ(round_to_odd(1 + 0x1p-22 - 0x1p-40), 1 + 0x1p-23F);
  EXPECT_EQ(round_to_odd(-1 - 0x1p-40), -1 - 0x1p-23F);
  EXPECT_EQ(round_to_odd(0x1p-160), 0x1p-149F);
}

TEST(Elements, LoadAndStoreEveryType) {
  for (const Dtype dtype : {Dtype::Float64, Dtype::Float32, Dtype::BFloat16, Dtype::Float16}) {
    double memory = 0;
    store_element(&memory, dtype, -1.5);
    EXPECT_EQ(load_element(&memory, dtype), -1.5) << name_of(dtype);
  }
  int32_t integers[2] = {};
  store_element(integers, Dtype::Int32, -7);
  EXPECT_EQ(integers[0], -7);
  EXPECT_EQ(load_element(integers, Dtype::Int32), -7);
}

}  // namespace
}  // namespace fa4
