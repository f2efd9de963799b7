// SPDX-License-Identifier: Apache-2.0
#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"

namespace fa4::emu::isa::float_test {
namespace {

constexpr uint64_t kNan32 = 0x7fffffff;

uint64_t flushed_bits(uint64_t bits) { return (bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits; }
uint64_t result32(float x, bool ftz = false, bool sat = false) {
  if (x != x) return sat ? 0 : kNan32;
  if (sat)
    return bits_of_float(x >= 1  ? 1.0f
                         : x > 0 ? as_float(ftz ? flushed_bits(bits_of_float(x)) : bits_of_float(x))
                                 : 0.0f);
  return ftz ? flushed_bits(bits_of_float(x)) : bits_of_float(x);
}
bool is_nan64(uint64_t bits) { return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000; }
// The first NaN of the operands in an order, quiet; else the result, or the machine's own NaN.
uint64_t result64(double x, std::initializer_list<uint64_t> order) {
  for (const uint64_t bits : order) {
    if (is_nan64(bits)) return bits | 0x0008000000000000;
  }
  return x == x ? bits_of_double(x) : 0xfff8000000000000;
}

struct Mode {
  const char* name;
  int mode;
};
constexpr Mode kModes[] = {
    {"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};

TEST(IsaFloat, AddsMultipliesAndDividesInEveryRounding) {
  for (const auto& [name, mode] : kModes) {
    for (const bool ftz : {false, true}) {
      for (const bool sat : {false, true}) {
        const std::string tail = std::string(".") + name + (ftz ? ".ftz" : "") +
                                 (sat ? ".sat" : "") + ".f32 %f1, %f2, %f3";
        const auto twin = [mode = mode, ftz, sat](auto op) {
          return [=](const uint64_t* in) {
            const volatile float a = as_float(ftz ? flushed_bits(in[0]) : in[0]);
            const volatile float b = as_float(ftz ? flushed_bits(in[1]) : in[1]);
            const volatile float c = as_float(ftz ? flushed_bits(in[2]) : in[2]);
            return result32(in_mode(mode, [&] { return op(a, b, c); }), ftz, sat);
          };
        };
        expect_lanes("add" + tail, twin([](const volatile float& a, const volatile float& b,
                                           const volatile float&) -> float { return a + b; }));
        expect_lanes("sub" + tail, twin([](const volatile float& a, const volatile float& b,
                                           const volatile float&) -> float { return a - b; }));
        expect_lanes("mul" + tail, twin([](const volatile float& a, const volatile float& b,
                                           const volatile float&) -> float { return a * b; }));
        expect_lanes(
            "fma" + tail + ", %f4",
            twin([](const volatile float& a, const volatile float& b, const volatile float& c) {
              return std::fma(float{a}, float{b}, float{c});
            }));
        if (sat) continue;
        expect_lanes("div" + tail, twin([](const volatile float& a, const volatile float& b,
                                           const volatile float&) -> float { return a / b; }));
      }
    }
  }
}

TEST(IsaFloat, RootsAndReciprocals) {
  for (const auto& [name, mode] : kModes) {
    const std::string word = std::string(".") + name;
    expect_lanes("rcp" + word + ".f32 %f1, %f2", [mode = mode](auto* in) {
      const volatile float a = as_float(in[0]);
      return result32(in_mode(mode, [&] { return 1.0f / a; }));
    });
    expect_lanes("sqrt" + word + ".ftz.f32 %f1, %f2", [mode = mode](auto* in) {
      const volatile float a = as_float(flushed_bits(in[0]));
      return result32(in_mode(mode, [&] { return std::sqrt(float{a}); }), true);
    });
    expect_lanes("sqrt" + word + ".f64 %g1, %g2", [mode = mode](auto* in) {
      const volatile double a = as_double(in[0]);
      return result64(in_mode(mode, [&] { return std::sqrt(double{a}); }), {in[0]});
    });
  }
}

TEST(IsaFloat, DoublesKeepThePayloadOfTheFirstNan) {
  for (const auto& [name, mode] : kModes) {
    const std::string word = std::string(".") + name;
    expect_lanes("add" + word + ".f64 %g1, %g2, %g3", [mode = mode](auto* in) {
      const volatile double a = as_double(in[0]), b = as_double(in[1]);
      return result64(in_mode(mode, [&] { return a + b; }), {in[0], in[1]});
    });
    expect_lanes("sub" + word + ".f64 %g1, %g2, %g3", [mode = mode](auto* in) {
      const volatile double a = as_double(in[0]), b = as_double(in[1]);
      return result64(in_mode(mode, [&] { return a - b; }), {in[0], in[1]});
    });
    expect_lanes("mul" + word + ".f64 %g1, %g2, %g3", [mode = mode](auto* in) {
      const volatile double a = as_double(in[0]), b = as_double(in[1]);
      return result64(in_mode(mode, [&] { return a * b; }), {in[0], in[1]});
    });
    expect_lanes("div" + word + ".f64 %g1, %g2, %g3", [mode = mode](auto* in) {
      const volatile double a = as_double(in[0]), b = as_double(in[1]);
      return result64(in_mode(mode, [&] { return a / b; }), {in[0], in[1]});
    });
    expect_lanes("fma" + word + ".f64 %g1, %g2, %g3, %g4", [mode = mode](auto* in) {
      const volatile double a = as_double(in[0]), b = as_double(in[1]), c = as_double(in[2]);
      return result64(in_mode(mode, [&] { return std::fma(double{a}, double{b}, double{c}); }),
                      {in[0], in[2], in[1]});
    });
  }
  expect_lanes("neg.f64 %g1, %g2", [](auto* in) {
    return is_nan64(in[0]) ? in[0] | 0x0008000000000000 : in[0] ^ 0x8000000000000000;
  });
  expect_lanes("abs.f64 %g1, %g2", [](auto* in) {
    return is_nan64(in[0]) ? in[0] | 0x0008000000000000 : in[0] & 0x7fffffffffffffff;
  });
}

TEST(IsaFloat, ResultWithoutARoundingIsToTheNearest) {
  expect_lanes("add.f32 %f1, %f2, %f3",
               [](auto* in) { return result32(as_float(in[0]) + as_float(in[1])); });
  expect_lanes("mul.f32 %f1, %f2, 0f3FB8AA3B",
               [](auto* in) { return result32(as_float(in[0]) * as_float(0x3fb8aa3b)); });
  expect_lanes("mul.f64 %g1, %g2, %g3", [](auto* in) {
    return result64(as_double(in[0]) * as_double(in[1]), {in[0], in[1]});
  });
}

TEST(IsaFloat, SignsLoseTheNan) {
  const auto signed_to = [](uint64_t bits, uint64_t sign) {
    return (bits & 0x7fffffff) > 0x7f800000 ? kNan32 : (bits & 0x7fffffff) | sign;
  };
  expect_lanes("neg.f32 %f1, %f2", [=](auto* in) { return signed_to(in[0], ~in[0] & 0x80000000); });
  expect_lanes("abs.f32 %f1, %f2", [=](auto* in) { return signed_to(in[0], 0); });
  expect_lanes("abs.ftz.f32 %f1, %f2", [=](auto* in) { return signed_to(flushed_bits(in[0]), 0); });
  expect_lanes("copysign.f32 %f1, %f2, %f3",
               [](auto* in) { return (in[0] & 0x80000000) | (in[1] & 0x7fffffff); });
  expect_lanes("copysign.f64 %g1, %g2, %g3",
               [](auto* in) { return in[0] >> 63 << 63 | in[1] << 1 >> 1; });
}

// A total order in which -0 is below +0; NaNs apart.
int64_t ordered(uint64_t bits) {
  return (bits & 0x80000000) != 0 ? -static_cast<int64_t>(bits & 0x7fffffff) - 1
                                  : static_cast<int64_t>(bits);
}
bool is_nan32(uint64_t bits) { return (bits & 0x7fffffff) > 0x7f800000; }
uint64_t extreme(uint64_t a, uint64_t b, bool max, bool nan) {
  if (is_nan32(a) && is_nan32(b)) return kNan32;
  if (is_nan32(a) || is_nan32(b)) return nan ? kNan32 : is_nan32(a) ? b : a;
  return (ordered(a) < ordered(b)) != max ? a : b;
}

TEST(IsaFloat, ExtremesWithAndWithoutNan) {
  for (const bool max : {false, true}) {
    const std::string op = max ? "max" : "min";
    expect_lanes(op + ".f32 %f1, %f2, %f3",
                 [=](auto* in) { return extreme(in[0], in[1], max, false); });
    expect_lanes(op + ".NaN.f32 %f1, %f2, %f3",
                 [=](auto* in) { return extreme(in[0], in[1], max, true); });
    expect_lanes(op + ".ftz.f32 %f1, %f2, %f3", [=](auto* in) {
      return extreme(flushed_bits(in[0]), flushed_bits(in[1]), max, false);
    });
    expect_lanes(op + ".f32 %f1, %f2, %f3, %f4", [=](auto* in) {
      return extreme(extreme(in[0], in[1], max, false), in[2], max, false);
    });
    expect_lanes(op + ".NaN.abs.f32 %f1, %f2, %f3, %f4", [=](auto* in) {
      return extreme(extreme(in[0] & 0x7fffffff, in[1] & 0x7fffffff, max, true), in[2] & 0x7fffffff,
                     max, true);
    });
    expect_lanes(op + ".xorsign.abs.f32 %f1, %f2, %f3", [=](auto* in) {
      const uint64_t result = extreme(in[0] & 0x7fffffff, in[1] & 0x7fffffff, max, false);
      return is_nan32(result) ? kNan32 : result | ((in[0] ^ in[1]) & 0x80000000);
    });
    expect_lanes(op + ".f64 %g1, %g2, %g3", [=](auto* in) {
      const double a = as_double(in[0]), b = as_double(in[1]);
      if (a != a && b != b) return in[0] | 0x0008000000000000;
      if (a != a || b != b) return a != a ? in[1] : in[0];
      if (a == 0 && b == 0) return max ? in[0] & in[1] : in[0] | in[1];
      return (a < b) != max ? in[0] : in[1];
    });
  }
}

TEST(IsaFloat, TestsProperties) {
  expect_lanes("testp.finite.f32 %p1, %f2",
               [](auto* in) { return (in[0] & 0x7f800000) != 0x7f800000; });
  expect_lanes("testp.infinite.f32 %p1, %f2",
               [](auto* in) { return (in[0] & 0x7fffffff) == 0x7f800000; });
  expect_lanes("testp.number.f64 %p1, %g2", [](auto* in) { return !is_nan64(in[0]); });
  expect_lanes("testp.notanumber.f32 %p1, %f2", [](auto* in) { return is_nan32(in[0]); });
  expect_lanes("testp.normal.f32 %p1, %f2",
               [](auto* in) { return (in[0] >> 23 & 0xff) != 0 && (in[0] >> 23 & 0xff) != 0xff; });
  expect_lanes("testp.subnormal.f64 %p1, %g2",
               [](auto* in) { return (in[0] << 1 >> 53) == 0 && in[0] << 12 != 0; });
}

TEST(IsaFloat, RefusesWhatIsNoForm) {
  OneWarp one(80);
  EXPECT_NE(one.refusal("add.ftz.f64 %g1, %g2, %g3"), "");
  EXPECT_NE(one.refusal("fma.f32 %f1, %f2, %f3, %f4"), "");
  EXPECT_NE(one.refusal("div.f32 %f1, %f2, %f3"), "");
  EXPECT_NE(one.refusal("max.f32 %f1, %f2, %f3, %f4"), "");         // sm_100
  EXPECT_NE(one.refusal("min.xorsign.abs.f32 %f1, %f2, %f3"), "");  // sm_86
  EXPECT_NE(one.refusal("add.rna.f32 %f1, %f2, %f3"), "");
}

}  // namespace
}  // namespace fa4::emu::isa::float_test
