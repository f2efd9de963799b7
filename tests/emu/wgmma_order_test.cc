// SPDX-License-Identifier: Apache-2.0
// wgmma in time: what must be waited for, fenced and agreed upon, and that all policies give the same where it is.
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

// A [64, 16] and B [8, 16], bf16, K-major without a swizzle; all of it is 1, until a test says otherwise.
const std::string kWgmmaTile = R"(
  .shared .align 1024 .b8 tile[4096];
  mov.u32 %r10, tile;
  shl.b32 %r11, %r1, 2;
  add.s32 %r11, %r11, %r10;
  mov.b32 %r12, 0x3f803f80;
  st.shared.u32 [%r11], %r12;
  st.shared.u32 [%r11+512], %r12;
  st.shared.u32 [%r11+1024], %r12;
  st.shared.u32 [%r11+1536], %r12;
  st.shared.u32 [%r11+2048], %r12;
  fence.proxy.async.shared::cta;
  shr.u32 %r13, %r10, 4;
  cvt.u64.u32 %rd10, %r13;
  or.b64 %rd10, %rd10, 0x800400000;
  add.s64 %rd11, %rd10, 0x80;
  mov.f32 %f0, 0f3f800000;
  mov.f32 %f1, 0f40000000;
  mov.f32 %f2, 0f40400000;
  mov.f32 %f3, 0f40800000;
)";
// The leading offset of B is A's, 1024, of which B has but the tile's end: its second half lies there.
const std::string kMultiply =
    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, %rd10, %rd11, 1, 1, "
    "1, 0, 0;\n";
const std::string kFence = "wgmma.fence.sync.aligned;\n";
const std::string kCommit = "wgmma.commit_group.sync.aligned;\n";
const std::string kWait = "wgmma.wait_group.sync.aligned 0;\n";
const std::string kStore = R"(
  mul.wide.u32 %rd12, %r1, 16;
  add.s64 %rd12, %rd12, %rd1;
  st.global.v4.f32 [%rd12], {%f0, %f1, %f2, %f3};
)";

Words multiply(const std::string& body, const MachineOptions& options = {}) {
  MachineOptions on_hopper = options;
  on_hopper.arch = 90;
  // B's second half of k, which its descriptor finds 1024 bytes behind the first.
  const std::string rest =
      "st.shared.u32 [%r11+2560], %r12;\nst.shared.u32 [%r11+3072], %r12;\n"
      "st.shared.u32 [%r11+3584], %r12;\n";
  std::string text = kWgmmaTile;
  text.insert(text.find("  fence.proxy"), rest);
  return run(program(text + body), std::vector<uint32_t>(512, 7), {.threads = 128}, on_hopper);
}

std::vector<float> floats(const Words& words) {
  std::vector<float> values(words.values.size());
  std::memcpy(values.data(), words.values.data(), 4 * values.size());
  return values;
}

testing::AssertionResult all_are(const Words& words, const std::array<float, 4>& expected) {
  const std::vector<float> values = floats(words);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == expected[i % 4]) continue;
    return testing::AssertionFailure() << "value " << i << " is " << values[i];
  }
  return testing::AssertionSuccess();
}

bool says(const Words& words, const std::string& code, const std::string& part) {
  for (const Report& report : words.report.reports) {
    if (report.code == code && report.text.find(part) != std::string::npos) return true;
  }
  return false;
}

const std::string kBarrier = "bar.sync 0;\n";

TEST(WgmmaOrder, EveryPolicyGivesTheSame) {
  for (const Policy policy : kAllPolicies) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const Words words =
          multiply(kBarrier + kFence + kMultiply + kMultiply + kCommit + kWait + kStore,
                   {.policy = policy, .seed = seed});
      EXPECT_EQ(words.texts(), "") << name_of(policy);
      EXPECT_TRUE(all_are(words, {33, 34, 35, 36})) << name_of(policy);
    }
  }
}

TEST(WgmmaOrder, DBelongsToItUntilTheWait) {
  for (const Policy policy : kAllPolicies) {
    const Words words =
        multiply(kBarrier + kFence + kMultiply + kCommit + kStore + kWait, {.policy = policy});
    EXPECT_TRUE(says(words, "reg.in_flight", "it reads register 0 of the D of a wgmma"))
        << name_of(policy) << words.texts();
  }
  // Without checks the values tell.
  const Words words = multiply(kBarrier + kFence + kMultiply + kCommit + kStore + kWait,
                               {.policy = Policy::Lazy, .checks = false});
  EXPECT_FALSE(all_are(words, {17, 18, 19, 20}));
}

