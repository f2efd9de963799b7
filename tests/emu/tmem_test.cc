// SPDX-License-Identifier: Apache-2.0
// Tensor memory: who may allocate how much, what is left, and who may touch it when.
#include "emu/tmem_programs.h"

namespace fa4::emu::test {
namespace {

Words run100(const std::string& body, uint32_t threads = 128,
             const MachineOptions& options = kSm100) {
  return run(sm100_program(body), {.threads = threads}, options, 256);
}

// The warp's columns of a register each.
const std::string kStoreOneColumn = "tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42], {%r1};\n";
const std::string kLoad = "tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r50}, [%r42];\n";
const std::string kResult = "st.global.u32 [%rd2], %r50;\n";

TEST(Tmem, GivesBackWhatWasStored) {
  for_all_schedules(
      [](const MachineOptions& options) {
        const Words words =
            run100(with_tmem(32, kStoreOneColumn + kWaitStores + kLoad + kWaitLoads + kResult), 128,
                   options);
        EXPECT_CLEAN(words);
        for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(words.values[i], i);
      },
      100);
}

TEST(Tmem, AUseOfTheRegisterIsAWaitForIt) {
  for_all_schedules(
      [](const MachineOptions& options) {
        const Words words =
            run100(with_tmem(32, kStoreOneColumn + kWaitStores + kLoad + kResult), 128, options);
        EXPECT_CLEAN(words);
        for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(words.values[i], i);
      },
      100);
}

// %r50 to %r52: where four allocations lie.
TEST(Tmem, IsAllocatedFirstFit) {
  const std::string text = R"(
  .shared .align 16 .b32 where;
  mov.u32 %r40, where;
  tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 128;
  ld.shared.u32 %r50, [%r40];
  tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 64;
  ld.shared.u32 %r51, [%r40];
  tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r50, 128;
  tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 32;
  ld.shared.u32 %r52, [%r40];
  mov.u32 %r55, 32;
  tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], %r55;
  ld.shared.u32 %r53, [%r40];
  tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;
  tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r51, 64;
  tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r52, 32;
  tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r53, 32;
  st.global.v4.u32 [%rd1], {%r50, %r51, %r52, %r53};
)";
  const Words words = run100(text, 32);
  EXPECT_CLEAN(words);
  EXPECT_EQ(words.values[0], 0u);
  EXPECT_EQ(words.values[1], 128u);
  EXPECT_EQ(words.values[2], 0u);
  EXPECT_EQ(words.values[3], 32u);
}

// Two warps want all of it, one after the other.
TEST(Tmem, AnAllocationWaitsForRoom) {
  const std::string text = R"(
  .shared .align 16 .b32 where[2];
  shr.u32 %r43, %r1, 5;
  mov.u32 %r40, where;
  mad.lo.u32 %r40, %r43, 4, %r40;
  tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 512;
  ld.shared.u32 %r41, [%r40];
  shl.b32 %r42, %r43, 21;
  add.s32 %r42, %r41, %r42;
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42], {%r1};
  tcgen05.wait::st.sync.aligned;
  tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r50}, [%r42];
  tcgen05.wait::ld.sync.aligned;
  tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r41, 512;
  st.global.u32 [%rd2], %r50;
)";
  for_all_schedules(
      [&](const MachineOptions& options) {
        const Words words = run100(text, 64, options);
        EXPECT_CLEAN(words);
        for (uint32_t i = 0; i < 64; ++i) ASSERT_EQ(words.values[i], i);
      },
      100);
}

