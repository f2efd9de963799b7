// SPDX-License-Identifier: Apache-2.0
// Control flow, memory, barriers and copies of small programs, under every policy.
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

std::vector<uint32_t> zeros(size_t count) { return std::vector<uint32_t>(count, 0); }

void expect_clean(const Words& words) {
  EXPECT_TRUE(words.report.finished) << words.texts();
  EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
}

TEST(MachineRun, EachThreadKnowsItsPlace) {
  const Words words = run(program(R"(
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mad.lo.s32 %r4, %r2, %r3, %r1;
  mul.wide.u32 %rd4, %r4, 4;
  add.s64 %rd5, %rd1, %rd4;
  mov.u32 %r5, %laneid;
  shl.b32 %r6, %r4, 8;
  or.b32 %r6, %r6, %r5;
  st.global.u32 [%rd5], %r6;
)"),
                          zeros(150), {.threads = 50, .blocks = 3});
  expect_clean(words);
  for (uint32_t i = 0; i < 150; ++i) EXPECT_EQ(words.values[i], i << 8 | i % 50 % 32);
}

TEST(MachineRun, TheSizeOfAWarpHasAName) {
  const Words words = run(program(R"(
  mov.u32 %r2, WARP_SZ;
  mul.lo.u32 %r2, %r2, WARP_SZ;
  st.global.u32 [%rd2], %r2;
)"),
                          zeros(32), {.threads = 32});
  expect_clean(words);
  for (const uint32_t value : words.values) EXPECT_EQ(value, 1024u);
}

// Lanes leave a loop one by one, take one of two arms inside it, and meet at a barrier that must find all of them.
TEST(MachineRun, LanesThatPartMeetAgain) {
  const std::string text = program(R"(
  mov.u32 %r2, 0;
  mov.u32 %r3, 0;
LOOP:
  setp.ge.u32 %p1, %r3, %r1;
  @%p1 bra DONE;
  and.b32 %r4, %r3, 1;
  setp.eq.u32 %p2, %r4, 0;
  @%p2 bra EVEN;
  add.s32 %r2, %r2, 100;
  bra.uni NEXT;
EVEN:
  add.s32 %r2, %r2, 1;
NEXT:
  add.s32 %r3, %r3, 1;
  bra.uni LOOP;
DONE:
  bar.sync 0;
  st.global.u32 [%rd2], %r2;
)");
  for (const Policy policy : kAllPolicies) {
    const Words words = run(text, zeros(64), {.threads = 64}, {.policy = policy, .seed = 3});
    expect_clean(words);
    for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(words.values[i], (i + 1) / 2 + i / 2 * 100) << i;
  }
}

TEST(MachineRun, LanesExitEarly) {
  const Words words = run(program(R"(
  setp.gt.u32 %p1, %r1, 40;
  @%p1 exit;
  bar.sync 0;
  st.global.u32 [%rd2], 7;
)"),
                          zeros(96), {.threads = 96});
  expect_clean(words);
  for (uint32_t i = 0; i < 96; ++i) EXPECT_EQ(words.values[i], i > 40 ? 0u : 7u);
}

TEST(MachineRun, VariablesOfEverySpace) {
  const Words words = run(program(R"(
  .local .align 8 .b8 depot[16];
  .shared .align 4 .u32 own[64];
  mov.u64 %rd10, depot;
  cvta.local.u64 %rd11, %rd10;
  st.u32 [%rd11+4], %r1;
  ld.local.u32 %r2, [%rd10+4];
  mov.u32 %r3, own;
  shl.b32 %r4, %r1, 2;
  add.s32 %r3, %r3, %r4;
  st.shared.u32 [%r3], %r2;
  mov.u32 %r5, dynamic;
  add.s32 %r5, %r5, %r4;
  ld.const.u32 %r6, [table+8];
  ld.shared.u32 %r7, [%r3];
  add.s32 %r7, %r7, %r6;
  st.shared.u32 [%r5], %r7;
  ld.global.u32 %r8, [counter];
  ld.shared.u32 %r9, [%r5];
  add.s32 %r9, %r9, %r8;
  mov.u64 %rd12, pointer;
  ld.global.u64 %rd13, [%rd12];
  ld.global.u32 %r10, [%rd13];
  add.s32 %r9, %r9, %r10;
  st.global.u32 [%rd2], %r9;
)",
                                  R"(
.const .align 4 .u32 table[] = {1, 2, 1000};
.global .align 4 .u32 counter = 20000;
.global .align 8 .u64 pointer = generic(counter);
.extern .shared .align 16 .b8 dynamic[];
)"),
                          zeros(64), {.threads = 64, .dynamic_shared_bytes = 256});
  expect_clean(words);
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(words.values[i], i + 41000);
}

