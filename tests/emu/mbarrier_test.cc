// SPDX-License-Identifier: Apache-2.0
// mbarriers: rings of producers and consumers under every schedule, and what is said when they are used wrongly.
#include "emu/cluster_programs.h"
#include "emu/ring_program.h"

namespace fa4::emu::test {
namespace {

TEST(Mbarrier, ARingDeliversUnderEverySchedule) {
  for_all_schedules([](const MachineOptions& options) {
    const Words words = run(ring(), kTwoWarps, options, 64);
    EXPECT_CLEAN(words);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      ASSERT_EQ(words.values[32 + lane], 2800 + 8 * (lane ^ 1)) << lane;
    }
  });
}

TEST(Mbarrier, PollingDeliversToo) {
  RingPieces pieces;
  pieces.full_wait = "mbarrier.test_wait.parity.shared::cta.b64 %p1, [%r22], %r7;";
  pieces.empty_wait = "mbarrier.test_wait.parity.acquire.cta.shared.b64 %p1, [%r23], %r8;";
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = run(ring(pieces), kTwoWarps, options, 64);
    EXPECT_CLEAN(words);
    EXPECT_EQ(words.values[32], 2808u);
  });
}

TEST(Mbarrier, AMissingWaitIsARace) {
  for_all_schedules([](const MachineOptions& options) {
    RingPieces no_full;
    no_full.full_wait = "setp.eq.u32 %p1, %r1, %r1;";
    EXPECT_GT(run(ring(no_full), kTwoWarps, options, 64).report.num_errors, 0u);
    RingPieces no_empty;
    no_empty.empty_wait = no_full.full_wait;
    EXPECT_GT(run(ring(no_empty), kTwoWarps, options, 64).report.num_errors, 0u);
  });
}

TEST(Mbarrier, RelaxedOperationsOrderNothing) {
  RingPieces arrive, wait;
  arrive.full_arrive = "mbarrier.arrive.relaxed.cta.shared::cta.b64 _, [%r22];";
  EXPECT_TRUE(run(ring(arrive), kTwoWarps, kSm90, 64).reported("race.write_vs_read"));
  wait.full_wait = "mbarrier.try_wait.parity.relaxed.cta.shared::cta.b64 %p1, [%r22], %r7;";
  EXPECT_TRUE(run(ring(wait), kTwoWarps, kSm90, 64).reported("race.write_vs_read"));
}

TEST(Mbarrier, TheWrongParityHangsOrSlips) {
  for_all_schedules([](const MachineOptions& options) {
    RingPieces pieces;
    pieces.empty_wait = "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r23], %r7;";
    const Words words = run(ring(pieces), kTwoWarps, options, 64);
    EXPECT_TRUE(words.reported("deadlock")) << words.texts();
  });
}

TEST(Mbarrier, AMissingArrivalIsADeadlockThatNamesIt) {
  RingPieces pieces;
  pieces.count = "33";
  const Words words = run(ring(pieces), kTwoWarps, kSm90, 64);
  EXPECT_TRUE(says(words, "deadlock",
                   {"warp 1", "full", "phase 0", "parity 0", "arrivals 32/33",
                    "mbarrier.arrive.shared::cta.b64 _, [%r22]",
                    "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r22], %r7"}));
}

TEST(Mbarrier, TooManyArrivals) {
  EXPECT_TRUE(says(run(sm90_program(R"(
  .shared .align 8 .b64 bar;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 mbarrier.init.shared.b64 [bar], 4;
  bar.warp.sync -1;
  @%p1 mbarrier.arrive.shared.b64 _, [bar], 7;
)"),
                       {}, kSm90, 32),
                   "mbar.overarrive", {"7 arrivals", "4 of 4 are still to come"}));
}

// One thread does what a test says with a barrier that expects one arrival.
std::string alone(const std::string& body) {
  return sm90_program(R"(
  .shared .align 8 .b64 bar;
  .shared .align 8 .b64 other;
  setp.ne.u32 %p2, %r1, 0;
  @%p2 exit;
  mov.u32 %r10, bar;
  mbarrier.init.shared::cta.b64 [%r10], 1;
)" + body);
}

Words run_alone(const std::string& body) { return run(alone(body), {}, kSm90, 32); }

TEST(Mbarrier, StatesNamePhases) {
  const Words words = run_alone(R"(
  mbarrier.arrive.shared::cta.b64 %rd4, [%r10];
  mbarrier.test_wait.shared::cta.b64 %p1, [%r10], %rd4;
  selp.b32 %r2, 1, 0, %p1;
  mbarrier.init.shared::cta.b64 [other], 5;
  mbarrier.arrive.noComplete.release.cta.shared::cta.b64 %rd5, [other], 2;
  mbarrier.arrive.shared::cta.b64 %rd5, [other];
  mbarrier.pending_count.b64 %r3, %rd5;
  mbarrier.try_wait.shared::cta.b64 %p1, [%r10], %rd4, 100;
  selp.b32 %r4, 1, 0, %p1;
  mbarrier.arrive_drop.shared::cta.b64 _, [other];
  mbarrier.arrive.shared::cta.b64 _, [other];
  mbarrier.arrive.shared::cta.b64 %rd6, [other], 4;
  mbarrier.test_wait.parity.shared::cta.b64 %p1, [other], 1;
  selp.b32 %r5, 1, 0, %p1;
  mbarrier.inval.shared::cta.b64 [other];
  st.shared.u64 [other], %rd6;
  st.global.v4.u32 [%rd1], {%r2, %r3, %r4, %r5};
)");
  EXPECT_CLEAN(words);
  EXPECT_EQ(std::vector<uint32_t>(words.values.begin(), words.values.begin() + 4),
            (std::vector<uint32_t>{1, 3, 1, 1}));
}

