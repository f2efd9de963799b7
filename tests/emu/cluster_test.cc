// SPDX-License-Identifier: Apache-2.0
// Clusters: ranks, the cluster's barrier, shared memory of other CTAs, asynchronous stores, registers that move.
#include "emu/cluster_programs.h"

namespace fa4::emu::test {
namespace {

TEST(MachineCluster, EachCtaKnowsItsRank) {
  const std::string text = sm90_program(R"(
  mov.u32 %r2, %cluster_ctarank;
  mov.u32 %r3, %cluster_nctarank;
  mov.u32 %r4, %clusterid.x;
  mov.u32 %r5, %nclusterid.x;
  mov.u32 %r6, %cluster_ctaid.x;
  mov.u32 %r7, %ctaid.x;
  mad.lo.s32 %r8, %r3, 10, %r2;
  mad.lo.s32 %r8, %r4, 100, %r8;
  mad.lo.s32 %r8, %r5, 1000, %r8;
  mad.lo.s32 %r8, %r6, 10000, %r8;
  mul.wide.u32 %rd3, %r7, 4;
  add.s64 %rd3, %rd1, %rd3;
  st.global.u32 [%rd3], %r8;
)");
  const Words words = run(text, {.threads = 32, .blocks = 6, .cluster = 2}, kSm90, 6);
  EXPECT_CLEAN(words);
  for (uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(words.values[i], i % 2 + 20 + i / 2 * 100 + 3000 + i % 2 * 10000);
  }
}

// Each CTA writes its words, and reads those of the next one after the cluster's barrier.
std::string exchange_between_ctas(const std::string& between,
                                  const std::string& end = kClusterSync) {
  return sm90_program(R"(
  .shared .align 16 .b8 tile[256];
  mov.u32 %r10, tile;
  shl.b32 %r11, %r1, 2;
  add.s32 %r12, %r10, %r11;
  mov.u32 %r2, %cluster_ctarank;
  mov.u32 %r3, %cluster_nctarank;
  mad.lo.s32 %r4, %r2, 1000, %r1;
  st.shared.u32 [%r12], %r4;
)" + between + R"(
  add.s32 %r5, %r2, 1;
  rem.u32 %r5, %r5, %r3;
  mapa.shared::cluster.u32 %r13, %r12, %r5;
  ld.shared::cluster.u32 %r6, [%r13];
  cvt.u64.u32 %rd5, %r12;
  cvta.shared.u64 %rd4, %rd5;
  mapa.u64 %rd6, %rd4, %r5;
  ld.u32 %r7, [%rd6];
  getctarank.u64 %r8, %rd6;
  isspacep.shared::cluster %p1, %rd6;
  isspacep.shared::cta %p2, %rd6;
  selp.b32 %r9, 1, 0, %p1;
  selp.b32 %r9, 7, %r9, %p2;
  add.s32 %r6, %r6, %r7;
  mad.lo.s32 %r6, %r8, 100000, %r6;
  mad.lo.s32 %r6, %r9, 1000000, %r6;
)" + end + R"(
  mad.lo.s32 %r14, %r2, 64, %r1;
  mul.wide.u32 %rd3, %r14, 4;
  add.s64 %rd3, %rd1, %rd3;
  st.global.u32 [%rd3], %r6;
)");
}

TEST(MachineCluster, CtasReadOneAnother) {
  for_all_schedules([](const MachineOptions& options) {
    const Words words = run(exchange_between_ctas(kClusterSync),
                            {.threads = 64, .blocks = 4, .cluster = 4}, options, 256);
    EXPECT_CLEAN(words);
    for (uint32_t i = 0; i < 256; ++i) {
      const uint32_t next = (i / 64 + 1) % 4;
      ASSERT_EQ(words.values[i], 2 * (next * 1000 + i % 64) + next * 100000 + 1000000) << i;
    }
  });
}

TEST(MachineCluster, WithoutItsBarrierThatIsARace) {
  for_all_schedules([](const MachineOptions& options) {
    const Words words =
        run(exchange_between_ctas(""), {.threads = 64, .blocks = 4, .cluster = 4}, options, 256);
    EXPECT_TRUE(words.reported("race.write_vs_read") || words.reported("smem.uninit") ||
                words.reported("race.read_vs_write"))
        << words.texts();
  });
}

TEST(MachineCluster, ARelaxedArrivalOrdersNothingWithoutAFence) {
  const char* const relaxed = R"(
  barrier.cluster.arrive.relaxed.aligned;
  barrier.cluster.wait.acquire.aligned;
)";
  const Shape shape{.threads = 64, .blocks = 2, .cluster = 2};
  EXPECT_TRUE(
      run(exchange_between_ctas(relaxed), shape, kSm90, 256).reported("race.write_vs_read"));
  EXPECT_CLEAN(run(exchange_between_ctas(std::string("fence.acq_rel.cluster;") + relaxed), shape,
                   kSm90, 256));
}

TEST(MachineCluster, TheSharedMemoryOfACtaThatHasExitedIsNotThere) {
  const std::string text = sm90_program(R"(
  .shared .align 16 .b8 tile[256];
  mov.u32 %r10, tile;
  st.shared.u32 [%r10], %r1;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  mov.u32 %r2, %cluster_ctarank;
  setp.eq.u32 %p1, %r2, 1;
  @%p1 exit;
  mov.u32 %r3, 40;
LOOP:
  mov.u64 %rd4, %clock64;
  ld.volatile.global.u32 %r4, [%rd1];
  sub.s32 %r3, %r3, 1;
  setp.ne.u32 %p1, %r3, 0;
  @%p1 bra LOOP;
  mapa.shared::cluster.u32 %r13, %r10, 1;
  ld.shared::cluster.u32 %r6, [%r13];
)");
  const Words words = run(text, {.threads = 32, .blocks = 2, .cluster = 2}, kSm90, 1);
  EXPECT_TRUE(says(words, "smem.peer_exited", {"that CTA has exited", "ld.shared::cluster"}));
}

TEST(MachineCluster, OwnSharedInstructionsReachNoPeer) {
  const std::string text = sm90_program(R"(
  .shared .align 16 .b8 tile[256];
  mov.u32 %r10, tile;
  mapa.shared::cluster.u32 %r13, %r10, 1;
  st.shared.u32 [%r13], %r1;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
)");
  const Words words = run(text, {.threads = 32, .blocks = 2, .cluster = 2}, kSm90, 1);
  EXPECT_TRUE(says(words, "smem.foreign_rank", {"rank 1; this CTA has rank 0", ".shared::cta"}));
}

TEST(MachineCluster, ExitCountsAsArrival) {
  const std::string text = sm90_program(R"(
  mov.u32 %r2, %cluster_ctarank;
  setp.eq.u32 %p1, %r2, 1;
  @%p1 exit;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  st.global.u32 [%rd2], %r1;
)");
  for_all_schedules([&](const MachineOptions& options) {
    EXPECT_CLEAN(run(text, {.threads = 32, .blocks = 2, .cluster = 2}, options, 32));
  });
}

TEST(MachineCluster, ItsBarrierIsMisused) {
  const Shape shape{.threads = 32, .blocks = 2, .cluster = 2};
  EXPECT_TRUE(says(run(sm90_program("barrier.cluster.wait.aligned;"), shape, kSm90, 32),
                   "bar.generation", {"have not come to it"}));
  EXPECT_TRUE(says(run(sm90_program(R"(
  barrier.cluster.arrive.aligned;
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
)"),
                       shape, kSm90, 32),
                   "bar.generation", {"have not waited since"}));
}

TEST(MachineCluster, LaunchesAreChecked) {
  const std::string text = sm90_program("");
  EXPECT_THROW(run(text, {.blocks = 3, .cluster = 2}, kSm90, 32), MachineError);
  EXPECT_THROW(run(text, {.blocks = 16, .cluster = 16}, kSm90, 32), MachineError);
  EXPECT_THROW(run(text, {.blocks = 2, .cluster = 2}, {.arch = 80}, 32), MachineError);
  std::string required = text;
  required.replace(required.find(")\n{"), 3, ")\n.explicitcluster\n.reqnctapercluster 2, 1, 1\n{");
  EXPECT_THROW(run(required, {.blocks = 4, .cluster = 4}, kSm90, 32), MachineError);
  EXPECT_CLEAN(run(required, {.blocks = 4, .cluster = 2}, kSm90, 32));
  EXPECT_CLEAN(run(required, {.blocks = 4}, kSm90, 32));  // the kernel's own
}

TEST(MachineCluster, BlocksMayBeClusters) {
  std::string text = sm90_program(R"(
  mov.u32 %r2, %nctaid.x;
  mov.u32 %r3, %ctaid.x;
  mul.wide.u32 %rd4, %r3, 4;
  add.s64 %rd4, %rd4, %rd1;
  st.global.u32 [%rd4], %r2;
)");
  const auto with = [&](const std::string& directives) {
    std::string other = text;
    return other.replace(other.find(")\n{"), 3, ")\n.blocksareclusters\n" + directives + "{");
  };
  const std::string threads = ".reqntid 32, 1, 1\n", cluster = ".reqnctapercluster 2, 1, 1\n";
  const Words words = run(with(threads + cluster), {.blocks = 3}, kSm90, 7);
  EXPECT_CLEAN(words);
  EXPECT_EQ(words.values, (std::vector<uint32_t>{6, 6, 6, 6, 6, 6, 0}));
  EXPECT_THROW(run(with(cluster), {.blocks = 3}, kSm90, 7), MachineError);
}

// Two CTAs add to a word of the first, which may read it when the barrier has told it so.
TEST(MachineCluster, ReductionsAreUnderWayUntilTheBarrier) {
  const std::string before = R"(
  .shared .align 8 .b64 full;
  .shared .align 8 .b32 sum;
  setp.ne.u32 %p1, %r1, 0;
  mov.u32 %r2, %cluster_ctarank;
  setp.ne.u32 %p2, %r2, 0;
  mov.u32 %r10, full;
  mov.u32 %r11, sum;
  or.pred %p4, %p1, %p2;
  @%p4 bra READY;
  mbarrier.init.shared.b64 [full], 1;
  st.shared.u32 [sum], 5;
  mbarrier.arrive.expect_tx.shared.b64 _, [full], 8;
READY:
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  @%p1 bra ADDED;
  mapa.shared::cluster.u32 %r12, %r10, 0;
  mapa.shared::cluster.u32 %r13, %r11, 0;
  red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 [%r13], 7, [%r12];
ADDED:
  @%p2 bra END;
)";
  const std::string wait = R"(
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p3, [full], 0;
  @!%p3 bra WAIT;
)";
  const std::string read = R"(
  ld.shared.u32 %r4, [sum];
  st.global.u32 [%rd1], %r4;
