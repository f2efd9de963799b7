// SPDX-License-Identifier: Apache-2.0
// What sm_100 adds to arithmetic: pairs of f32, sums with 16-bit operands, small formats, rounding by chance.
#include <algorithm>

#include "emu/isa/formats.h"
#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"

namespace fa4::emu::isa::sm100_test {
namespace {

constexpr uint64_t kNan = 0x7fffffff;

float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

struct RoundingName {
  const char* word;
  int mode;
};
constexpr RoundingName kRoundings[] = {
    {".rn", FE_TONEAREST}, {".rz", FE_TOWARDZERO}, {".rm", FE_DOWNWARD}, {".rp", FE_UPWARD}};

// One of the two operations of a pair, as bits.
uint64_t twin32(char op, int mode, bool ftz, uint32_t a_bits, uint32_t b_bits, uint32_t c_bits) {
  const auto in = [ftz](uint32_t bits) { return ftz ? flushed(as_float(bits)) : as_float(bits); };
  const volatile float a = in(a_bits), b = in(b_bits), c = in(c_bits);
  const float result = in_mode(mode, [&] {
    return op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : std::fma(a, b, c);
  });
  if (result != result) return kNan;
  return bits_of_float(ftz ? flushed(result) : result);
}

TEST(IsaSm100, PairsAreTwoNumbers) {
  const std::pair<const char*, char> ops[] = {
      {"add", '+'}, {"sub", '-'}, {"mul", '*'}, {"fma", 'f'}};
  for (const auto& [name, op] : ops) {
    for (const RoundingName& rounding : kRoundings) {
      for (const bool ftz : {false, true}) {
        const std::string text = std::string(name) + rounding.word + (ftz ? ".ftz" : "") +
                                 ".f32x2 %d1, %d2, %d3" + (op == 'f' ? ", %d4" : "");
        expect_lanes(text, [&, op = op](auto* in) {
          const auto half = [&](int shift) {
            const auto part = [&](size_t k) { return static_cast<uint32_t>(in[k] >> shift); };
            return twin32(op, rounding.mode, ftz, part(0), part(1), op == 'f' ? part(2) : 0);
          };
          return half(32) << 32 | half(0);
        });
      }
    }
  }
  // A pair may be its own operand.
  expect_lanes("fma.rn.f32x2 %d1, %d1, %d2, %d1", [](auto* in) {
    const auto half = [&](int shift) {
      const auto part = [&](size_t k) { return static_cast<uint32_t>(in[k] >> shift); };
      return twin32('f', FE_TONEAREST, false, part(0), part(1), part(2));
    };
    return half(32) << 32 | half(0);
  });
  OneWarp one(100);
  EXPECT_NE(one.refusal("fma.f32x2 %d1, %d2, %d3, %d4"), "");
  EXPECT_NE(one.refusal("add.sat.f32x2 %d1, %d2, %d3"), "");
}

TEST(IsaSm100, SumsWithBf16AreExactBeforeTheyAreRounded) {
  const auto brain = [](uint64_t bits) { return static_cast<uint32_t>(bits) << 16; };
  for (const RoundingName& rounding : kRoundings) {
    const std::string r = rounding.word;
    expect_lanes("add" + r + ".f32.bf16 %f1, %h2, %f3", [&](auto* in) {
      return twin32('+', rounding.mode, false, brain(in[0]), static_cast<uint32_t>(in[1]), 0);
    });
    expect_lanes("sub" + r + ".f32.bf16 %f1, %h2, %f3", [&](auto* in) {
      return twin32('-', rounding.mode, false, brain(in[0]), static_cast<uint32_t>(in[1]), 0);
    });
    expect_lanes("fma" + r + ".f32.bf16 %f1, %h2, %h3, %f4", [&](auto* in) {
      return twin32('f', rounding.mode, false, brain(in[0]), brain(in[1]),
                    static_cast<uint32_t>(in[2]));
    });
  }
  expect_lanes("add.sat.f32.bf16 %f1, %h2, %f3", [&](auto* in) -> uint64_t {
    const float sum =
        as_float(twin32('+', FE_TONEAREST, false, brain(in[0]), static_cast<uint32_t>(in[1]), 0));
    return sum > 1 ? bits_of_float(1) : sum > 0 ? bits_of_float(sum) : 0;
  });
}

constexpr FormatFacts kE2m3Facts = {3, 0, 7.5, false};
constexpr FormatFacts kE3m2Facts = {2, -2, 28.0, false};

// The numbers of a format, by counting: what a code is worth.
double worth(uint32_t code, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(code >> fraction_bits & ((1u << exponent_bits) - 1));
  const double fraction = (code & ((1u << fraction_bits) - 1)) / std::ldexp(1.0, fraction_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return (code >> (exponent_bits + fraction_bits) & 1) != 0 ? -magnitude : magnitude;
}

uint32_t code_of(float x, const FormatFacts& format, int exponent_bits, bool relu) {
  const int bits = exponent_bits + format.fraction_bits;
  if (x != x) return (1u << bits) - 1;  // the largest
  if (relu && !(x > 0)) x = 0;
  const double wanted = rounded(x, format, Rounding::NearestEven, true);
  for (uint32_t code = 0; code < 2u << bits; ++code) {
    const double is = worth(code, exponent_bits, format.fraction_bits);
    if (is == wanted && std::signbit(is) == std::signbit(wanted)) return code;
  }
  return ~0u;
}

TEST(IsaSm100, SmallFormatsAreRoundedToTheNearest) {
  for (const bool relu : {false, true}) {
    const std::string r = relu ? ".relu" : "";
    expect_lanes("cvt.rn.satfinite" + r + ".e2m3x2.f32 %h1, %f2, %f3", [&](auto* in) {
      return uint64_t{code_of(as_float(in[0]), kE2m3Facts, 2, relu)} << 8 |
             code_of(as_float(in[1]), kE2m3Facts, 2, relu);
    });
    expect_lanes("cvt.rn.satfinite" + r + ".e3m2x2.f32 %h1, %f2, %f3", [&](auto* in) {
      return uint64_t{code_of(as_float(in[0]), kE3m2Facts, 3, relu)} << 8 |
             code_of(as_float(in[1]), kE3m2Facts, 3, relu);
    });
  }
  // Values about the formats' own: every quarter of a step.
  OneWarp one(100);
  for (int quarter = -130; quarter <= 130; ++quarter) {
    const float x = static_cast<float>(quarter) / 16;
    one.set("%f2", 0, bits_of_float(x));
    one.set("%f3", 0, bits_of_float(-x * 4));
    one.run("cvt.rn.satfinite.e2m3x2.f32 %h1, %f2, %f3", 1);
    EXPECT_EQ(one.get("%h1", 0),
              code_of(x, kE2m3Facts, 2, false) << 8 | code_of(-x * 4, kE2m3Facts, 2, false));
    one.run("cvt.rn.satfinite.e3m2x2.f32 %h1, %f2, %f3", 1);
    EXPECT_EQ(one.get("%h1", 0),
              code_of(x, kE3m2Facts, 3, false) << 8 | code_of(-x * 4, kE3m2Facts, 3, false));
  }
}

TEST(IsaSm100, SmallFormatsAreWidenedExactly) {
  const auto half = [](double x) {
    return static_cast<uint64_t>(
        round_double<Half>(x, Rounding::NearestEven).bits);  // exact: all fit
  };
  expect_lanes("cvt.rn.f16x2.e2m3x2 %r1, %h2", [&](auto* in) {
    return half(worth(in[0] >> 8 & 0x3f, 2, 3)) << 16 | half(worth(in[0] & 0x3f, 2, 3));
  });
  expect_lanes("cvt.rn.f16x2.e3m2x2 %r1, %h2", [&](auto* in) {
    return half(worth(in[0] >> 8 & 0x3f, 3, 2)) << 16 | half(worth(in[0] & 0x3f, 3, 2));
  });
}

uint64_t power_code(float x, bool up, bool finite) {
  const double magnitude = std::fabs(static_cast<double>(x));
  if (x != x) return 0xff;
  if (std::isinf(x)) return finite ? 0xfe : 0xff;
  int exponent = -127;
  while (exponent < 128 && std::ldexp(1.0, exponent + 1) <= magnitude) ++exponent;
  if (up && std::ldexp(1.0, exponent) < magnitude) ++exponent;
  if (exponent == 128) return finite ? 0xfe : 0xff;
  return static_cast<uint64_t>(exponent + 127);
}

TEST(IsaSm100, ScalesArePowersOfTwo) {
  for (const bool up : {false, true}) {
    for (const bool finite : {false, true}) {
      const std::string words =
          std::string("cvt.") + (up ? "rp" : "rz") + (finite ? ".satfinite" : "") + ".ue8m0x2.";
      expect_lanes(words + "f32 %h1, %f2, %f3", [&](auto* in) {
        return power_code(as_float(in[0]), up, finite) << 8 |
               power_code(as_float(in[1]), up, finite);
      });
      expect_lanes(words + "bf16x2 %h1, %r2", [&](auto* in) {
        return power_code(as_float(in[0] & 0xffff0000), up, finite) << 8 |
               power_code(as_float(in[0] << 16 & 0xffffffff), up, finite);
      });
    }
  }
  expect_lanes("cvt.rn.bf16x2.ue8m0x2 %r1, %h2", [](auto* in) {
    const auto number = [](uint64_t code) -> uint64_t {
      if (code == 0xff) return 0x7fff;
      return bits_of_float(static_cast<float>(std::ldexp(1.0, static_cast<int>(code) - 127))) >> 16;
    };
    return number(in[0] >> 8 & 0xff) << 16 | number(in[0] & 0xff);
  });
}

// Rounded away with the share of the distance: of all random bits, as many as lie above.
TEST(IsaSm100, ChanceRoundsByTheDistance) {
  OneWarp one(100);
  const auto count_away = [&](const char* text, float x, uint32_t bits) {
    uint32_t away = 0;
    for (uint32_t random = 0; random < 1u << bits; random += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) {
        one.set("%f2", lane, bits_of_float(x));
        one.set("%f3", lane, bits_of_float(-x));
        const uint32_t r = random + static_cast<uint32_t>(lane);
        one.set("%r4", lane, r << 16 | r);
      }
      one.run(text);
      for (int lane = 0; lane < kLanes; ++lane) {
        const uint64_t result = one.get("%r1", lane);
        EXPECT_EQ((result >> 16 ^ result) & 0xffff, 0x8000u);
        away += result & 1;  // x lies above a number with an even last bit
      }
    }
    return away;
  };
  EXPECT_EQ(count_away("cvt.rs.f16x2.f32 %r1, %f2, %f3, %r4", 1.0f, 13), 0u);
  EXPECT_EQ(count_away("cvt.rs.f16x2.f32 %r1, %f2, %f3, %r4", 1.0f + 0x1p-12f, 13), 1u << 11);
  EXPECT_EQ(count_away("cvt.rs.f16x2.f32 %r1, %f2, %f3, %r4", 1.0f + 0x1p-23f, 13), 1u);
  EXPECT_EQ(count_away("cvt.rs.bf16x2.f32 %r1, %f2, %f3, %r4", 1.0f + 0x3p-9f, 16), 3u << 14);
  // Half of the least subnormal f16.
  EXPECT_EQ(count_away("cvt.rs.f16x2.f32 %r1, %f2, %f3, %r4", 0x1p-25f, 13), 1u << 12);
  for (const auto& [text, expected] :
       {std::pair("cvt.rs.f16x2.f32 %r1, %f2, %f3, %r4", 0x7c00u),
        std::pair("cvt.rs.satfinite.f16x2.f32 %r1, %f2, %f3, %r4", 0x7bffu)}) {
    one.set("%f3", 0, bits_of_float(1e9f));
    one.run(text, 1);
    EXPECT_EQ(one.get("%r1", 0) & 0xffff, expected);
  }
}

}  // namespace
}  // namespace fa4::emu::isa::sm100_test