TEST(Mbarrier, GenericAddressesNameThemToo) {
  EXPECT_CLEAN(run_alone(R"(
  cvt.u64.u32 %rd4, %r10;
  cvta.shared.u64 %rd4, %rd4;
  mbarrier.arrive.b64 %rd5, [%rd4];
WAIT:
  mbarrier.test_wait.b64 %p1, [%rd4], %rd5;
  @!%p1 bra WAIT;
)"));
  EXPECT_TRUE(says(run_alone("mbarrier.arrive.b64 _, [%rd1];"), "smem.not_shared",
                   {"not in shared memory"}));
}

TEST(Mbarrier, MisuseIsNamed) {
  EXPECT_TRUE(says(run_alone("mbarrier.arrive.shared::cta.b64 _, [other];"), "mbar.not_initialised",
                   {"other", "has never been initialised"}));
  EXPECT_TRUE(says(run_alone(R"(
  mbarrier.inval.shared::cta.b64 [%r10];
  mbarrier.arrive.shared::cta.b64 _, [%r10];
)"),
                   "mbar.not_initialised", {"has been invalidated"}));
  EXPECT_TRUE(says(run_alone("mbarrier.init.shared::cta.b64 [%r10], 2;"), "mbar.reinit",
                   {"initialised again without mbarrier.inval"}));
  EXPECT_TRUE(says(run_alone(R"(
  st.shared.u32 [%r10], 0;
  mbarrier.arrive.shared::cta.b64 _, [%r10];
)"),
                   "mbar.clobbered", {"something has written over it"}));
  EXPECT_TRUE(says(run_alone("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r10], 2000000;"),
                   "mbar.tx_range", {"2000000"}));
  EXPECT_TRUE(
      says(run_alone("mbarrier.init.shared::cta.b64 [other], 0;"), "mbar.count", {"0 arrivals"}));
}

TEST(Mbarrier, BytesThatNeverComeAreLost) {
  const Words words = run_alone("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r10], 4096;");
  EXPECT_TRUE(says(words, "mbar.tx_leak", {"lost bytes", "bar", "4096", "phase 0"}));
  EXPECT_CLEAN(run_alone(R"(
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r10], 4096;
  mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%r10], 4096;
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r10], 0;
  @!%p1 bra WAIT;
)"));
}

TEST(Mbarrier, TheWrongByteCountIsADeadlockThatSaysHowMany) {
  const Words words = run_alone(R"(
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r10], 4096;
  mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%r10], 4000;
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r10], 0;
  @!%p1 bra WAIT;
)");
  EXPECT_TRUE(says(words, "deadlock", {"bar", "96 of 4096 bytes", "bytes differ by 96"}));
}

TEST(Mbarrier, APhaseThatCannotBeToldFromAnotherIsASlip) {
  const Words words = run_alone(R"(
  mbarrier.arrive.shared::cta.b64 _, [%r10];
  mbarrier.test_wait.parity.shared::cta.b64 %p1, [%r10], 0;
  mbarrier.arrive.shared::cta.b64 _, [%r10];
  mbarrier.arrive.shared::cta.b64 _, [%r10];
  mbarrier.arrive.shared::cta.b64 _, [%r10];
  mbarrier.test_wait.parity.shared::cta.b64 %p1, [%r10], 1;
)");
  EXPECT_TRUE(says(words, "mbar.phase_slip",
                   {"phase slip", "is in phase 4", "waits for parity 1", "phase 3", "is 0"}));
}

// Two phases end while warp 0 is suspended at the first of them.
TEST(Mbarrier, ASuspendedWaitIsWokenByItsOwnPhase) {
  const Words words = run(sm90_program(R"(
  .shared .align 8 .b64 bar;
  .shared .align 8 .b64 go;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 mbarrier.init.shared::cta.b64 [bar], 32;
  @%p2 mbarrier.init.shared::cta.b64 [go], 32;
  bar.sync 0;
  setp.ge.u32 %p3, %r1, 32;
  @%p3 bra GO;
  mbarrier.arrive.shared::cta.b64 _, [go];
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [bar], 0;
  @!%p1 bra WAIT;
  bra.uni END;
GO:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [go], 0;
  @!%p1 bra GO;
  mbarrier.arrive.shared::cta.b64 _, [bar];
  mbarrier.arrive.shared::cta.b64 _, [bar];
END:
)"),
                          kTwoWarps, kSm90, 64);
  EXPECT_CLEAN(words);
  EXPECT_TRUE(
      says(words, "mbar.woken_late", {"woken late", "bar", "in phase 2", "waits for phase 0"}));
}

TEST(Mbarrier, AWaitThatComesTooLateHangs) {
  EXPECT_TRUE(run_alone(R"(
  mbarrier.arrive.shared::cta.b64 _, [%r10];
  mbarrier.arrive.shared::cta.b64 _, [%r10];
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r10], 0;
  @!%p1 bra WAIT;
)")
                  .reported("deadlock"));
}

}  // namespace
}  // namespace fa4::emu::test