TEST(Tmem, AnAllocationThatNeverFindsRoomIsADeadlock) {
  const Words words = run100(with_tmem(512, R"(
  @%p8 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 32;
)"));
  EXPECT_TRUE(says(words, "deadlock", {"wait for 32 columns", "columns [0, 512)"}));
}

TEST(Tmem, MisuseOfTheAllocatorIsReported) {
  EXPECT_TRUE(says(run100(with_tmem(48, "")), "tmem.bad_columns", {"48 columns"}));
  EXPECT_TRUE(says(run100(with_tmem(32, R"(
  @%p8 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 64;
)")),
                   "tmem.bad_columns", {"may not grow"}));
  EXPECT_TRUE(says(run100(with_tmem(32, R"(
  @%p8 tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;
  @%p8 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 32;
)")),
                   "tmem.no_permit", {"given up", "relinquish_alloc_permit"}));
  EXPECT_TRUE(says(run100(with_tmem(64, R"(
  @%p8 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r41, 64;
)")),
                   "tmem.double_free", {"columns [0, 64) have been freed before"}));
  EXPECT_TRUE(says(run100(with_tmem(64, R"(
  @%p8 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r41, 32;
)")),
                   "tmem.bad_columns", {"frees 32 columns", "allocated are columns [0, 64)"}));
  EXPECT_TRUE(says(run100(with_tmem(64, R"(
  @%p8 tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned;
)")),
                   "tmem.group", {"cta_group::2"}));
}

TEST(Tmem, WhatIsLeftAtTheEndIsReported) {
  const std::string text = with_tmem(64, "");
  const Words words = run100(text.substr(0, text.find("  @%p8 tcgen05.dealloc")));
  EXPECT_TRUE(says(words, "tmem.leak", {"columns [0, 64)", "CTA (0, 0, 0)"}));
}

TEST(Tmem, WhatNobodyHasWrittenIsReported) {
  const Words words = run100(with_tmem(32, kLoad + kWaitLoads + kResult));
  EXPECT_TRUE(says(words, "tmem.uninit", {"column 0 of lanes ["}));
  // Some lanes of a column are enough.
  EXPECT_CLEAN(run100(with_tmem(32, R"(
  tcgen05.st.sync.aligned.16x64b.x1.b32 [%r42], {%r1};
)" + kWaitStores + kLoad + kWaitLoads)));
}

TEST(Tmem, ReportsNameColumnsAsTheLaunchDoes) {
  Shape shape{.threads = 128};
  shape.labels.tensor.push_back({"S", 16, 8, 2});
  const Words words = run(sm100_program(with_tmem(32, R"(
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42+25], {%r1};
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42+25], {%r1};
)")),
                          shape, kSm100, 256);
  EXPECT_TRUE(says(words, "tmem.in_flight", {"S[1]+1, columns [25, 26)"}));
}

TEST(Tmem, WhatIsNotAllocatedIsReported) {
  EXPECT_TRUE(says(run100(with_tmem(32, R"(
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42+32], {%r1};
)")),
                   "tmem.freed", {"column 32 is not allocated"}));
  EXPECT_TRUE(says(run100(with_tmem(512, R"(
  tcgen05.st.sync.aligned.32x32b.x2.b32 [%r42+511], {%r1, %r1};
)")),
                   "tmem.freed", {"there are 512 columns"}));
  const std::string after = R"(
  bar.sync 0;
  @%p8 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r41, 32;
  bar.sync 0;
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42], {%r1};
  @%p8 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 32;
)";
  EXPECT_TRUE(
      says(run100(with_tmem(32, after)), "tmem.freed", {"columns [0, 32) have been freed at"}));
}

TEST(Tmem, AWarpReachesItsQuarterAlone) {
  // The bits that name the quarter may be 0.
  EXPECT_CLEAN(run100(with_tmem(32, R"(
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r41], {%r1};
)" + kWaitStores + kLoad + kWaitLoads)));
  EXPECT_TRUE(says(run100(with_tmem(32, R"(
  xor.b32 %r42, %r42, 0x600000;
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42], {%r1};
)" + kWaitStores)),
                   "tmem.quarter", {"warp 0 of its CTA reaches lanes 0 to 31"}));
  EXPECT_TRUE(says(run100(with_tmem(32, R"(
  add.u32 %r42, %r42, 0x80000;
  tcgen05.st.sync.aligned.16x64b.x1.b32 [%r42], {%r1};
)" + kWaitStores)),
                   "tmem.quarter", {"seventeenth"}));
  EXPECT_TRUE(says(run100(with_tmem(32, R"(
  add.u32 %r42, %r42, %r1;
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42], {%r1};
)" + kWaitStores)),
                   "tmem.uniform", {"lanes disagree: the address"}));
}

TEST(Tmem, WhatIsInFlightIsReported) {
  for_all_schedules(
      [](const MachineOptions& options) {
        EXPECT_TRUE(says(run100(with_tmem(32, kStoreOneColumn + kLoad + kWaitLoads), 128, options),
                         "tmem.in_flight", {"it reads", "which an operation writes"}));
        EXPECT_TRUE(says(run100(with_tmem(32, kStoreOneColumn + kStoreOneColumn), 128, options),
                         "tmem.in_flight", {"it writes", "which an operation writes"}));
        EXPECT_TRUE(
            says(run100(with_tmem(32, kStoreOneColumn + kWaitStores + kLoad + kStoreOneColumn), 128,
                        options),
                 "tmem.in_flight", {"it writes", "which an operation reads"}));
        EXPECT_TRUE(says(run100(with_tmem(32, kStoreOneColumn + kWaitStores + kLoad), 128, options),
                         "tmem.in_flight", {"tcgen05.dealloc", "which an operation reads"}));
        // A use of the register is enough.
        EXPECT_CLEAN(run100(with_tmem(32, kStoreOneColumn + kWaitStores + kLoad + kResult +
                                              kStoreOneColumn + kWaitStores),
                            128, options));
      },
      100);
}

// Warp 4 reaches the lanes of warp 0.
TEST(Tmem, WarpsOfOneQuarterNeedABarrier) {
  const std::string first = R"(
  setp.lt.u32 %p1, %r1, 128;
  @%p1 tcgen05.st.sync.aligned.32x32b.x1.b32 [%r42], {%r1};
)" + kWaitStores;
  const std::string second = R"(
  @!%p1 tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r50}, [%r42];
  @!%p1 st.global.u32 [%rd2], %r50;
)";
  for_all_schedules(
      [&](const MachineOptions& options) {
        const Words words = run100(with_tmem(32, first + "bar.sync 0;\n" + second), 256, options);
        EXPECT_CLEAN(words);
        for (uint32_t i = 128; i < 256; ++i) ASSERT_EQ(words.values[i], i - 128);
        const Words bad = run100(with_tmem(32, first + second), 256, options);
        EXPECT_TRUE(bad.reported("race.write_vs_read") || bad.reported("tmem.uninit") ||
                    bad.reported("race.read_vs_write") || bad.reported("tmem.in_flight"))
            << bad.texts();
      },
      100);
}

// A pair allocates at the same column in both CTAs.
std::string pair_program(const std::string& condition) {
  return sm100_program(R"(
  .shared .align 16 .b32 where;
  mov.u32 %r40, where;
  mov.u32 %r2, %cluster_ctarank;
)" + condition + R"(
  tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [%r40], 256;
  tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned;
  ld.shared.u32 %r41, [%r40];
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r41], {%r1};
  tcgen05.wait::st.sync.aligned;
  tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r50}, [%r41];
  mad.lo.u32 %r51, %r2, 100, %r50;
)" + kClusterSync + R"(
  tcgen05.dealloc.cta_group::2.sync.aligned.b32 %r41, 256;
  mad.lo.u32 %r3, %r2, 32, %r1;
  mul.wide.u32 %rd3, %r3, 4;
  add.s64 %rd3, %rd3, %rd1;
  st.global.u32 [%rd3], %r51;
)");
}

TEST(Tmem, APairAllocatesInBothCtas) {
  for_all_schedules(
      [](const MachineOptions& options) {
        const Words words =
            run(pair_program(""), {.threads = 32, .blocks = 2, .cluster = 2}, options, 64);
        EXPECT_CLEAN(words);
        for (uint32_t i = 0; i < 64; ++i) ASSERT_EQ(words.values[i], i % 32 + i / 32 * 100);
      },
      100);
}

TEST(Tmem, APairNeedsBothCtas) {
  const Shape pair{.threads = 32, .blocks = 2, .cluster = 2};
  EXPECT_TRUE(says(run(pair_program("setp.eq.u32 %p1, %r2, 1;\n@%p1 exit;\n"), pair, kSm100, 64),
                   "deadlock", {"the other CTA of the pair has not asked for"}));
  EXPECT_TRUE(says(run(pair_program(""), {.threads = 32, .blocks = 2}, kSm100, 64), "tmem.group",
                   {"needs a pair of CTAs"}));
}

}  // namespace
}  // namespace fa4::emu::test
