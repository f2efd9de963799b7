// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies told by an mbarrier, and loops that look again and again: within a CTA, and between CTAs.
#include "emu/cluster_programs.h"

namespace fa4::emu::test {
namespace {

// Lanes copy 16 bytes each; an arrival follows them. Warp 1 waits for it and reads.
std::string copies(
    const std::string& arrive, const std::string& count,
    const std::string& wait = "mbarrier.try_wait.parity.shared::cta.b64 %p1, [bar], 0;") {
  return sm90_program(R"(
  .shared .align 16 .b8 tile[512];
  .shared .align 8 .b64 bar;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 mbarrier.init.shared::cta.b64 [bar], )" +
                      count + R"(;
  bar.sync 0;
  mov.u32 %r10, tile;
  and.b32 %r2, %r1, 31;
  shl.b32 %r11, %r2, 4;
  add.s32 %r12, %r10, %r11;
  setp.ge.u32 %p3, %r1, 32;
  @%p3 bra READ;
  mul.wide.u32 %rd4, %r1, 16;
  add.s64 %rd4, %rd4, %rd1;
  cp.async.cg.shared.global [%r12], [%rd4], 16;
  )" + arrive + R"(
  exit;
READ:
  )" + wait + R"(
  @!%p1 bra READ;
  xor.b32 %r12, %r12, 256;
  ld.shared.u32 %r3, [%r12];
  add.s32 %r3, %r3, %r1;
  st.global.u32 [%rd2], %r3;
)");
}

TEST(MachineAsync, CopiesArriveAtABarrier) {
  for_all_schedules([](const MachineOptions& options) {
    for (const auto& [arrive, count] :
         {std::pair{"cp.async.mbarrier.arrive.noinc.shared::cta.b64 [bar];", "32"},
          std::pair{"cp.async.mbarrier.arrive.shared.b64 [bar];\n"
                    "mbarrier.arrive.shared.b64 _, [bar];",
                    "32"}}) {
      const Words words = run(copies(arrive, count), {.threads = 64}, options, 128);
      EXPECT_CLEAN(words);
      for (uint32_t i = 32; i < 64; ++i) ASSERT_EQ(words.values[i], i) << i;
    }
  });
}

TEST(MachineAsync, AnArrivalWithoutThemTellsNothing) {
  for_all_schedules([](const MachineOptions& options) {
    const Words words =
        run(copies("mbarrier.arrive.shared.b64 _, [bar];", "32"), {.threads = 64}, options, 128);
    EXPECT_TRUE(words.reported("race.copy_pending")) << words.texts();
  });
}

TEST(MachineAsync, NoWaitIsReported) {
  for_all_schedules([](const MachineOptions& options) {
    const Words words = run(copies("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [bar];", "32",
                                   "setp.eq.u32 %p1, %r1, %r1;"),
                            {.threads = 64}, options, 128);
    EXPECT_GT(words.report.num_errors, 0u);
  });
}

// Warp 1 sets a flag behind its data; warp 0 spins.
std::string flag(const std::string& set, const std::string& look) {
  return sm90_program(R"(
  .shared .align 4 .u32 flag;
  .shared .align 4 .u32 data;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 st.shared.u32 [flag], 0;
  bar.sync 0;
  setp.ge.u32 %p3, %r1, 32;
  @%p3 bra SET;
LOOK:
  )" + look + R"(
  setp.eq.u32 %p1, %r4, 0;
  @%p1 bra LOOK;
  fence.acq_rel.cta;
  ld.shared.u32 %r5, [data];
  st.global.u32 [%rd2], %r5;
  exit;
SET:
  setp.ne.u32 %p1, %r1, 32;
  @%p1 exit;
  st.shared.u32 [data], 77;
  )" + set);
}

TEST(MachineAsync, SpinsOnAFlagGoOnUnderEverySchedule) {
  const std::pair<const char*, const char*> ways[] = {
      {"st.release.cta.shared.u32 [flag], 1;", "ld.acquire.cta.shared.u32 %r4, [flag];"},
      {"fence.acq_rel.cta;\n st.relaxed.cta.shared.u32 [flag], 1;",
       "ld.relaxed.cta.shared.u32 %r4, [flag];"},
      {"membar.cta;\n st.volatile.shared.u32 [flag], 1;", "ld.volatile.shared.u32 %r4, [flag];"},
      {"atom.release.cta.shared.exch.b32 %r6, [flag], 1;",
       "atom.acquire.cta.shared.cas.b32 %r4, [flag], 1, 1;\n nanosleep.u32 20;"},
  };
  for_all_schedules([&](const MachineOptions& options) {
    for (const auto& [set, look] : ways) {
      const Words words = run(flag(set, look), {.threads = 64}, options, 64);
      EXPECT_CLEAN(words);
      EXPECT_EQ(words.values[5], 77u) << look;
    }
  });
}

TEST(MachineAsync, AFlagThatOrdersNothingLeavesARace) {
  for (const char* set :
       {"st.relaxed.cta.shared.u32 [flag], 1;", "st.volatile.shared.u32 [flag], 1;"}) {
    const Words words =
        run(flag(set, "ld.relaxed.cta.shared.u32 %r4, [flag];"), {.threads = 64}, kSm90, 64);
    EXPECT_TRUE(words.reported("race.write_vs_read")) << words.texts();
  }
}

TEST(MachineAsync, AFlagThatNobodySetsIsADeadlock) {
  for_all_schedules([](const MachineOptions& options) {
    const Words words =
        run(flag("", "ld.volatile.shared.u32 %r4, [flag];"), {.threads = 64}, options, 64);
    EXPECT_TRUE(says(words, "deadlock", {"nobody changes", "warp 0"}));
  });
}

TEST(MachineAsync, LoopsThatGiveUpAreLetDoSo) {
  const Words words = run(sm90_program(R"(
  mov.u32 %r3, 0;
LOOK:
  ld.volatile.global.u32 %r4, [%rd1];
  add.s32 %r3, %r3, 1;
  setp.lt.u32 %p1, %r3, 3000;
  @%p1 bra LOOK;
  st.global.u32 [%rd2+4], %r3;
)"),
                          {}, kSm90, 33);
  EXPECT_CLEAN(words);
  EXPECT_EQ(words.values[1], 3000u);
}

// Every CTA adds itself to a counter and waits until all have: more CTAs than run beside one another.
std::string grid_barrier(const std::string& look) {
  return sm90_program(R"(
  mov.u32 %r2, %nctaid.x;
  setp.ne.u32 %p2, %r1, 0;
  @%p2 bra WAIT;
  red.release.gpu.global.add.u32 [%rd1], 1;
LOOK:
  )" + look + R"(
  setp.ne.u32 %p1, %r4, %r2;
  @%p1 bra LOOK;
WAIT:
  bar.sync 0;
  mov.u32 %r5, %ctaid.x;
  mul.wide.u32 %rd4, %r5, 4;
  add.s64 %rd4, %rd4, %rd1;
  ld.relaxed.gpu.global.u32 %r6, [%rd1];
  st.global.u32 [%rd4+4], %r6;
)");
}

TEST(MachineAsync, CtasWaitForOneAnother) {
  for_all_schedules([](const MachineOptions& options) {
    for (const char* look :
         {"ld.acquire.gpu.global.u32 %r4, [%rd1];", "atom.global.add.u32 %r4, [%rd1], 0;"}) {
      const Words words = run(grid_barrier(look), {.threads = 64, .blocks = 9}, options, 10);
      EXPECT_CLEAN(words);
      for (const uint32_t value : words.values) EXPECT_EQ(value, 9u);
    }
  });
}

TEST(MachineAsync, ALockIsHandedOn) {
  const std::string text = sm90_program(R"(
  setp.ne.u32 %p2, %r1, 0;
  @%p2 exit;
LOCK:
  atom.acquire.gpu.global.cas.b32 %r4, [%rd1], 0, 1;
  setp.ne.u32 %p1, %r4, 0;
  @%p1 bra LOCK;
  ld.global.u32 %r5, [%rd1+4];
  add.s32 %r5, %r5, 1;
  st.global.u32 [%rd1+4], %r5;
  atom.release.gpu.global.exch.b32 %r4, [%rd1], 0;
)");
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = run(text, {.threads = 32, .blocks = 12}, options, 2);
    EXPECT_CLEAN(words);
    EXPECT_EQ(words.values[1], 12u);
  });
}

}  // namespace
}  // namespace fa4::emu::test
