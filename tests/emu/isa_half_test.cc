// SPDX-License-Identifier: Apache-2.0
#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"

namespace fa4::emu::isa::half_test {
namespace {

// What f16 and bf16 share, for twins in double.
struct Kind16 {
  const char* name;
  double (*value)(uint64_t);
  uint64_t (*bits)(double);
  FormatFacts facts;
  uint64_t exponent_mask;
};
const Kind16 kKinds[] = {{"f16", half_value, half_bits, kHalfFacts, 0x7c00},
                         {"bf16", brain_value, brain_bits, kBrainFacts, 0x7f80}};

uint64_t flushed16(uint64_t bits, const Kind16& kind) {
  return (bits & kind.exponent_mask) == 0 ? bits & 0x8000 : bits & 0xffff;
}

enum class End { Plain, Sat, Relu };

// A sum whose last bit says that something is missing below it, as the host finds it.
double sticky_sum(double p, double c) {
  const volatile double a = p, b = c;
  std::feclearexcept(FE_ALL_EXCEPT);
  const double sum = in_mode(FE_TOWARDZERO, [&] { return a + b; });
  const bool inexact = std::fetestexcept(FE_INEXACT) != 0;
  const double nearest = a + b;
  if (!inexact || !std::isfinite(sum)) return nearest;
  return as_double(bits_of_double(sum) | 1);
}

uint64_t finished(double x, const Kind16& kind, bool ftz, End end) {
  if (x != x) return end == End::Sat ? 0 : 0x7fff;
  uint64_t bits = kind.bits(rounded(x, kind.facts, Rounding::NearestEven, false));
  if (ftz) bits = flushed16(bits, kind);
  const double result = kind.value(bits);
  if (end == End::Sat) return kind.bits(result > 0 ? std::min(result, 1.0) : 0.0);
  if (end == End::Relu) return result > 0 ? bits : 0;
  return bits;
}

// The twin of an operation of three 16-bit values, for one and for each half of pairs.
using Op16 = std::function<double(double, double, double)>;
void expect_op(const std::string& op, const Kind16& kind, size_t inputs, bool ftz, End end,
               const Op16& twin) {
  const auto one = [=](uint64_t a, uint64_t b, uint64_t c) {
    const auto in = [&](uint64_t x) { return kind.value(ftz ? flushed16(x, kind) : x & 0xffff); };
    return finished(twin(in(a), in(b), in(c)), kind, ftz, end);
  };
  const std::string tail = inputs == 3 ? ", %h4" : "";
  expect_lanes(op + "." + kind.name + " %h1, %h2, %h3" + tail,
               [=](auto* in) { return one(in[0], in[1], in[2]); });
  const std::string pair_tail = inputs == 3 ? ", %r4" : "";
  expect_lanes(op + "." + kind.name + "x2 %r1, %r2, %r3" + pair_tail, [=](auto* in) {
    return one(in[0], in[1], in[2]) | one(in[0] >> 16, in[1] >> 16, in[2] >> 16) << 16;
  });
}

TEST(IsaHalf, AddsAndMultiplies) {
  for (const Kind16& kind : kKinds) {
    const bool f16 = kind.facts.fraction_bits == 10;
    for (const bool ftz : {false, true}) {
      for (const End end : {End::Plain, End::Sat}) {
        if (!f16 && (ftz || end != End::Plain)) continue;
        const std::string words =
            std::string(".rn") + (ftz ? ".ftz" : "") + (end == End::Sat ? ".sat" : "");
        expect_op("add" + words, kind, 2, ftz, end,
                  [](double a, double b, double) { return sticky_sum(a, b); });
        expect_op("sub" + words, kind, 2, ftz, end,
                  [](double a, double b, double) { return sticky_sum(a, -b); });
        expect_op("mul" + words, kind, 2, ftz, end,
                  [](double a, double b, double) { return a * b; });
      }
    }
  }
  expect_op("add", kKinds[0], 2, false, End::Plain,
            [](double a, double b, double) { return a + b; });
}

TEST(IsaHalf, FusesWithOneRounding) {
  const Op16 twin = [](double a, double b, double c) { return sticky_sum(a * b, c); };
  expect_op("fma.rn", kKinds[0], 3, false, End::Plain, twin);
  expect_op("fma.rn.ftz", kKinds[0], 3, true, End::Plain, twin);
  expect_op("fma.rn.sat", kKinds[0], 3, false, End::Sat, twin);
  expect_op("fma.rn.relu", kKinds[0], 3, false, End::Relu, twin);
  expect_op("fma.rn.ftz.relu", kKinds[0], 3, true, End::Relu, twin);
  expect_op("fma.rn", kKinds[1], 3, false, End::Plain, twin);
  expect_op("fma.rn.relu", kKinds[1], 3, false, End::Relu, twin);
}

// Products in the middle between two numbers, and what decides is too small for 24 bits: nothing, or the smallest number.
TEST(IsaHalf, FusesTiesByWhatLiesFarBelow) {
  constexpr double kOdd[2][2] = {
      {47, 45}, {15, 27}};  // of as many bits as a number has and one more: 2115, 405
  for (const size_t k : {0, 1}) {
    const Kind16& kind = kKinds[k];
    OneWarp one;
    std::array<uint64_t, kLanes> in[3], expected;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double a =
          std::ldexp(lane & 1 ? -kOdd[k][0] : kOdd[k][0], static_cast<int>(lane) % 5 - 3);
      in[0][lane] = kind.bits(a);
      in[1][lane] = kind.bits(kOdd[k][1]);
      in[2][lane] = lane / 2 % 3 == 0 ? 0 : lane / 2 % 3 == 1 ? 1 : 0x8001;
      expected[lane] =
          finished(sticky_sum(a * kOdd[k][1], kind.value(in[2][lane])), kind, false, End::Plain);
    }
    for (size_t lane = 0; lane < kLanes; ++lane) {
      for (size_t i = 0; i < 3; ++i) {
        const std::string number = std::to_string(i + 2);
        one.set("%h" + number, static_cast<int>(lane), in[i][lane]);
        one.set("%r" + number, static_cast<int>(lane),
                in[i][lane] | in[i][kLanes - 1 - lane] << 16);
      }
    }
    const std::string op = std::string("fma.rn.") + kind.name;
    one.run(op + " %h1, %h2, %h3, %h4");
    one.run(op + "x2 %r1, %r2, %r3, %r4");
    for (size_t lane = 0; lane < kLanes; ++lane) {
      EXPECT_EQ(one.get("%h1", static_cast<int>(lane)), expected[lane]) << op << " " << lane;
      EXPECT_EQ(one.get("%r1", static_cast<int>(lane)),
                expected[lane] | expected[kLanes - 1 - lane] << 16)
          << op << "x2 " << lane;
    }
  }
}

uint64_t extreme16(uint64_t a, uint64_t b, const Kind16& kind, bool max, bool nan) {
  const double x = kind.value(a), y = kind.value(b);
  if ((x != x && y != y) || ((x != x || y != y) && nan)) return 0x7fff;
  if (x != x) return b;
  if (y != y) return a;
  if (x == y) return max ? a & b : a | b;  // the same, or two zeros
  return (x < y) != max ? a : b;
}

TEST(IsaHalf, ExtremesWithAndWithoutNan) {
  for (const Kind16& kind : kKinds) {
    for (const bool max : {false, true}) {
      const std::string op = max ? "max" : "min";
      for (const bool nan : {false, true}) {
        const std::string words = op + (nan ? ".NaN" : "");
        const auto one = [=](uint64_t a, uint64_t b) {
          return extreme16(a & 0xffff, b & 0xffff, kind, max, nan);
        };
        expect_lanes(words + "." + kind.name + " %h1, %h2, %h3",
                     [=](auto* in) { return one(in[0], in[1]); });
        expect_lanes(words + "." + kind.name + "x2 %r1, %r2, %r3", [=](auto* in) {
          return one(in[0], in[1]) | one(in[0] >> 16, in[1] >> 16) << 16;
        });
        expect_lanes(words + ".xorsign.abs." + kind.name + " %h1, %h2, %h3", [=](auto* in) {
          const uint64_t result = one(in[0] & 0x7fff, in[1] & 0x7fff);
          return kind.value(result) != kind.value(result) ? 0x7fff
                                                          : result | ((in[0] ^ in[1]) & 0x8000);
        });
      }
    }
  }
  expect_lanes("min.ftz.f16 %h1, %h2, %h3", [](auto* in) {
    return extreme16(flushed16(in[0], kKinds[0]), flushed16(in[1], kKinds[0]), kKinds[0], false,
                     false);
  });
}

TEST(IsaHalf, SignsLoseTheNan) {
  for (const Kind16& kind : kKinds) {
    const auto one = [=](uint64_t bits, bool abs) -> uint64_t {
      bits &= 0xffff;
      return kind.value(bits) != kind.value(bits) ? 0x7fff : abs ? bits & 0x7fff : bits ^ 0x8000;
    };
    expect_lanes(std::string("neg.") + kind.name + " %h1, %h2",
                 [=](auto* in) { return one(in[0], false); });
    expect_lanes(std::string("abs.") + kind.name + "x2 %r1, %r2",
                 [=](auto* in) { return one(in[0], true) | one(in[0] >> 16, true) << 16; });
  }
}

bool compare16(const std::string& word, double a, double b) {
  const bool unordered = a != a || b != b;
  if (word == "lt") return a < b;
  if (word == "geu") return unordered || a >= b;
  if (word == "eq") return a == b;
  if (word == "neu") return unordered || a != b;
  return unordered;  // nan
}

TEST(IsaHalf, Compares) {
  for (const Kind16& kind : kKinds) {
    const std::string name = kind.name;
    const uint64_t one = kind.bits(1.0);
    for (const std::string word : {"lt", "geu", "eq", "neu", "nan"}) {
      const auto holds = [=](uint64_t a, uint64_t b) {
        return compare16(word, kind.value(a), kind.value(b));
      };
      expect_lanes("setp." + word + "." + name + " %p1, %h2, %h3",
                   [=](auto* in) { return holds(in[0], in[1]); });
      expect_lanes("setp." + word + "." + name + "x2 %p1|%p2, %r2, %r3",
                   [=](auto* in) { return holds(in[0], in[1]); });
      expect_lanes("set." + word + "." + name + "." + name + " %h1, %h2, %h3",
                   [=](auto* in) { return holds(in[0], in[1]) ? one : 0; });
      expect_lanes("set." + word + ".u16." + name + " %h1, %h2, %h3",
                   [=](auto* in) { return holds(in[0], in[1]) ? 0xffff : 0; });
      expect_lanes("set." + word + ".and." + name + "x2." + name + "x2 %r1, %r2, %r3, %p1",
                   [=](auto* in) {
                     if (in[2] == 0) return uint64_t{0};
                     return (holds(in[0], in[1]) ? one : 0) |
                            (holds(in[0] >> 16, in[1] >> 16) ? one << 16 : 0);
                   });
      expect_lanes("set." + word + ".u32." + name + "x2 %r1, %r2, %r3", [=](auto* in) {
        return (holds(in[0], in[1]) ? 0xffff : 0) |
               (holds(in[0] >> 16, in[1] >> 16) ? 0xffff0000 : 0);
      });
    }
  }
}

TEST(IsaHalf, SecondPredicateIsOfTheHighHalves) {
  OneWarp one;
  for (int lane = 0; lane < kLanes; ++lane) {
    one.set("%r1", lane, 0x3c004000);  // 1, 2
    one.set("%r2", lane, 0x40003c00);  // 2, 1
  }
  one.run("setp.lt.f16x2 %p1|%p2, %r1, %r2");
  EXPECT_EQ(one.warp.predicates[1], 0u);
  EXPECT_EQ(one.warp.predicates[2], kAllLanes);
}

TEST(IsaHalf, RefusesWhatIsNoForm) {
  OneWarp one(80);
  EXPECT_NE(one.refusal("add.bf16 %h1, %h2, %h3"), "");  // sm_90
  EXPECT_NE(one.refusal("fma.rn.sat.bf16 %h1, %h2, %h3, %h4"), "");
  EXPECT_NE(one.refusal("fma.rn.sat.relu.f16 %h1, %h2, %h3, %h4"), "");
  EXPECT_NE(one.refusal("setp.lt.f16x2 %p1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("add.rz.f16 %h1, %h2, %h3"), "");
}

}  // namespace
}  // namespace fa4::emu::isa::half_test
