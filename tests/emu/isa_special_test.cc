// SPDX-License-Identifier: Apache-2.0
// Approximations: within the table's bound of the true value, and exact where the manual says what a special operand gives.
#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"

namespace fa4::emu::isa::special_test {
namespace {

float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

// The manual's bound, and the spacing of floats on top.
void expect_near(const std::string& op, double (*truth)(double), double relative, double absolute,
                 bool ftz) {
  std::mt19937_64 random(std::hash<std::string>{}(op));
  OneWarp one;
  for (int round = 0; round < 3000; ++round) {
    for (int lane = 0; lane < kLanes; ++lane) one.set("%f2", lane, any_value(random, 32));
    one.run(op + " %f1, %f2");
    for (int lane = 0; lane < kLanes; ++lane) {
      float x = as_float(one.get("%f2", lane));
      if (ftz) x = flushed(x);
      const double expected = truth(x);
      const uint64_t got = one.get("%f1", lane);
      if (expected != expected) {
        ASSERT_EQ(got, 0x7fffffffu) << op << ' ' << std::hexfloat << x;
      } else if (std::isinf(static_cast<float>(expected))) {
        ASSERT_EQ(got, bits_of_float(static_cast<float>(expected)))
            << op << ' ' << std::hexfloat << x;
      } else {
        const double least = ftz ? 0x1p-126 : 0x1p-149;
        ASSERT_LE(std::fabs(as_float(got) - expected),
                  std::max({std::fabs(expected) * relative, absolute, least}))
            << op << ' ' << std::hexfloat << x << " gives " << as_float(got);
      }
    }
  }
}

TEST(IsaSpecial, StaysWithinTheManualsBounds) {
  for (const bool ftz : {false, true}) {
    const std::string tail = ftz ? ".approx.ftz.f32" : ".approx.f32";
    expect_near(
        "ex2" + tail, [](double x) { return std::exp2(x); }, 0x1p-22, 0, ftz);
    expect_near(
        "lg2" + tail, [](double x) { return std::log2(x); }, 0x1p-22, 0x1p-22, ftz);
    expect_near(
        "rcp" + tail, [](double x) { return 1 / x; }, 0x1p-23, 0, ftz);
    expect_near(
        "sqrt" + tail, [](double x) { return std::sqrt(x); }, 0x1p-23, 0, ftz);
    expect_near(
        "rsqrt" + tail, [](double x) { return 1 / std::sqrt(x); }, 0x1p-22, 0, ftz);
  }
  expect_near(
      "tanh.approx.f32", [](double x) { return std::tanh(x); }, 0x1p-10, 0, false);
}

TEST(IsaSpecial, SinesAreGoodNearZero) {
  OneWarp one;
  std::mt19937_64 random(5);
  for (int round = 0; round < 3000; ++round) {
    for (int lane = 0; lane < kLanes; ++lane) {
      one.set("%f2", lane,
              bits_of_float(static_cast<float>(random() % 0x6487ee) * 0x1p-20f - 3.14f));
    }
    one.run("sin.approx.f32 %f1, %f2");
    one.run("cos.approx.ftz.f32 %f3, %f2");
    for (int lane = 0; lane < kLanes; ++lane) {
      const double x = as_float(one.get("%f2", lane));
      ASSERT_NEAR(as_float(one.get("%f1", lane)), std::sin(x), 0x1p-20) << x;
      ASSERT_NEAR(as_float(one.get("%f3", lane)), std::cos(x), 0x1p-20) << x;
    }
  }
}

TEST(IsaSpecial, GivesTheManualsSpecialValues) {
  struct Case {
    const char* text;
    uint32_t in, out;
  };
  constexpr Case kCases[] = {
      {"ex2.approx.ftz.f32 %f1, %f2", 0xff800000, 0},
      {"ex2.approx.ftz.f32 %f1, %f2", 0x80000000, 0x3f800000},
      {"ex2.approx.ftz.f32 %f1, %f2", 0x00000001, 0x3f800000},
      {"ex2.approx.ftz.f32 %f1, %f2", 0x7f800000, 0x7f800000},
      {"ex2.approx.ftz.f32 %f1, %f2", 0xc2fc0001, 0},
      {"ex2.approx.f32 %f1, %f2", 0xc3150000, 0x00000001},  // 2^-149
      {"ex2.approx.ftz.f32 %f1, %f2", 0x7fc12345, 0x7fffffff},
      {"lg2.approx.ftz.f32 %f1, %f2", 0x80000001, 0xff800000},
      {"lg2.approx.f32 %f1, %f2", 0x00000001, 0xc3150000},
      {"lg2.approx.f32 %f1, %f2", 0xbf800000, 0x7fffffff},
      {"rcp.approx.ftz.f32 %f1, %f2", 0x80000001, 0xff800000},
      {"rcp.approx.ftz.f32 %f1, %f2", 0x7f000001, 0},
      {"rcp.approx.ftz.f32 %f1, %f2", 0xff800000, 0x80000000},
      {"sqrt.approx.f32 %f1, %f2", 0x80000000, 0x80000000},
      {"rsqrt.approx.f32 %f1, %f2", 0x80000000, 0xff800000},
      {"rsqrt.approx.f32 %f1, %f2", 0x7f800000, 0},
      {"sin.approx.f32 %f1, %f2", 0x7f800000, 0x7fffffff},
      {"cos.approx.ftz.f32 %f1, %f2", 0x00000001, 0x3f800000},
      {"tanh.approx.f32 %f1, %f2", 0xff800000, 0xbf800000},
  };
  OneWarp one;
  for (const Case& c : kCases) {
    for (int lane = 0; lane < kLanes; ++lane) one.set("%f2", lane, c.in);
    one.run(c.text);
    EXPECT_EQ(one.get("%f1", 17), c.out) << c.text << ' ' << std::hex << c.in;
  }
}

TEST(IsaSpecial, NarrowFormsRoundTheSameFunctions) {
  const auto ex2 = [](uint64_t bits) {
    return half_bits(
        rounded(std::exp2(half_value(bits)), kHalfFacts, Rounding::NearestEven, false));
  };
  const auto tanh = [](uint64_t bits) {
    return brain_bits(
        rounded(std::tanh(brain_value(bits)), kBrainFacts, Rounding::NearestEven, false));
  };
  OneWarp one;
  for (uint32_t first = 0; first < 0x10000; first += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      one.set("%h2", lane, first + lane);
      one.set("%r2", lane, (first + lane) << 16 | 0x3c00);
    }
    one.run("ex2.approx.f16 %h1, %h2");
    one.run("ex2.approx.f16x2 %r1, %r2");
    one.run("tanh.approx.bf16 %h3, %h2");
    for (int lane = 0; lane < kLanes; ++lane) {
      ASSERT_LE(std::llabs(static_cast<int64_t>(one.get("%h1", lane)) -
                           static_cast<int64_t>(ex2(first + lane))),
                1);
      ASSERT_EQ(one.get("%r1", lane), one.get("%h1", lane) << 16 | 0x4000);
      ASSERT_LE(std::llabs(static_cast<int64_t>(one.get("%h3", lane)) -
                           static_cast<int64_t>(tanh(first + lane))),
                1);
    }
  }
}

TEST(IsaSpecial, DivisionByApproximation) {
  OneWarp one;
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    for (int lane = 0; lane < kLanes; ++lane) {  // far from overflow and from subnormal numbers
      one.set("%f2", lane, 0x30000000 + random() % 0x20000000);
      one.set("%f3", lane, 0xb0000000 + random() % 0x20000000);
    }
    one.run("div.full.f32 %f1, %f2, %f3");
    for (int lane = 0; lane < kLanes; ++lane) {
      const double q =
          static_cast<double>(as_float(one.get("%f2", lane))) / as_float(one.get("%f3", lane));
      ASSERT_NEAR(as_float(one.get("%f1", lane)), q, std::fabs(q) * 0x1p-22);
    }
  }
  // A divisor beyond 2^126 gives 0, or NaN for an infinite dividend.
  for (const auto& [a, out] : {std::pair<uint32_t, uint32_t>{0x7f7fffff, 0},
                               {0xbf800000, 0x80000000},
                               {0x7f800000, 0x7fffffff}}) {
    for (int lane = 0; lane < kLanes; ++lane) {
      one.set("%f2", lane, a);
      one.set("%f3", lane, 0x7e800001);
    }
    one.run("div.approx.f32 %f1, %f2, %f3");
    EXPECT_EQ(one.get("%f1", 3), out);
  }
}

TEST(IsaSpecial, UpperHalvesOfDoubles) {
  const auto upper = [](double x) {
    return x != x ? 0x7fffffff00000000 : bits_of_double(x) & 0xffffffff00000000;
  };
  const auto flushed64 = [](double x) {
    return std::fabs(x) < 0x1p-1022 ? std::copysign(0.0, x) : x;
  };
  expect_lanes("rcp.approx.ftz.f64 %g1, %g2", [=](auto* in) {
    return upper(flushed64(1 / flushed64(as_double(in[0] & 0xffffffff00000000))));
  });
  expect_lanes("rsqrt.approx.ftz.f64 %g1, %g2", [=](auto* in) {
    return upper(1 / std::sqrt(flushed64(as_double(in[0] & 0xffffffff00000000))));
  });
}

}  // namespace
}  // namespace fa4::emu::isa::special_test
