// SPDX-License-Identifier: Apache-2.0
// shfl, vote, match, redux, activemask, elect and bar.warp, in programs.
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <random>
#include <set>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

std::vector<uint32_t> random_words(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> words(count);
  for (uint32_t& word : words) word = static_cast<uint32_t>(random());
  return words;
}

void expect_quiet_warp(const Words& words) {
  EXPECT_TRUE(words.report.finished) << words.texts();
  EXPECT_TRUE(words.report.reports.empty()) << words.texts();
}

// Words of 32 lanes: input 0 at word 0, input 1 at 32, outputs at 64 and 96. %r10 and %r11 hold the inputs, %r20 and
// %r21 the outputs.
std::string lane_program(const std::string& body) {
  return program(
      "  ld.global.u32 %r10, [%rd2];\n  ld.global.u32 %r11, [%rd2+128];\n"
      "  mov.u32 %r20, 0;\n  mov.u32 %r21, 0;\n" +
      body + "  st.global.u32 [%rd2+256], %r20;\n  st.global.u32 [%rd2+384], %r21;\n");
}

// As CUDA defines __shfl_sync and its kin: segments of `width` lanes, a lane outside its segment keeps its value.
uint32_t shuffle_source(const std::string& mode, uint32_t lane, uint32_t by, uint32_t width) {
  const uint32_t base = lane / width * width, end = base + width;
  if (mode == "up") return lane >= base + by ? lane - by : lane;
  if (mode == "down") return lane + by < end ? lane + by : lane;
  if (mode == "bfly") return (lane ^ by) < end ? lane ^ by : lane;
  return base + by % width;
}

TEST(IsaWarp, Shuffles) {
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const uint32_t width : {32u, 16u, 8u, 2u}) {
      const uint32_t c = (32 - width) << 8 | (mode == "up" ? 0 : 31);
      std::vector<uint32_t> values = random_words(128, width);
      for (size_t i = 32; i < 64; ++i) values[i] %= 32;
      const Words words =
          run(lane_program(fmt::format("  shfl.sync.{}.b32 %r20|%p1, %r10, %r11, {}, -1;\n"
                                       "  selp.u32 %r21, 1, 0, %p1;\n",
                                       mode, c)),
              values);
      expect_quiet_warp(words);
      for (uint32_t lane = 0; lane < 32; ++lane) {
        const uint32_t by = values[32 + lane];
        const uint32_t source = shuffle_source(mode, lane, by, width);
        EXPECT_EQ(words.values[64 + lane], values[source])
            << mode << " " << width << " lane " << lane;
        const bool inside = mode == "idx" || source != lane || by == 0;
        EXPECT_EQ(words.values[96 + lane], inside ? 1u : 0u)
            << mode << " " << width << " lane " << lane;
      }
    }
  }
}

// The result may lie where an operand is, and the predicate may be left out.
TEST(IsaWarp, ShuffleOntoItself) {
  const std::vector<uint32_t> values = random_words(128, 1);
  const Words words = run(lane_program("  shfl.sync.bfly.b32 %r10, %r10, 5, 31, -1;\n"
                                       "  mov.u32 %r20, %r10;\n"),
                          values);
  expect_quiet_warp(words);
  for (uint32_t lane = 0; lane < 32; ++lane) EXPECT_EQ(words.values[64 + lane], values[lane ^ 5]);
}

// Halves of the warp, each with a mask of its own, in one instruction and in two arms.
TEST(IsaWarp, GroupsOfTheirOwn) {
  const std::string together = R"(
  setp.lt.u32 %p1, %r1, 16;
  selp.u32 %r2, 0x0000ffff, 0xffff0000, %p1;
  redux.sync.add.u32 %r20, %r10, %r2;
  match.any.sync.b32 %r21, %r1, %r2;
)";
  const std::string apart = R"(
  setp.lt.u32 %p1, %r1, 16;
  @%p1 bra LOW;
  redux.sync.add.u32 %r20, %r10, 0xffff0000;
  match.any.sync.b32 %r21, %r1, 0xffff0000;
  bra.uni END;
LOW:
  redux.sync.add.u32 %r20, %r10, 0x0000ffff;
  match.any.sync.b32 %r21, %r1, 0x0000ffff;
END:
)";
  const std::vector<uint32_t> values = random_words(128, 2);
  uint32_t sums[2] = {0, 0};
  for (size_t lane = 0; lane < 32; ++lane) sums[lane / 16] += values[lane];
  for (const std::string& body : {together, apart}) {
    for (const Policy policy : kAllPolicies) {
      const Words words = run(lane_program(body), values, {}, {.policy = policy, .seed = 5});
      expect_quiet_warp(words);
      for (uint32_t lane = 0; lane < 32; ++lane) {
        EXPECT_EQ(words.values[64 + lane], sums[lane / 16]);
        EXPECT_EQ(words.values[96 + lane], 1u << lane);
      }
    }
  }
}

// Lanes come to the instruction at different times, on a way that need not lead there.
const char* const kLateLanes = R"(
  setp.lt.u32 %p1, %r1, 7;
  setp.eq.u32 %p2, %r1, 99;
  @%p1 bra LATE;