TEST(WgmmaOrder, AnOverwrittenDIsPoisonUntilItIsMade) {
  std::string once = kMultiply;
  once.replace(once.find("%rd11, 1"), 8, "%rd11, 0");
  const Words right = multiply(kBarrier + kFence + once + kCommit + kWait + kStore);
  EXPECT_TRUE(all_are(right, {16, 16, 16, 16})) << right.texts();
  const Words words = multiply(kBarrier + kFence + once + kCommit + kStore + kWait,
                               {.policy = Policy::Lazy, .checks = false});
  for (const uint32_t value : words.values) EXPECT_EQ(value, 0xffffffffu);
}

TEST(WgmmaOrder, WithoutACommitNothingIsWaitedFor) {
  const Words words = multiply(kBarrier + kFence + kMultiply + kWait + kStore);
  EXPECT_TRUE(says(words, "reg.in_flight", "register 0 of the D")) << words.texts();
}

TEST(WgmmaOrder, TheNewestGroupsMayBeUnfinished) {
  std::string other = kMultiply;
  other.replace(other.find("{%f0, %f1, %f2, %f3}"), 20, "{%f4, %f5, %f6, %f7}");
  other.replace(other.find("%rd11, 1"), 8, "%rd11, 0");
  const std::string two = kBarrier + kFence + kMultiply + kCommit + other + kCommit;
  const std::string one = "wgmma.wait_group.sync.aligned 1;\n";
  const std::string add = "add.f32 %f0, %f0, %f4;\n";
  for (const Policy policy : kAllPolicies) {
    const MachineOptions options = {.policy = policy};
    const Words right = multiply(two + one + kStore + kWait, options);
    EXPECT_EQ(right.texts(), "");
    EXPECT_TRUE(all_are(right, {17, 18, 19, 20}));
    const Words early = multiply(two + one + add + kStore + kWait, options);
    EXPECT_TRUE(says(early, "reg.in_flight", "it reads register 0 of the D")) << early.texts();
    const Words late = multiply(two + one + kWait + add + kStore, options);
    EXPECT_EQ(late.texts(), "");
    EXPECT_TRUE(all_are(late, {33, 18, 19, 20}));
  }
}

TEST(WgmmaOrder, ARegistersMayBeReadAndNotWritten) {
  const std::string in_registers =
      "mov.b32 %r20, %r12;\nmov.b32 %r21, %r12;\nmov.b32 %r22, %r12;\nmov.b32 %r23, %r12;\n" +
      kFence +
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, {%r20, %r21, "
      "%r22, %r23}, %rd11, 1, 1, 1, 0;\n" +
      kCommit;
  for (const Policy policy : kAllPolicies) {
    const MachineOptions options = {.policy = policy};
    const Words right =
        multiply(kBarrier + in_registers + "mov.b32 %r30, %r20;\n" + kWait + kStore, options);
    EXPECT_EQ(right.texts(), "");
    EXPECT_TRUE(all_are(right, {17, 18, 19, 20}));
    const Words early =
        multiply(kBarrier + in_registers + "mov.b32 %r21, 0;\n" + kWait + kStore, options);
    EXPECT_TRUE(says(early, "reg.in_flight", "it writes register 1 of the A")) << early.texts();
  }
}

TEST(WgmmaOrder, AResultIsNotAWithoutAWait) {
  const std::string chain =
      kFence + kMultiply + kCommit +
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f4, %f5, %f6, %f7}, {%f0, %f1, %f2, "
      "%f3}, %rd11, 0, 1, 1, 0;\n" +
      kCommit + kWait + kStore;
  EXPECT_TRUE(
      says(multiply(kBarrier + chain), "reg.in_flight", "it reads as A register 0 of the D"));
}

TEST(WgmmaOrder, AnAccumulatorOfAnotherShapeIsWaitedFor) {
  const std::string wider =
      kFence + kMultiply +
      "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%f4, %f5, %f6, %f7, %f0, %f1, %f2, "
      "%f3}, %rd10, %rd11, 0, 1, 1, 0, 0;\n" +
      kCommit + kWait + kStore;
  EXPECT_TRUE(says(multiply(kBarrier + wider), "reg.in_flight", "it writes as another D"));
}

TEST(WgmmaOrder, RegistersThatWereWrittenNeedAFence) {
  EXPECT_TRUE(says(multiply(kBarrier + kMultiply + kCommit + kWait + kStore), "wgmma.fence",
                   "no wgmma.fence comes before"));
  const std::string scaled =
      kBarrier + kFence + kMultiply + kCommit + kWait + "add.f32 %f2, %f2, 0f3f800000;\n";
  EXPECT_TRUE(says(multiply(scaled + kMultiply + kCommit + kWait + kStore), "wgmma.fence",
                   "1 of its registers have been written"));
  const Words right = multiply(scaled + kFence + kMultiply + kCommit + kWait + kStore);
  EXPECT_EQ(right.texts(), "");
  EXPECT_TRUE(all_are(right, {33, 34, 36, 36}));
}

TEST(WgmmaOrder, TheWarpsAgree) {
  const std::string shifted = "setp.gt.u32 %p1, %r1, 95;\n@%p1 add.s64 %rd11, %rd11, 1;\n";
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(kBarrier + shifted + kFence + kMultiply + kCommit + kWait + kStore,
                                 {.policy = policy});
    EXPECT_TRUE(says(words, "wgmma.disagree", "warps disagree")) << words.texts();
  }
  const std::string apart = "setp.gt.u32 %p1, %r1, 95;\n" + kFence + "@%p1 bra OTHER;\n" +
                            kMultiply + "bra BOTH;\nOTHER:\n" + kMultiply + "BOTH:\n" + kCommit +
                            kWait + kStore;
  EXPECT_TRUE(says(multiply(kBarrier + apart), "wgmma.disagree", "has come to another wgmma"));
  const std::string one_lane = "setp.eq.u32 %p1, %r1, 5;\n@%p1 add.s64 %rd11, %rd11, 1;\n";
  EXPECT_TRUE(says(multiply(kBarrier + one_lane + kFence + kMultiply + kCommit + kWait + kStore),
                   "wgmma.uniform", "in lane 5"));
}