TEST(MachineRun, VectorsAndNarrowTypes) {
  std::vector<uint32_t> values = zeros(32 * 4);
  for (uint32_t i = 0; i < 32; ++i) values[4 * i] = 0x80ff7f01 + i;
  const Words words = run(program(R"(
  mul.wide.u32 %rd3, %r1, 16;
  add.s64 %rd2, %rd1, %rd3;
  ld.global.s8 %r2, [%rd2+3];
  ld.global.u8 %rs1, [%rd2+3];
  ld.global.s16 %rd5, [%rd2+2];
  ld.global.v2.u16 {%rs2, %rs3}, [%rd2];
  cvt.u32.u16 %r3, %rs1;
  cvt.u32.u64 %r4, %rd5;
  mov.b32 %r5, {%rs3, %rs2};
  st.global.v4.u32 [%rd2], {%r2, %r3, %r4, %r5};
)"),
                          values);
  expect_clean(words);
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(words.values[4 * i], 0xffffff80u);
    EXPECT_EQ(words.values[4 * i + 1], 0x80u);
    EXPECT_EQ(words.values[4 * i + 2], 0xffff80ffu);
    EXPECT_EQ(words.values[4 * i + 3], (0x7f01 + i) << 16 | 0x80ff);
  }
}

TEST(MachineRun, AtomicsCountEveryLane) {
  const Words words = run(program(R"(
  atom.global.add.u32 %r2, [%rd1], 1;
  red.global.max.u32 [%rd1+4], %r2;
)"),
                          zeros(2), {.threads = 96, .blocks = 5});
  expect_clean(words);
  EXPECT_EQ(words.values, (std::vector<uint32_t>{480, 479}));
}

TEST(MachineRun, VectorsAreAddedElementByElement) {
  const float one = 1.5;
  std::vector<uint32_t> values(4, std::bit_cast<uint32_t>(one));
  std::string text = program(R"(
  cvt.rn.f32.u32 %f1, %r1;
  mov.f32 %f2, 0f40000000;
  mov.f32 %f3, 0f00000001;
  mov.f32 %f4, 0f7F800000;
  red.global.add.v4.f32 [%rd1], {%f1, %f2, %f3, %f4};
)");
  text.replace(text.find("sm_80"), 5, "sm_90");
  const Words words = run(text, values, {}, {.arch = 90});
  expect_clean(words);
  const float sums[] = {1.5 + 496, 1.5 + 64, 1.5, INFINITY};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(std::bit_cast<float>(words.values[i]), sums[i]) << i;
  EXPECT_THROW(run(text, values, {}, {.arch = 80}), MachineError);
}

TEST(MachineRun, BarriersReduce) {
  const Words words = run(program(R"(
  setp.lt.u32 %p1, %r1, 40;
  bar.red.popc.u32 %r2, 1, %p1;
  bar.red.and.pred %p2, 1, %p1;
  bar.red.or.pred %p3, 1, !%p1;
  selp.b32 %r3, 100, 0, %p2;
  selp.b32 %r4, 1000, 0, %p3;
  add.s32 %r2, %r2, %r3;
  add.s32 %r2, %r2, %r4;
  st.global.u32 [%rd2], %r2;
)"),
                          zeros(64), {.threads = 64});
  expect_clean(words);
  for (const uint32_t value : words.values) EXPECT_EQ(value, 1040u);
}

// A ring of two buffers: what all kernels with cp.async do.
const char* const kCopyRing = R"(
  .shared .align 16 .b8 ring[2048];
  mov.u32 %r10, ring;
  shl.b32 %r11, %r1, 4;
  add.s32 %r12, %r10, %r11;
  mul.wide.u32 %rd3, %r1, 16;
  add.s64 %rd4, %rd1, %rd3;
  cp.async.cg.shared.global [%r12], [%rd4], 16;
  cp.async.commit_group;
  mov.u32 %r20, 0;
  mov.u32 %r21, 0;