HERE:
  redux.sync.or.b32 %r20, %r10, -1;
  bra.uni END;
LATE:
  @%p2 bra END;
  add.u32 %r10, %r10, 0;
  bra.uni HERE;
END:
)";

TEST(IsaWarp, LanesAreWaitedFor) {
  const std::vector<uint32_t> values = random_words(128, 3);
  uint32_t all = 0;
  for (size_t lane = 0; lane < 32; ++lane) all |= values[lane];
  for (const Policy policy : kAllPolicies) {
    const Words words = run(lane_program(kLateLanes), values, {}, {.policy = policy, .seed = 1});
    expect_quiet_warp(words);
    for (uint32_t lane = 0; lane < 32; ++lane) EXPECT_EQ(words.values[64 + lane], all);
  }
}

// A lane that has exited, before or while the others wait, is not waited for.
TEST(IsaWarp, ExitedLanesAreNotWaitedFor) {
  for (const char* const condition : {"lt", "ge"}) {
    const std::string body = fmt::format(R"(
  setp.{}.u32 %p1, %r1, 7;
  @%p1 bra LEAVE;
  vote.sync.ballot.b32 %r20, !%p1, -1;
  bra.uni END;
LEAVE:
  mov.u32 %r2, 0;
  exit;
END:
)",
                                         condition);
    for (const Policy policy : kAllPolicies) {
      const Words words =
          run(lane_program(body), std::vector<uint32_t>(128, 0), {}, {.policy = policy, .seed = 2});
      expect_quiet_warp(words);
      const uint32_t left = std::strcmp(condition, "lt") == 0 ? ~0x7fu : 0x7fu;
      for (uint32_t lane = 0; lane < 32; ++lane) {
        EXPECT_EQ(words.values[64 + lane], (left >> lane & 1) != 0 ? left : 0);
      }
    }
  }
}

TEST(IsaWarp, LanesThatNeverComeAreADeadlock) {
  const Words words = run(lane_program(R"(
  setp.lt.u32 %p1, %r1, 7;
  @%p1 bra OTHER;
  bar.warp.sync -1;
  bra.uni END;
OTHER:
  bar.warp.sync 0xff;
END:
)"),
                          std::vector<uint32_t>(128, 0));
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(words.reported("deadlock")) << words.texts();
}

TEST(IsaWarp, MasksThatAreWrong) {
  const std::vector<uint32_t> values(128, 0);
  // Lanes that their own mask does not name; lanes with another mask; lanes with a false guard.
  EXPECT_TRUE(run(lane_program("  redux.sync.add.u32 %r20, %r10, 0x0000ffff;\n"), values)
                  .reported("warp.mask"));
  EXPECT_TRUE(run(lane_program("  setp.lt.u32 %p1, %r1, 16;\n  selp.u32 %r2, -1, 0xffff0000, %p1;\n"
                               "  redux.sync.add.u32 %r20, %r10, %r2;\n"),
                  values)
                  .reported("warp.mask"));
  EXPECT_TRUE(run(lane_program("  setp.lt.u32 %p1, %r1, 16;\n"
                               "  @%p1 redux.sync.add.u32 %r20, %r10, -1;\n"),
                  values)
                  .reported("warp.mask"));
  // A source outside of the mask.
  EXPECT_TRUE(run(lane_program("  setp.lt.u32 %p1, %r1, 16;\n  @!%p1 bra END;\n"
                               "  shfl.sync.bfly.b32 %r20, %r10, 16, 31, 0xffff;\nEND:\n"),
                  values)
                  .reported("warp.absent_source"));
}

TEST(IsaWarp, Votes) {
  for (const uint32_t bits : {0u, 0xffffffffu, 0x00010000u, 0xfffffffeu, 0x5a5a0ff0u}) {
    std::vector<uint32_t> values(128, 0);
    for (size_t lane = 0; lane < 32; ++lane) values[lane] = bits >> lane & 1;
    const Words words = run(lane_program(R"(
  setp.ne.u32 %p1, %r10, 0;
  vote.sync.any.pred %p2, %p1, -1;
  vote.sync.all.pred %p3, %p1, -1;
  vote.sync.uni.pred %p4, %p1, -1;
  vote.sync.all.pred %p5, !%p1, -1;
  vote.sync.ballot.b32 %r20, %p1, -1;
  selp.u32 %r2, 1, 0, %p2;
  selp.u32 %r3, 2, 0, %p3;
  selp.u32 %r4, 4, 0, %p4;
  selp.u32 %r5, 8, 0, %p5;
  or.b32 %r21, %r2, %r3;
  or.b32 %r21, %r21, %r4;
  or.b32 %r21, %r21, %r5;
)"),
                            values);
    expect_quiet_warp(words);
    const bool none = bits == 0, all = bits == 0xffffffff;
    const uint32_t expected =
        (none ? 0 : 1) | (all ? 2 : 0) | (none || all ? 4 : 0) | (none ? 8 : 0);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(words.values[64 + lane], bits);
      EXPECT_EQ(words.values[96 + lane], expected) << bits;
    }
  }
}