TEST(WgmmaOrder, AWarpThatDoesNotComeIsADeadlock) {
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(kBarrier + "setp.gt.u32 %p1, %r1, 95;\n@%p1 bra END;\n" + kFence +
                                     kMultiply + kCommit + kWait + "END:\n",
                                 {.policy = policy});
    EXPECT_FALSE(words.report.finished);
    EXPECT_TRUE(says(words, "deadlock", "wgmma")) << words.texts();
    EXPECT_TRUE(says(words, "deadlock", "warp 3")) << words.texts();
  }
}

TEST(WgmmaOrder, SourcesAreReadUntilTheWait) {
  const std::string overwrite = "st.shared.u32 [%r11], 0;\n";
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(
        kBarrier + kFence + kMultiply + kCommit + overwrite + kWait + kStore, {.policy = policy});
    EXPECT_TRUE(says(words, "race.copy_pending", "st.shared.u32 [%r11], 0")) << words.texts();
  }
  // Behind a wait of its own warp and a barrier all may write.
  const Words right =
      multiply(kBarrier + kFence + kMultiply + kCommit + kWait + kBarrier + overwrite + kStore);
  EXPECT_EQ(right.texts(), "");
  const Words values =
      multiply(kBarrier + kFence + kMultiply + kCommit + overwrite + kWait + kStore,
               {.policy = Policy::Lazy, .checks = false});
  EXPECT_FALSE(all_are(values, {17, 18, 19, 20}));
}

// Two that read the same A, and each a B of its own, whose halves of k are 128 bytes: what the second reads is read until
// its own group is waited for, whatever is known of the first.
TEST(WgmmaOrder, ALaterOneThatReadsTheSameIsWaitedForToo) {
  std::string other = kMultiply;
  other.replace(other.find("%rd11"), 5, "%rd13");
  const std::string apart = kBarrier + "add.s64 %rd13, %rd11, 8;\n" + kFence;
  const std::string both = apart + kMultiply + kCommit + other + kCommit;
  const auto wait = [](int left) {
    return "wgmma.wait_group.sync.aligned " + std::to_string(left) + ";\n";
  };
  // A, the first half of k of one B, and of the other.
  const auto overwrite = [](const char* which) {
    return std::string("setp.lt.u32 %p2, %r1, 32;\n@%p2 st.shared.u32 [%r11+") + which + "], 0;\n";
  };
  const std::string of_a = overwrite("0"), of_first = overwrite("2048"),
                    of_second = overwrite("2176");
  for (const Policy policy : kAllPolicies) {
    const auto races = [&](const std::string& body) {
      const Words words = multiply(body + kWait + kStore, {.policy = policy});
      EXPECT_TRUE(words.texts().empty() || words.reported("race.copy_pending") ||
                  words.reported("race.read_vs_write"))
          << words.texts();
      return !words.texts().empty();
    };
    for (const std::string& what : {of_a, of_second}) {
      EXPECT_TRUE(races(both + wait(2) + kBarrier + what)) << what;
      EXPECT_TRUE(races(both + wait(1) + kBarrier + what)) << what;
      EXPECT_TRUE(races(apart + kMultiply + kCommit + other + kWait + kBarrier + what + kCommit));
      EXPECT_FALSE(races(both + kWait + kBarrier + what)) << what;
    }
    EXPECT_TRUE(races(both + wait(2) + kBarrier + of_first));
    EXPECT_FALSE(races(both + wait(1) + kBarrier + of_first));
  }
}