END:
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
)";
  const Shape shape{.threads = 32, .blocks = 2, .cluster = 2};
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = run(sm90_program(before + wait + read), shape, options, 1);
    EXPECT_CLEAN(words);
    EXPECT_EQ(words.values[0], 19u);
    EXPECT_TRUE(run(sm90_program(before + read), shape, options, 1).report.num_errors != 0);
  });
  EXPECT_TRUE(
      says(run(sm90_program(before + read), shape, kSm90, 1), "race.write_vs_read", {"red.async"}));
}

// st.async into the next CTA, which waits for the bytes.
std::string remote_store(const std::string& wait) {
  return sm90_program(R"(
  .shared .align 16 .b8 tile[512];
  .shared .align 8 .b64 full;
  mov.u32 %r10, tile;
  mov.u32 %r20, full;
  setp.eq.u32 %p3, %r1, 0;
  @%p3 mbarrier.init.shared::cta.b64 [%r20], 1;
  @%p3 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r20], 256;
  fence.mbarrier_init.release.cluster;
)" + kClusterSync + R"(
  mov.u32 %r2, %cluster_ctarank;
  xor.b32 %r5, %r2, 1;
  shl.b32 %r11, %r1, 3;
  add.s32 %r12, %r10, %r11;
  mapa.shared::cluster.u32 %r13, %r12, %r5;
  mapa.shared::cluster.u32 %r21, %r20, %r5;
  mad.lo.s32 %r6, %r2, 1000, %r1;
  add.s32 %r7, %r6, 500;
  st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [%r13], {%r6, %r7}, [%r21];
)" + wait + R"(
  ld.shared.v2.u32 {%r8, %r9}, [%r12];
  add.s32 %r8, %r8, %r9;
)" + kClusterSync + R"(
  mad.lo.s32 %r14, %r2, 32, %r1;
  mul.wide.u32 %rd3, %r14, 4;
  add.s64 %rd3, %rd1, %rd3;
  st.global.u32 [%rd3], %r8;
)");
}

