// SPDX-License-Identifier: Apache-2.0
// Programs with one mistake each, which must be reported, in the words that a reader needs.
#include <cstring>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

std::vector<uint32_t> words_of(size_t count) { return std::vector<uint32_t>(count, 1); }

// Thread t writes word t of a tile and reads word t ^ 32, of the other warp.
std::string exchange(const std::string& between, const std::string& behind = "") {
  return program(R"(
  .shared .align 16 .b8 tile[256];
  mov.u32 %r10, tile;
  shl.b32 %r11, %r1, 2;
  add.s32 %r12, %r10, %r11;
  xor.b32 %r13, %r11, 128;
  add.s32 %r13, %r13, %r10;
  st.shared.u32 [%r12], %r1;
)" + between + R"(
  ld.shared.u32 %r14, [%r13];
)" + behind + R"(
  st.global.u32 [%rd2], %r14;
)");
}

TEST(MachineReport, ARaceNamesBothSides) {
  EXPECT_TRUE(run(exchange("bar.sync 0;"), words_of(64), {.threads = 64}).codes().empty());
  for (const Policy policy : kAllPolicies) {
    const Words words = run(exchange(""), words_of(64), {.threads = 64}, {.policy = policy});
    EXPECT_TRUE(words.reported("race.write_vs_read") || words.reported("smem.uninit") ||
                words.reported("race.read_vs_write"))
        << name_of(policy) << words.texts();
    EXPECT_GT(words.report.num_errors, 0u);
  }
  EXPECT_TRUE(says(run(exchange(""), words_of(64), {.threads = 64}), "race.read_vs_write",
                   {"race: no barrier orders", "st.shared.u32 [%r12], %r1", "warp 1",
                    "ld.shared.u32 %r14, [%r13]"}));
}

TEST(MachineReport, ABarrierOfOneWarpOrdersNothing) {
  EXPECT_GT(run(exchange("bar.warp.sync -1;"), words_of(64), {.threads = 64}).report.num_errors,
            0u);
}

TEST(MachineReport, OverwritingWhatOthersStillReadIsARace) {
  const Words words =
      run(exchange("bar.sync 0;", "st.shared.u32 [%r12], %r14;"), words_of(64), {.threads = 64});
  EXPECT_TRUE(says(words, "race.read_vs_write", {"race: no barrier orders", "write"}));
  EXPECT_TRUE(run(exchange("bar.sync 0;", "bar.sync 0;\n st.shared.u32 [%r12], %r14;"),
                  words_of(64), {.threads = 64})
                  .codes()
                  .empty());
}

TEST(MachineReport, UninitialisedSharedMemory) {
  const Words words = run(program(R"(
  .shared .align 4 .b8 tile[256];
  ld.shared.u32 %r2, [tile+64];
  st.global.u32 [%rd2], %r2;
)"),
                          words_of(32));
  EXPECT_TRUE(says(words, "smem.uninit", {"uninitialised read", "ld.shared.u32"}));
  EXPECT_EQ(words.values[0], 0xffffffffu);  // poison
}

std::string copy_program(const std::string& wait) {
  return program(R"(
  .shared .align 16 .b8 tile[1024];
  mov.u32 %r10, tile;
  shl.b32 %r11, %r1, 4;
  add.s32 %r12, %r10, %r11;
  mul.wide.u32 %rd3, %r1, 16;
  add.s64 %rd4, %rd1, %rd3;
  cp.async.cg.shared.global [%r12], [%rd4], 16;
  cp.async.commit_group;
  cp.async.cg.shared.global [%r12+512], [%rd4], 16;
  cp.async.commit_group;
)" + wait + R"(
  ld.shared.u32 %r2, [%r12+512];
  st.global.u32 [%rd2], %r2;
)");
}

