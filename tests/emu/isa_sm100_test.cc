// SPDX-License-Identifier: Apache-2.0
// What sm_100 adds to arithmetic: pairs of f32, sums with 16-bit operands, small formats, rounding by chance, redux.f32.
#include <algorithm>

#include "emu/isa_fixture.h"
#include "emu/isa_rounding.h"
#include "emu/tmem_programs.h"

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
constexpr FormatFacts kE2m1Facts = {1, 0, 6.0, false};

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
        {"cvt.rs.satfinite.f16x2.f32 %r1, %f2, %f3, %r4", 0x7bffu}}) {
    one.set("%f3", 0, bits_of_float(1e9f));
    one.run(text, 1);
    EXPECT_EQ(one.get("%r1", 0) & 0xffff, expected);
  }
}

TEST(IsaSm100, ReduxOfFloatsIsAsMinAndMax) {
  OneWarp one(100);
  for (int lane = 0; lane < kLanes; ++lane) {
    one.set("%f2", lane, bits_of_float(static_cast<float>((lane * 7 + 3) % 32) - 20));
  }
  const auto result = [&](const char* text) {
    one.run(text);
    for (int lane = 1; lane < kLanes; ++lane) EXPECT_EQ(one.get("%f1", lane), one.get("%f1", 0));
    return as_float(one.get("%f1", 5));
  };
  EXPECT_EQ(result("redux.sync.min.f32 %f1, %f2, 0xffffffff"), -20.0f);
  EXPECT_EQ(result("redux.sync.max.f32 %f1, %f2, 0xffffffff"), 11.0f);
  EXPECT_EQ(result("redux.sync.max.abs.f32 %f1, %f2, 0xffffffff"), 20.0f);
  EXPECT_EQ(result("redux.sync.min.abs.f32 %f1, %f2, 0xffffffff"), 0.0f);
  one.set("%f2", 9, kNan);
  EXPECT_EQ(result("redux.sync.max.f32 %f1, %f2, 0xffffffff"), 11.0f);
  one.run("redux.sync.max.NaN.f32 %f1, %f2, 0xffffffff");
  EXPECT_EQ(one.get("%f1", 31), kNan);
}

}  // namespace
}  // namespace fa4::emu::isa::sm100_test

namespace fa4::emu::test {
namespace {

// Pairs of e2m1 lie in registers of 8 bits, which four fill one of 32.
TEST(MachineSm100, FourBitsInRegistersOfEight) {
  const Words words = run(sm100_program(R"(
  .reg .b8 %b<4>;
  mov.f32 %f1, 0f40c00000;
  mov.f32 %f2, 0fbf000000;
  cvt.rn.satfinite.e2m1x2.f32 %b1, %f1, %f2;
  cvt.rn.satfinite.relu.e2m1x2.f32 %b2, %f2, %f1;
  mov.b32 %r2, {%b1, %b2, %b1, %b2};
  cvt.rn.f16x2.e2m1x2 %r3, %b1;
  mov.b32 {%b1, _, _, %b3}, %r2;
  cvt.rn.f16x2.e2m1x2 %r4, %b3;
  st.global.v4.u32 [%rd1], {%r2, %r3, %r4, %r4};
)"),
                          {.threads = 32}, kSm100, 4);
  EXPECT_CLEAN(words);
  EXPECT_EQ(words.values[0], 0x07790779u);
  EXPECT_EQ(words.values[1], 0x4600b800u);  // 6, -0.5
  EXPECT_EQ(words.values[2], 0x00004600u);
}

TEST(MachineSm100, MovesOf256Bits) {
  const std::string text = R"(
  mul.wide.u32 %rd4, %r1, 32;
  add.s64 %rd4, %rd4, %rd1;
  ld.global.v8.b32 {%r10, %r11, %r12, _, %r14, %r15, %r16, %r17}, [%rd4];
  add.u32 %r10, %r10, 5;
  ld.global.nc.L1::no_allocate.L2::evict_first.L2::256B.v4.b64 {%rd10, %rd11, %rd12, %rd13}, [%rd4];
  st.global.v4.b64 [%rd4+1024], {%rd13, %rd12, %rd11, %rd10};
  st.relaxed.cta.global.L1::no_allocate.v8.b32 [%rd4+2048], {%r17, %r16, %r15, %r14, %r14, %r12, %r11, %r10};
)";
  std::vector<uint32_t> values(768);
  for (uint32_t i = 0; i < 768; ++i) values[i] = i;
  const Words words = run(sm100_program(text), values, {.threads = 32}, kSm100);
  EXPECT_CLEAN(words);
  for (uint32_t i = 0; i < 256; ++i) {
    EXPECT_EQ(words.values[256 + i], i / 8 * 8 + (3 - i % 8 / 2) * 2 + i % 2);
    const uint32_t of = 7 - i % 8;
    EXPECT_EQ(words.values[512 + i], i / 8 * 8 + (of == 3 ? 4 : of) + (of == 0 ? 5 : 0));
  }
  EXPECT_THROW(run(program(text), values, {.threads = 32}, {.arch = 90}), MachineError);
  std::string shared = sm100_program(text);
  shared.replace(shared.find("ld.global.v8"), 12, "ld.shared.v8");
  EXPECT_THROW(run(shared, values, {.threads = 32}, kSm100), MachineError);
}

// Clusters that take others over until none is left: each CTA index is counted once, by whoever works for it.
const char* const kTakeOver = R"(
  .shared .align 16 .b8 answer[16];
  .shared .align 8 .b64 full;
  .reg .b128 %q<2>;
  mov.u32 %r10, answer;
  mov.u32 %r11, full;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 mbarrier.init.shared::cta.b64 [%r11], 1;
  fence.mbarrier_init.release.cluster;
  mov.u32 %r20, %ctaid.x;
  mov.u32 %r21, %ctaid.y;
  mov.u32 %r22, %cluster_ctarank;
  mov.u32 %r30, 0;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
WORK:
  mad.lo.u32 %r23, %r21, 8, %r20;
  mul.wide.u32 %rd5, %r23, 4;
  add.s64 %rd5, %rd5, %rd1;
  @%p1 red.global.add.u32 [%rd5], 1;
  @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r11], 16;
  setp.eq.and.u32 %p2, %r22, 0, %p1;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  @%p2 clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.multicast::cluster::all.b128 [%r10], [%r11];
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], %r30;
  @!%p3 bra WAIT;
  xor.b32 %r30, %r30, 1;
  ld.shared.b128 %q1, [%r10];
  clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 %p4, %q1;
  @!%p4 bra DONE;
  clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128 {%r24, %r25, %r26, _}, %q1;
  clusterlaunchcontrol.query_cancel.get_first_ctaid::x.b32.b128 %r27, %q1;
  setp.ne.u32 %p5, %r27, %r24;
  @%p5 trap;
  add.u32 %r20, %r24, %r22;
  mov.u32 %r21, %r25;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  bra WORK;