TEST(WgmmaOrder, SourcesAreWrittenBefore) {
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(kFence + kMultiply + kCommit + kWait + kStore, {.policy = policy});
    EXPECT_GT(words.report.num_errors, 0u) << name_of(policy);
    EXPECT_TRUE(words.reported("race.write_vs_read") || words.reported("smem.uninit") ||
                words.reported("race.copy_pending"))
        << words.texts();
  }
}

TEST(WgmmaOrder, OperandsLieInSharedMemory) {
  const std::string far = "or.b64 %rd11, %rd11, 0x3fff;\n";
  const Words words = multiply(kBarrier + far + kFence + kMultiply + kCommit + kWait + kStore);
  EXPECT_TRUE(says(words, "desc.bounds", "out of bounds: B, of 8 columns")) << words.texts();
  EXPECT_EQ(words.values[0], 0xffffffffu);
  const std::string reserved = "or.b64 %rd10, %rd10, 0x400000000000;\n";
  EXPECT_TRUE(says(multiply(kBarrier + reserved + kFence + kMultiply + kCommit + kWait + kStore),
                   "desc.reserved", "bad descriptor of A"));
}

TEST(WgmmaOrder, OneThatSomeWarpsNeverIssueIsReportedAtTheEnd) {
  const std::string without_warp_3 = "setp.ge.u32 %p1, %r1, 96;\n@%p1 bra END;\n";
  for (const Policy policy : kAllPolicies) {
    const Words words =
        multiply(kBarrier + without_warp_3 + kFence + kMultiply + "END:\n", {.policy = policy});
    EXPECT_TRUE(words.report.finished);
    EXPECT_TRUE(says(words, "async.unfinished", "warp 3 of the warpgroup has not come to it"));
  }
}

TEST(WgmmaOrder, ThreeWarpsAreNoWarpgroup) {
  const Words words = run(program(kWgmmaTile + kBarrier + kFence + kMultiply + kCommit + kWait),
                          std::vector<uint32_t>(512, 7), {.threads = 96}, {.arch = 90});
  EXPECT_TRUE(words.report.finished);
  EXPECT_TRUE(says(words, "wgmma.warpgroup", "no warpgroup: of 3 warps")) << words.texts();
}

// Why a text cannot be loaded.
std::string refusal(const std::string& instruction) {
  try {
    multiply(instruction + "\n");
  } catch (const MachineError& error) {
    return error.what();
  }
  return "";
}

TEST(WgmmaForms, WhatIsNotServedStops) {
  const std::string d4 = " {%f0, %f1, %f2, %f3}, ", ds = "%rd10, %rd11, 1";
  const auto form = [](const std::string& words) {
    return "wgmma.mma_async.sync.aligned." + words;
  };
  for (const std::string& unknown :
       {form("m64n8k8.f32.tf32.tf32") + d4 + ds + ", 1, 1;",
        form("m64n8k32.s32.s8.s8") + " {%r2, %r3, %r4, %r5}, " + ds + ";",
        form("m64n12k16.f32.bf16.bf16") + d4 + ds + ", 1, 1, 0, 0;",
        form("m64n8k16.f16.bf16.bf16") + " {%r2, %r3}, " + ds + ", 1, 1, 0, 0;",
        form("m64n8k16.f32.f16.bf16") + d4 + ds + ", 1, 1, 0, 0;"}) {
    EXPECT_NE(refusal(unknown).find("unknown form"), std::string::npos) << unknown;
  }
  EXPECT_NE(refusal(form("m64n16k16.f32.bf16.bf16") + d4 + ds + ", 1, 1, 0, 0;")
                .find("D of this shape is a vector of 8 registers"),
            std::string::npos);
  EXPECT_NE(refusal(form("m64n8k16.f32.bf16.bf16") + d4 + ds + ", 1, 2, 0, 0;")
                .find("2 stands where 1 or -1 must"),
            std::string::npos);
  EXPECT_NE(refusal(form("m64n8k16.f32.bf16.bf16") + d4 + ds + ", 1, 1;").find("operands"),
            std::string::npos);
  EXPECT_NE(refusal(form("m64n8k32.f32.e4m3.e4m3") + d4 + ds + ", 1, 1, 0, 0;").find("operands"),
            std::string::npos);
}

}  // namespace
}  // namespace fa4::emu::test