TEST(MachineReport, AMissingWaitForACopy) {
  for (const Policy policy : kAllPolicies) {
    const MachineOptions options{.policy = policy};
    for (const char* wait : {"", "cp.async.wait_group 1;"}) {
      EXPECT_TRUE(
          says(run(copy_program(wait), words_of(128), {}, options), "race.copy_pending",
               {"race: ", "for which its warp has not waited", "cp.async.cg.shared.global"}));
    }
    EXPECT_TRUE(
        run(copy_program("cp.async.wait_group 0;"), words_of(128), {}, options).codes().empty());
    EXPECT_TRUE(
        run(copy_program("cp.async.wait_all;"), words_of(128), {}, options).codes().empty());
  }
}

TEST(MachineReport, AMissingWaitSpoilsTheResultWithChecksOff) {
  const Words words =
      run(copy_program(""), words_of(128), {}, {.policy = Policy::Lazy, .checks = false});
  EXPECT_TRUE(words.codes().empty());
  EXPECT_EQ(words.values[0], 0xffffffffu);
}

TEST(MachineReport, ACopyOfAnotherWarpNeedsABarrier) {
  const std::string text = program(R"(
  .shared .align 16 .b8 tile[1024];
  mov.u32 %r10, tile;
  shl.b32 %r11, %r1, 4;
  add.s32 %r12, %r10, %r11;
  xor.b32 %r13, %r11, 512;
  add.s32 %r13, %r13, %r10;
  mul.wide.u32 %rd3, %r1, 16;
  add.s64 %rd4, %rd1, %rd3;
  cp.async.cg.shared.global [%r12], [%rd4], 16;
  cp.async.wait_all;
  ld.shared.u32 %r2, [%r13];
  st.global.u32 [%rd2], %r2;
)");
  EXPECT_GT(run(text, words_of(256), {.threads = 64}).report.num_errors, 0u);
}

TEST(MachineReport, GlobalBoundsNameTheNearestBuffer) {
  const Words words = run(program("  st.global.u32 [%rd2+4], %r1;\n"), words_of(32));
  EXPECT_TRUE(says(words, "gmem.bounds",
                   {"out of bounds: lane 31 would write 4 bytes", "nearest is words, 128 bytes"}));
  EXPECT_EQ(words.report.reports[0].count, 1u);
}

TEST(MachineReport, SharedBoundsAndAlignment) {
  EXPECT_TRUE(
      says(run(program("  mov.u32 %r2, 300000;\n  st.shared.u32 [%r2], %r1;\n"), words_of(32)),
           "smem.bounds", {"out of bounds", "shared memory"}));
  EXPECT_TRUE(says(run(program("  ld.global.u32 %r2, [%rd1+2];\n"), words_of(32)), "misaligned",
                   {"misaligned", "not a multiple of 4"}));
}

TEST(MachineReport, EqualReportsAreCounted) {
  const Words words =
      run(program("  ld.global.u32 %r2, [%rd1+2];\n"), words_of(32), {.threads = 64});
  ASSERT_EQ(words.report.reports.size(), 1u);
  EXPECT_EQ(words.report.reports[0].count, 64u);
}

TEST(MachineReport, ADeadlockNamesBarrierAndWarps) {
  const Words words = run(program(R"(
  setp.lt.u32 %p1, %r1, 32;
  @%p1 bra FIRST;
  bar.sync 2, 64;
  bra.uni DONE;
FIRST:
  bar.sync 1, 64;
DONE:
)"),
                          words_of(64), {.threads = 64});
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(says(words, "deadlock",
                   {"deadlock: 2 warps of CTA (0, 0, 0) wait",
                    "at barrier 1, generation 0: 32 of 64", "at barrier 2", "bar.sync 1, 64"}));
}

