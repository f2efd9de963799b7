// SPDX-License-Identifier: Apache-2.0
// The words of a deadlock report: names, who has come, the cycle, and the likely story.
#include "emu/cluster_programs.h"
#include "emu/ring_program.h"

namespace fa4::emu::test {
namespace {

Shape with_roles() {
  Shape shape = kTwoWarps;
  shape.labels.warps = {{0, 0, "Load"}, {1, 3, "Math"}};
  return shape;
}

TEST(Deadlock, ACycleIsNamedInTheKernelsWords) {
  RingPieces pieces;
  pieces.empty_arrive =
      "setp.lt.u32 %p5, %r3, 3;\n @%p5 mbarrier.arrive.shared::cta.b64 _, [%r23];";
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = run(ring(pieces), with_roles(), options, 64);
    EXPECT_TRUE(
        says(words, "deadlock",
             {"2 warps of CTA (0, 0, 0) wait",
              "Load (warp 0) lanes 0xffffffff wait on "
              "empty[1], phase 1 (parity 1): arrivals 0/32",
              "Math (warp 1) lanes 0xffffffff wait on full[1], phase 2 (parity 0): "
              "arrivals 0/32",
              "Load (warp 0) -> empty[1] -> Math (warp 1) -> full[1] -> Load (warp 0)",
              "hint    empty[1]: 32 arrivals are missing; before, Math (warp 1) came too"}));
  });
}

// Lane 0 of warp 0 issues what it says; both warps wait for phase 1 of full[1], in dynamic shared memory.
std::string in_dynamic_memory(const std::string& second_round) {
  return sm90_program(R"(
  .reg .b32 %base;
  mov.u32 %base, dynamic;
  add.s32 %r10, %base, 72;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 mbarrier.init.shared::cta.b64 [%r10], 1;
  bar.sync 0;
  @%p2 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r10], 512;
  @%p2 mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%r10], 512;
FIRST:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r10], 0;
  @!%p1 bra FIRST;
  bar.sync 0;
)" + second_round + R"(
SECOND:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r10], 1;
  @!%p1 bra SECOND;
)",
                      ".extern .shared .align 16 .b8 dynamic[];");
}

Words run_dynamic(const std::string& second_round, const MachineOptions& options) {
  Shape shape = with_roles();
  shape.dynamic_shared_bytes = 128;
  shape.labels.shared = {{"full", 64, 8, 4}};
  return run(in_dynamic_memory(second_round), shape, options, 64);
}

TEST(Deadlock, LabelsNameDynamicMemoryAndBytesAreCounted) {
  for_all_schedules([](const MachineOptions& options) {
    EXPECT_TRUE(says(run_dynamic(R"(
  @%p2 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r10], 512;
  @%p2 mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%r10], 384;
)",
                                 options),
                     "deadlock",
                     {"full[1], phase 1 (parity 1): arrivals 1/1, 128 of 512 bytes missing",
                      "Load (warp 0), expects 512 bytes at", "delivered 384 bytes at",
                      "hint    full[1]: bytes differ by 128"}));
    EXPECT_TRUE(says(
        run_dynamic("@%p2 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r10], 512;", options),
        "deadlock",
        {"512 of 512 bytes missing",
         "hint    full[1]: 1 of 1 operations that bring its bytes was never issued (phase 0 had 1)"}));
    EXPECT_TRUE(says(run_dynamic("", options), "deadlock",
                     {"1 arrivals are missing; before, Load (warp 0) came too"}));
  });
}

// Both CTAs arrive at rank 0's barrier; rank 1 waits at its own.
TEST(Deadlock, AnArrivalWentToTheOtherCta) {
  const std::string text = sm90_program(R"(
  .shared .align 8 .b64 full;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 mbarrier.init.shared::cta.b64 [full], 1;
  fence.mbarrier_init.release.cluster;
  barrier.cluster.arrive.relaxed.aligned;
  barrier.cluster.wait.aligned;
  mov.u32 %r10, full;
  and.b32 %r11, %r10, 16777215;
  @%p2 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r11];
  mov.u32 %r3, %cluster_ctarank;
  setp.eq.u32 %p3, %r3, 0;
  @%p3 bra DONE;
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r10], 0;
  @!%p1 bra WAIT;
DONE:
)" + kClusterSync);
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = run(text, {.threads = 32, .blocks = 2, .cluster = 2}, options, 32);
    EXPECT_TRUE(says(words, "deadlock",
                     {"warp 0 of rank 1", "wait on full of rank 1, phase 0",
                      "an arrival may have gone to the copy of rank 0, which is in phase 2",
                      "at the cluster's barrier"}));
  });
}

TEST(Deadlock, AProducerThatBeginsWithTheWrongParity) {
  RingPieces pieces;
  pieces.empty_wait = "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r23], %r7;";
  EXPECT_TRUE(says(run(ring(pieces), with_roles(), kSm90, 64), "deadlock",
                   {"hint    empty[0]: nobody has come in phase 0", "begins with parity 1"}));
}

}  // namespace
}  // namespace fa4::emu::test