DONE:
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
)";

TEST(MachineSm100, ClustersTakeOverOthers) {
  for_all_schedules(
      [](const MachineOptions& options) {
        Machine machine(options);
        const ModuleId module = machine.load(sm100_program(kTakeOver));
        std::vector<uint32_t> counts(24, 0);
        const auto address = reinterpret_cast<uint64_t>(counts.data());
        machine.memory().add({"words", address, counts.size() * 4, true});
        KernelLaunch launch;
        launch.module = module;
        launch.entry = "kernel";
        launch.grid = {8, 3, 1};
        launch.block = {64, 1, 1};
        launch.cluster = {2, 1, 1};
        launch.params.resize(8);
        std::memcpy(launch.params.data(), &address, 8);
        const RunReport report = machine.launch(launch);
        EXPECT_TRUE(report.finished);
        EXPECT_EQ(report.num_errors, 0u) << (report.reports.empty() ? "" : report.reports[0].text);
        EXPECT_EQ(counts, std::vector<uint32_t>(24, 1));
      },
      100);
}

TEST(MachineSm100, AnAnswerThatIsNoneIsReported) {
  const Words words = run(sm100_program(R"(
  .shared .align 16 .b8 answer[16];
  .reg .b128 %q<2>;
  mov.u32 %r10, answer;
  st.shared.v4.u32 [%r10], {%r1, %r1, %r1, %r1};
  ld.shared.b128 %q1, [%r10];
  clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 %p4, %q1;
)"),
                          {.threads = 1}, kSm100, 4);
  EXPECT_TRUE(says(words, "clc.answer", {"is no answer"}));
}

// What one architecture has alone.
TEST(MachineSm100, ArchitecturesRefuseOneAnothersForms) {
  const auto refused = [](const std::string& body, uint32_t arch) {
    try {
      run(program(body), {.threads = 32}, {.arch = arch}, 32);
    } catch (const MachineError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string fence = "tcgen05.fence::before_thread_sync;";
  EXPECT_EQ(refused(fence, 100), "");
  EXPECT_EQ(refused(fence, 103), "");
  EXPECT_NE(refused(fence, 90), "");
  EXPECT_NE(refused(fence, 120).find("is of sm_100 to sm_103; this machine is sm_120"),
            std::string::npos);
  EXPECT_NE(refused("wgmma.fence.sync.aligned;", 100), "");
  EXPECT_EQ(refused("redux.sync.max.f32 %f1, %f2, 0xffffffff;", 103), "");
  EXPECT_NE(refused("redux.sync.max.f32 %f1, %f2, 0xffffffff;", 120), "");
  EXPECT_EQ(refused("add.rn.f32x2 %rd4, %rd5, %rd6;", 120), "");
  EXPECT_NE(refused("add.rn.f32x2 %rd4, %rd5, %rd6;", 90), "");
}

}  // namespace
}  // namespace fa4::emu::test