TEST(MachineReport, BarriersAreUsedAsTheManualSays) {
  EXPECT_TRUE(
      says(run(program("  bar.sync 1, 33;\n"), words_of(32)), "bar.count", {"multiple of 32"}));
  EXPECT_TRUE(says(run(program("  bar.sync 16;\n"), words_of(32)), "bar.id", {"barrier 16"}));
  EXPECT_TRUE(says(run(program(R"(
  setp.lt.u32 %p1, %r1, 32;
  @%p1 bra FIRST;
  bar.sync 1, 64;
  bra.uni DONE;
FIRST:
  bar.sync 1;
DONE:
)"),
                       words_of(64), {.threads = 64}),
                   "bar.count", {"expects"}));
  EXPECT_TRUE(says(run(program(R"(
  setp.lt.u32 %p1, %r1, 16;
  @%p1 bra DONE;
  bar.sync 0;
DONE:
)"),
                       words_of(32)),
                   "warp.unaligned_sync", {"without lanes 0x0000ffff"}));
}

TEST(MachineReport, ATrapStopsTheRun) {
  const Words words = run(program("  trap;\n"), words_of(32));
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(says(words, "trap", {"trap"}));
}

TEST(MachineReport, AnEndlessLoopMeetsTheLimit) {
  const Words words =
      run(program("LOOP:\n  bra.uni LOOP;\n"), words_of(32), {}, {.most_instructions = 1000000});
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(says(words, "livelock", {"1000000 warp instructions"}));
}

testing::AssertionResult refuses(const std::string& text, const std::vector<std::string>& parts) {
  try {
    run(text, words_of(32));
  } catch (const MachineError& error) {
    for (const std::string& part : parts) {
      if (std::string(error.what()).find(part) == std::string::npos) {
        return testing::AssertionFailure() << error.what() << "\nwithout: " << part;
      }
    }
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "it ran";
}

TEST(MachineReport, WhatItDoesNotKnowStopsItWithTheLine) {
  EXPECT_TRUE(
      refuses(program("  add.sat.u32 %r2, %r1, 1;\n"), {"line 17", "unknown form", "nearest is"}));
  EXPECT_TRUE(refuses(program("  frobnicate.b32 %r2, %r1;\n"), {"line 17", "unknown form"}));
  EXPECT_TRUE(refuses(program("  add.s32 %r2, %r99, 1;\n"), {"line 17", "%r99"}));
  EXPECT_TRUE(refuses(program("  add.s32 %rs2, %r1, 1;\n"), {"%rs2 has 16 bits; 32 are written"}));
  EXPECT_TRUE(refuses(program("  add.s32 %r2, %r1;\n"), {"has 2 operands; it must have 3"}));
  EXPECT_TRUE(refuses(program("  bra NOWHERE;\n"), {"there is no label NOWHERE"}));
}

TEST(MachineReport, SizesThatNoDeviceHasAreRefused) {
  EXPECT_TRUE(refuses(program("  mov.u32 %r2, big;\n", ".shared .b8 big[99999999];\n"),
                      {"shared variables of kernel take", "no GPU has so much"}));
  EXPECT_TRUE(refuses(program("  .reg .b32 %x<99999999>;\n"), {"more than 28,672 register rows"}));
  EXPECT_TRUE(
      refuses(program("  .local .b8 deep[999999];\n"), {"at most 512 KiB of local memory"}));
  std::string text = program("");
  text.replace(text.find(".param .u64 words"), 17, ".param .u64 words, .param .b8 more[40000]");
  EXPECT_TRUE(refuses(text, {"parameters of kernel take more than 32764 bytes"}));
  EXPECT_TRUE(refuses(program("  add.s32 %r2, %r01, 1;\n"), {"\"%r01\" is neither"}));
}

TEST(MachineReport, LaunchesAreCheckedAsTheDriverDoes) {
  const auto launch = [](Shape shape) { run(program(""), words_of(32), shape); };
  EXPECT_THROW(launch({.threads = 2048}), MachineError);
  EXPECT_THROW(launch({.threads = 0}), MachineError);
  EXPECT_THROW(launch({.blocks = 0}), MachineError);
  EXPECT_THROW(launch({.dynamic_shared_bytes = 200 << 10}), MachineError);
}

}  // namespace
}  // namespace fa4::emu::test