LOOP:
  add.s32 %r22, %r20, 1;
  and.b32 %r23, %r22, 1;
  shl.b32 %r24, %r23, 10;
  add.s32 %r25, %r12, %r24;
  add.s64 %rd4, %rd4, 1024;
  setp.lt.u32 %p2, %r22, 4;
  @%p2 cp.async.cg.shared.global [%r25], [%rd4], 16;
  cp.async.commit_group;
  cp.async.wait_group 1;
  bar.sync 0;
  and.b32 %r26, %r20, 1;
  shl.b32 %r27, %r26, 10;
  xor.b32 %r28, %r11, 512;
  add.s32 %r28, %r28, %r10;
  add.s32 %r28, %r28, %r27;
  ld.shared.v4.u32 {%r30, %r31, %r32, %r33}, [%r28];
  add.s32 %r21, %r21, %r30;
  add.s32 %r21, %r21, %r33;
  bar.sync 0;
  mov.u32 %r20, %r22;
  setp.lt.u32 %p1, %r20, 4;
  @%p1 bra LOOP;
  st.global.u32 [%rd2], %r21;
)";

TEST(MachineRun, CopiesArriveUnderEveryPolicy) {
  std::vector<uint32_t> values(1024);
  std::iota(values.begin(), values.end(), 0);
  std::vector<uint32_t> expected = values;
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t j = i ^ 32;
    expected[i] = 0;
    for (uint32_t round = 0; round < 4; ++round) expected[i] += 2 * (round * 256 + 4 * j) + 3;
  }
  for (const Policy policy : kAllPolicies) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      const Words words =
          run(program(kCopyRing), values, {.threads = 64}, {.policy = policy, .seed = seed});
      expect_clean(words);
      EXPECT_EQ(words.values, expected) << name_of(policy) << " " << seed;
    }
  }
}

TEST(MachineRun, CopiesFillWithZerosBehindTheirSource) {
  const Words words = run(program(R"(
  .shared .align 16 .b8 tile[512];
  mov.u32 %r10, tile;
  shl.b32 %r11, %r1, 4;
  add.s32 %r12, %r10, %r11;
  mul.wide.u32 %rd3, %r1, 16;
  add.s64 %rd4, %rd1, %rd3;
  and.b32 %r13, %r1, 3;
  shl.b32 %r13, %r13, 2;
  cp.async.cg.shared.global [%r12], [%rd4], 16, %r13;
  cp.async.wait_all;
  ld.shared.v4.u32 {%r20, %r21, %r22, %r23}, [%r12];
  st.global.v4.u32 [%rd4], {%r20, %r21, %r22, %r23};
)"),
                          std::vector<uint32_t>(128, 9));
  expect_clean(words);
  for (uint32_t i = 0; i < 128; ++i) EXPECT_EQ(words.values[i], i % 4 < i / 4 % 4 ? 9u : 0u) << i;
}

TEST(MachineRun, ResultsDoNotDependOnTheNumberOfThreads) {
  std::vector<uint32_t> values(1024);
  std::iota(values.begin(), values.end(), 0);
  const MachineOptions one{.policy = Policy::Random, .seed = 5, .threads = 1};
  MachineOptions many = one;
  many.threads = 4;
  const Words a = run(program(kCopyRing), values, {.threads = 64}, one);
  const Words b = run(program(kCopyRing), values, {.threads = 64}, many);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.report.warp_instructions, b.report.warp_instructions);
}

TEST(MachineRun, CountsWhatItRuns) {
  const Words words = run(program("  add.s32 %r2, %r1, 1;\n  st.global.u32 [%rd2], %r2;\n"),
                          zeros(64), {.threads = 64});
  expect_clean(words);
  // Seven in the frame, two here and the return, in two warps.
  EXPECT_EQ(words.report.warp_instructions, 16u);
  EXPECT_EQ(words.report.units.at("control"), 2u);
  for (const FormCount& form : words.report.forms) EXPECT_EQ(form.fidelity, "exact") << form.form;
}

}  // namespace
}  // namespace fa4::emu::test
