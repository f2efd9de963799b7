// SPDX-License-Identifier: Apache-2.0
#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"

namespace fa4::emu::isa::convert_test {
namespace {

__extension__ using Int = __int128;

struct IntegerKind {
  const char* name;
  int bits;
  bool is_signed;
  const char* reg;

  Int least() const { return is_signed ? -(Int{1} << (bits - 1)) : 0; }
  Int most() const { return (Int{1} << (is_signed ? bits - 1 : bits)) - 1; }
  // The number that the low bits of a register are.
  Int value(uint64_t x) const {
    const Int low = static_cast<Int>(x) & ((Int{1} << bits) - 1);
    return is_signed && (low >> (bits - 1) & 1) != 0 ? low - (Int{1} << bits) : low;
  }
};
constexpr IntegerKind kIntegers[] = {{"u8", 8, false, "%h"},   {"s8", 8, true, "%h"},
                                     {"u16", 16, false, "%h"}, {"s16", 16, true, "%h"},
                                     {"u32", 32, false, "%r"}, {"s32", 32, true, "%r"},
                                     {"u64", 64, false, "%d"}, {"s64", 64, true, "%d"}};

uint64_t in_register(Int x, const char* reg) {
  const int bits = reg[1] == 'h' ? 16 : reg[1] == 'r' ? 32 : 64;
  return static_cast<uint64_t>(x & ((Int{1} << bits) - 1));
}
std::string text_of(const std::string& words, const std::string& to, const std::string& from) {
  return "cvt." + words + " " + to + "1, " + from + "2";
}

TEST(IsaConvert, IntegersKeepTheirLowBitsOrSaturate) {
  OneWarp one;
  for (const IntegerKind& d : kIntegers) {
    for (const IntegerKind& s : kIntegers) {
      const std::string pair = std::string(d.name) + "." + s.name;
      expect_lanes(text_of(pair, d.reg, s.reg), [&](auto* in) {
        return in_register(d.value(static_cast<uint64_t>(s.value(in[0]))), d.reg);
      });
      const std::string sat = text_of("sat." + pair, d.reg, s.reg);
      if (s.least() >= d.least() && s.most() <= d.most()) {
        EXPECT_NE(one.refusal(sat), "") << sat;  // nothing to saturate
        continue;
      }
      expect_lanes(sat, [&](auto* in) {
        return in_register(std::min(std::max(s.value(in[0]), d.least()), d.most()), d.reg);
      });
    }
  }
}

TEST(IsaConvert, RegistersMayBeWiderThanTheTypes) {
  expect_lanes("cvt.s8.s32 %r1, %r2",
               [](auto* in) { return static_cast<uint32_t>(static_cast<int8_t>(in[0])); });
  expect_lanes("cvt.u8.u32 %r1, %r2", [](auto* in) { return in[0] & 0xff; });
  expect_lanes("cvt.s8.s32 %d1, %r2",
               [](auto* in) { return static_cast<uint64_t>(static_cast<int8_t>(in[0])); });
  expect_lanes("cvt.s16.s64 %r1, %d2",
               [](auto* in) { return static_cast<uint32_t>(static_cast<int16_t>(in[0])); });
  expect_lanes("cvt.u64.u8 %d1, %d2", [](auto* in) { return in[0] & 0xff; });
  expect_lanes("cvt.s32.s16 %r1, %d2",
               [](auto* in) { return static_cast<uint32_t>(static_cast<int16_t>(in[0])); });
  expect_lanes("cvt.rzi.s8.f32 %r1, %f2", [](auto* in) -> uint64_t {
    const float x = as_float(in[0]);
    if (x != x) return 0;
    return static_cast<uint32_t>(
        static_cast<int32_t>(std::trunc(std::min(std::max(x, -128.0f), 127.0f))));
  });
  OneWarp one;
  EXPECT_NE(one.refusal("cvt.rn.f16.f32 %r1, %f2"), "");
}

struct Mode {
  const char* word;
  Rounding rounding;
};
constexpr Mode kModes[] = {{"rn", Rounding::NearestEven},
                           {"rz", Rounding::Zero},
                           {"rm", Rounding::Down},
                           {"rp", Rounding::Up}};

double whole(double x, Rounding rounding) {
  return rounding == Rounding::NearestEven ? std::nearbyint(x)
         : rounding == Rounding::Zero      ? std::trunc(x)
         : rounding == Rounding::Down      ? std::floor(x)
                                           : std::ceil(x);
}

struct FloatKind {
  const char* name;
  const char* reg;
  double (*value)(uint64_t);
};
double float_value(uint64_t bits) { return as_float(bits); }
const FloatKind kFloats[] = {{"f16", "%h", half_value},
                             {"bf16", "%h", brain_value},
                             {"f32", "%f", float_value},
                             {"f64", "%g", as_double}};

TEST(IsaConvert, FloatsBecomeIntegersInTheirRange) {
  for (const FloatKind& s : kFloats) {
    for (const IntegerKind& d : kIntegers) {
      if (std::string_view(s.name) == "bf16" && d.bits == 8) continue;
      for (const auto& [word, rounding] : kModes) {
        expect_lanes(text_of(std::string(word) + "i." + d.name + "." + s.name, d.reg, s.reg),
                     [&, rounding = rounding](auto* in) {
                       const double x = s.value(in[0]);
                       // NaN: 0, or the top bit alone where a type has 64 bits (9.7.9.21).
                       const bool wide = d.bits == 64 || std::string_view(s.name) == "f64";
                       if (x != x)
                         return wide ? in_register(d.value(uint64_t{1} << (d.bits - 1)), d.reg)
                                     : uint64_t{0};
                       const double y = whole(x, rounding);
                       const Int most = d.most(), least = d.least();
                       const Int result = y >= static_cast<double>(most)
                                              ? (y > static_cast<double>(most) ? most
                                                 : static_cast<Int>(y) > most  ? most
                                                                              : static_cast<Int>(y))
                                          : y <= static_cast<double>(least) ? least
                                                                            : static_cast<Int>(y);
                       return in_register(result, d.reg);
                     });
      }
    }
  }
  expect_lanes("cvt.rmi.ftz.s32.f32 %r1, %f2", [](auto* in) -> uint64_t {
    const float x = (in[0] & 0x7f800000) == 0 ? 0.0f : as_float(in[0]);
    if (x != x) return 0;
    return static_cast<uint32_t>(static_cast<int64_t>(
        std::floor(std::min(std::max(static_cast<double>(x), -2147483648.0), 2147483647.0))));
  });
}

int host_mode(Rounding rounding) {
  return rounding == Rounding::NearestEven ? FE_TONEAREST
         : rounding == Rounding::Zero      ? FE_TOWARDZERO
         : rounding == Rounding::Down      ? FE_DOWNWARD
                                           : FE_UPWARD;
}

TEST(IsaConvert, IntegersBecomeFloats) {
  for (const auto& [word, rounding] : kModes) {
    const std::string w = word;
    const int mode = host_mode(rounding);
    expect_lanes("cvt." + w + ".f32.s64 %f1, %d2", [=](auto* in) {
      const volatile auto x = static_cast<int64_t>(in[0]);
      return bits_of_float(in_mode(mode, [&] { return static_cast<float>(x); }));
    });
    expect_lanes("cvt." + w + ".f64.u64 %g1, %d2", [=](auto* in) {
      const volatile uint64_t high = in[0] >> 32,
                              low = in[0] & 0xffffffff;  // exact, and one rounded sum
      return bits_of_double(
          in_mode(mode,
                  [&] { return static_cast<double>(high) * 0x1p32 + static_cast<double>(low); }) +
          0.0);
    });
    expect_lanes("cvt." + w + ".f16.s32 %h1, %r2", [=, rounding = rounding](auto* in) {
      return half_bits(rounded(static_cast<int32_t>(in[0]), kHalfFacts, rounding, false));
    });
    expect_lanes("cvt." + w + ".bf16.u32 %h1, %r2", [=, rounding = rounding](auto* in) {
      return brain_bits(rounded(static_cast<double>(in[0]), kBrainFacts, rounding, false));
    });
    expect_lanes("cvt." + w + ".sat.f32.s8 %f1, %h2", [](auto* in) {
      return bits_of_float(static_cast<int8_t>(in[0]) > 0 ? 1.0f : 0.0f);
    });
  }
}

bool is_nan64(uint64_t bits) { return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000; }
bool is_nan32(uint64_t bits) { return (bits & 0x7fffffff) > 0x7f800000; }

TEST(IsaConvert, FloatsOfDifferentWidths) {
  expect_lanes("cvt.f32.f16 %f1, %h2", [](auto* in) {
    const double x = half_value(in[0]);
    return x != x ? 0x7fffffff : bits_of_float(static_cast<float>(x));
  });
  expect_lanes("cvt.f32.bf16 %f1, %h2", [](auto* in) { return in[0] << 16; });
  expect_lanes("cvt.f64.f32 %g1, %f2", [](auto* in) -> uint64_t {
    if (is_nan32(in[0]))
      return (in[0] & 0x80000000) << 32 | 0x7ff8000000000000 | (in[0] & 0x7fffff) << 29;
    return bits_of_double(as_float(in[0]));
  });
  for (const auto& [word, rounding] : kModes) {
    const std::string w = word;
    const int mode = host_mode(rounding);
    expect_lanes("cvt." + w + ".f32.f64 %f1, %g2", [=](auto* in) -> uint64_t {
      if (is_nan64(in[0])) return in[0] >> 63 << 31 | 0x7fc00000 | (in[0] >> 29 & 0x7fffff);
      const volatile double x = as_double(in[0]);
      return bits_of_float(in_mode(mode, [&] { return static_cast<float>(x); }));
    });
    expect_lanes("cvt." + w + ".f16.f64 %h1, %g2", [=, rounding = rounding](auto* in) -> uint64_t {
      if (is_nan64(in[0])) return in[0] >> 63 << 15 | 0x7e00 | (in[0] >> 42 & 0x3ff);
      return half_bits(rounded(as_double(in[0]), kHalfFacts, rounding, false));
    });
    expect_lanes("cvt." + w + ".ftz.f16.f32 %h1, %f2", [=, rounding = rounding](auto* in) {
      return half_bits(rounded(as_float(in[0]), kHalfFacts, rounding, false));  // not flushed
    });
    expect_lanes("cvt." + w + ".bf16.f32 %h1, %f2", [=, rounding = rounding](auto* in) {
      return brain_bits(rounded(as_float(in[0]), kBrainFacts, rounding, false));
    });
    expect_lanes("cvt." + w + "i.f32.f32 %f1, %f2", [=, rounding = rounding](auto* in) {
      return is_nan32(in[0]) ? 0x7fffffff
                             : bits_of_float(static_cast<float>(whole(as_float(in[0]), rounding)));
    });
  }
  expect_lanes("cvt.sat.f32.f32 %f1, %f2", [](auto* in) {
    const float x = as_float(in[0]);
    return bits_of_float(x > 0 ? std::min(x, 1.0f) : 0.0f);
  });
}

TEST(IsaConvert, FirstOperandGoesToTheHighHalf) {
  for (const bool half : {true, false}) {
    const std::string name = half ? "f16x2" : "bf16x2";
    const FormatFacts facts = half ? kHalfFacts : kBrainFacts;
    for (const bool relu : {false, true}) {
      for (const bool finite : {false, true}) {
        for (const Mode& mode : {kModes[0], kModes[1]}) {
          const auto one = [=](uint64_t bits) {
            double x = as_float(bits);
            if (relu && x <= 0) x = 0;
            x = rounded(x, facts, mode.rounding, finite);
            return half ? half_bits(x) : brain_bits(x);
          };
          const std::string words =
              std::string(mode.word) + (relu ? ".relu" : "") + (finite ? ".satfinite" : "");
          expect_lanes("cvt." + words + "." + name + ".f32 %r1, %f2, %f3",
                       [=](auto* in) { return one(in[0]) << 16 | one(in[1]); });
        }
      }
    }
  }
}

TEST(IsaConvert, EightBitFloats) {
  for (const bool e4m3 : {true, false}) {
    const std::string name = e4m3 ? "e4m3x2" : "e5m2x2";
    for (const bool relu : {false, true}) {
      const std::string words = relu ? "rn.satfinite.relu." : "rn.satfinite.";
      const auto one = [=](double x) {
        if (relu && x <= 0) x = 0;
        return e4m3 ? e4m3_bits(rounded(x, kE4m3Facts, Rounding::NearestEven, true))
                    : e5m2_bits(rounded(x, kE5m2Facts, Rounding::NearestEven, true));
      };
      expect_lanes("cvt." + words + name + ".f32 %h1, %f2, %f3",
                   [=](auto* in) { return one(as_float(in[0])) << 8 | one(as_float(in[1])); });
      expect_lanes("cvt." + words + name + ".f16x2 %h1, %r2", [=](auto* in) {
        return one(half_value(in[0] >> 16)) << 8 | one(half_value(in[0]));
      });
    }
    expect_lanes("cvt.rn.f16x2." + name + " %r1, %h2", [=](auto* in) {
      const auto value = e4m3 ? e4m3_value : e5m2_value;
      return half_bits(value(in[0] >> 8)) << 16 | half_bits(value(in[0]));
    });
  }
}

TEST(IsaConvert, Tf32HasTenBits) {
  const auto bits = [](double x) { return bits_of_value(x, kTf32Facts, 8, 0) << 13; };
  expect_lanes("cvt.rna.tf32.f32 %r1, %f2", [=](auto* in) {
    if (is_nan32(in[0])) return in[0] & 0xffffe000;
    return bits(rounded(as_float(in[0]), kTf32Facts, Rounding::NearestAway, false));
  });
  expect_lanes("cvt.rz.relu.tf32.f32 %r1, %f2", [=](auto* in) -> uint64_t {
    const float x = as_float(in[0]);
    if (x != x) return 0x7fffe000;
    return x <= 0 ? 0 : bits(rounded(x, kTf32Facts, Rounding::Zero, false));
  });
}

TEST(IsaConvert, PacksClampedIntegers) {
  const auto clamped = [](uint64_t x, int64_t least, int64_t most) {
    return static_cast<uint64_t>(std::min(std::max(int64_t{static_cast<int32_t>(x)}, least), most));
  };
  expect_lanes("cvt.pack.sat.u16.s32 %r1, %r2, %r3",
               [=](auto* in) { return clamped(in[0], 0, 65535) << 16 | clamped(in[1], 0, 65535); });
  expect_lanes("cvt.pack.sat.s8.s32.b32 %r1, %r2, %r3, %r4", [=](auto* in) {
    return (in[2] << 16 & 0xffff0000) | (clamped(in[0], -128, 127) & 0xff) << 8 |
           (clamped(in[1], -128, 127) & 0xff);
  });
}

TEST(IsaConvert, RefusesWhatIsNoForm) {
  OneWarp one(80);
  EXPECT_NE(one.refusal("cvt.f16.f32 %h1, %f2"), "");
  EXPECT_NE(one.refusal("cvt.rn.s32.f32 %r1, %f2"), "");
  EXPECT_NE(one.refusal("cvt.f32.s32 %f1, %r2"), "");
  EXPECT_NE(one.refusal("cvt.rm.f16x2.f32 %r1, %f2, %f3"), "");
  EXPECT_NE(one.refusal("cvt.rn.e4m3x2.f32 %h1, %f2, %f3"), "");
  EXPECT_NE(one.refusal("cvt.rn.satfinite.e4m3x2.f32 %h1, %f2, %f3"), "");  // sm_89
  EXPECT_NE(one.refusal("cvt.rm.bf16.f32 %h1, %f2"), "");                   // sm_90
}

}  // namespace
}  // namespace fa4::emu::isa::convert_test