const char* const kWaitFull = R"(
WAIT:
  mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p1, [%r20], 0;
  @!%p1 bra WAIT;
)";

TEST(MachineCluster, AsynchronousStoresReachAPeer) {
  const Shape shape{.threads = 32, .blocks = 2, .cluster = 2};
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = run(remote_store(kWaitFull), shape, options, 64);
    EXPECT_CLEAN(words);
    for (uint32_t i = 0; i < 64; ++i) {
      ASSERT_EQ(words.values[i], 2 * ((1 - i / 32) * 1000 + i % 32) + 500) << i;
    }
    EXPECT_GT(run(remote_store(""), shape, options, 64).report.num_errors, 0u);
  });
}

TEST(MachineCluster, RegistersMoveBetweenWarpgroups) {
  const auto text = [](int more) {
    std::string body = sm90_program(R"(
  setp.lt.u32 %p1, %r1, 128;
  @%p1 bra FEWER;
  setmaxnreg.inc.sync.aligned.u32 )" +
                                    std::to_string(more) + R"(;
  bra.uni DONE;
FEWER:
  setmaxnreg.dec.sync.aligned.u32 24;
DONE:
  st.global.u32 [%rd2], %r1;
)");
    body.replace(body.find(")\n{"), 3, ")\n.maxntid 384, 1, 1\n.minnctapersm 1\n{");
    return body;
  };
  EXPECT_CLEAN(run(text(240), {.threads = 384}, kSm90, 384));
  const Words words = run(text(248), {.threads = 384}, kSm90, 384);
  EXPECT_TRUE(says(words, "deadlock", {"registers", "setmaxnreg.inc"}));
}

TEST(MachineCluster, TheElectedLaneDependsOnTheSeed) {
  const std::string text = sm90_program(R"(
  elect.sync %r2|%p1, -1;
  st.global.u32 [%rd2], %r2;
  selp.b32 %r3, 1, 0, %p1;
  st.global.u32 [%rd2+128], %r3;
)");
  bool other = false;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Words words =
        run(text, {.threads = 32}, {.arch = 90, .seed = seed, .elect_any = true}, 64);
    EXPECT_CLEAN(words);
    EXPECT_EQ(run(text, {.threads = 32}, {.arch = 90, .seed = seed}, 64).values[0], 0u);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(words.values[lane], words.values[0]);
      EXPECT_EQ(words.values[32 + lane], lane == words.values[0] ? 1u : 0u);
    }
    if (seed == 0) {
      EXPECT_EQ(words.values[0], 0u);
    }
    other = other || words.values[0] != 0;
  }
  EXPECT_TRUE(other);
}

}  // namespace
}  // namespace fa4::emu::test