TEST(IsaWarp, Matches) {
  for (const uint32_t kinds : {1u, 2u, 5u, 32u}) {
    std::vector<uint32_t> values = random_words(128, kinds);
    for (size_t i = 0; i < 64; ++i) values[i] = values[i] % kinds * 0x10001;
    // 64 bits: the second input is the high word.
    const Words words = run(lane_program(R"(
  match.any.sync.b32 %r20, %r10, -1;
  mov.b64 %rd5, {%r10, %r11};
  match.any.sync.b64 %r2, %rd5, -1;
  match.all.sync.b32 %r3|%p1, %r10, -1;
  match.all.sync.b64 %r4|%p2, %rd5, -1;
  selp.u32 %r5, %r3, 0x11, %p1;
  selp.u32 %r6, %r4, 0x22, %p2;
  xor.b32 %r21, %r2, %r5;
  xor.b32 %r21, %r21, %r6;
)"),
                            values);
    expect_quiet_warp(words);
    std::set<uint64_t> narrow, wide;
    for (size_t lane = 0; lane < 32; ++lane) {
      narrow.insert(values[lane]);
      wide.insert(values[lane] | static_cast<uint64_t>(values[32 + lane]) << 32);
    }
    for (size_t lane = 0; lane < 32; ++lane) {
      uint32_t same = 0, same_pair = 0;
      for (size_t other = 0; other < 32; ++other) {
        if (values[other] != values[lane]) continue;
        same |= 1u << other;
        if (values[32 + other] == values[32 + lane]) same_pair |= 1u << other;
      }
      EXPECT_EQ(words.values[64 + lane], same);
      const uint32_t all = narrow.size() == 1 ? 0xffffffff : 0x11;
      const uint32_t all_pairs = wide.size() == 1 ? 0xffffffff : 0x22;
      EXPECT_EQ(words.values[96 + lane], same_pair ^ all ^ all_pairs);
    }
  }
}

TEST(IsaWarp, Reductions) {
  const std::vector<uint32_t> values = random_words(128, 9);
  struct Case {
    const char* form;
    uint32_t (*op)(uint32_t, uint32_t);
  };
  const Case cases[] = {
      {"add.u32", [](uint32_t a, uint32_t b) { return a + b; }},
      {"add.s32", [](uint32_t a, uint32_t b) { return a + b; }},
      {"min.u32", [](uint32_t a, uint32_t b) { return std::min(a, b); }},
      {"max.u32", [](uint32_t a, uint32_t b) { return std::max(a, b); }},
      {"min.s32", [](uint32_t a, uint32_t b) { return int32_t(a) < int32_t(b) ? a : b; }},
      {"max.s32", [](uint32_t a, uint32_t b) { return int32_t(a) > int32_t(b) ? a : b; }},
      {"and.b32", [](uint32_t a, uint32_t b) { return a & b; }},
      {"or.b32", [](uint32_t a, uint32_t b) { return a | b; }},
      {"xor.b32", [](uint32_t a, uint32_t b) { return a ^ b; }},
  };
  for (const Case& one : cases) {
    const Words words =
        run(lane_program(fmt::format("  redux.sync.{} %r20, %r10, -1;\n", one.form)), values);
    expect_quiet_warp(words);
    uint32_t expected = values[0];
    for (size_t lane = 1; lane < 32; ++lane) expected = one.op(expected, values[lane]);
    for (size_t lane = 0; lane < 32; ++lane)
      EXPECT_EQ(words.values[64 + lane], expected) << one.form;
  }
}

TEST(IsaWarp, ActiveLanesAndTheElected) {
  const Words words = run(lane_program(R"(
  setp.ge.u32 %p1, %r1, 9;
  @!%p1 bra END;
  activemask.b32 %r20;
  elect.sync %r21|%p2, 0xfffffe00;
  @%p2 add.u32 %r21, %r21, 100;
END:
)"),
                          std::vector<uint32_t>(128, 0), {}, {.arch = 90});
  expect_quiet_warp(words);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(words.values[64 + lane], lane < 9 ? 0 : 0xfffffe00);
    EXPECT_EQ(words.values[96 + lane], lane < 9 ? 0 : lane == 9 ? 109 : 9u);
  }
  EXPECT_THROW(run(lane_program("  elect.sync %r21|%p2, -1;\n"), std::vector<uint32_t>(128, 0)),
               MachineError);
}

TEST(IsaWarp, FormsThatAreRefused) {
  const std::vector<uint32_t> values(128, 0);
  for (const char* const text :
       {"shfl.idx.b32 %r20, %r10, 0, 31;", "shfl.sync.idx.b32 %r20, %r10, 0, 31;",
        "vote.any.pred %p1, %p2;", "match.any.sync.b32 %r20|%p1, %r10, -1;",
        "redux.sync.add.f32 %r20, %r10, -1;", "redux.sync.and.u32 %r20, %r10, -1;",
        "elect.sync %r20, -1;"}) {
    EXPECT_THROW(run(lane_program(std::string("  ") + text + "\n"), values, {}, {.arch = 90}),
                 MachineError)
        << text;
  }
}

}  // namespace
}  // namespace fa4::emu::test
