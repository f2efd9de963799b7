// SPDX-License-Identifier: Apache-2.0
// What sm_100 adds beside arithmetic: redux of floats, registers of 8 bits, moves of 256 bits, clusters that take over others,
// and which architecture has what.
#include <algorithm>

#include "emu/tma_programs.h"
#include "emu/tmem_programs.h"

namespace fa4::emu::test {
namespace {

// Lanes hold -20 to 11 in some order, one of them perhaps a NaN.
TEST(MachineSm100, ReduxOfFloatsIsAsMinAndMax) {
  const auto result = [](const std::string& operation, bool nan) {
    const Words words = run(sm100_program(R"(
  mad.lo.s32 %r2, %r1, 7, 3;
  and.b32 %r2, %r2, 31;
  sub.s32 %r2, %r2, 20;
  cvt.rn.f32.s32 %f2, %r2;
  setp.eq.u32 %p1, %r1, )" + std::string(nan ? "9" : "99") +
                                          R"(;
  @%p1 mov.b32 %f2, 0x7fc00001;
  redux.sync.)" + operation + R"(.f32 %f1, %f2, 0xffffffff;
  st.global.f32 [%rd2], %f1;
)"),
                            {.threads = 32}, kSm100, 32);
    EXPECT_CLEAN(words);
    EXPECT_EQ(std::count(words.values.begin(), words.values.end(), words.values[0]), 32);
    return words.values[0];
  };
  EXPECT_EQ(std::bit_cast<float>(result("min", false)), -20.0f);
  EXPECT_EQ(std::bit_cast<float>(result("max", false)), 11.0f);
  EXPECT_EQ(std::bit_cast<float>(result("max.abs", false)), 20.0f);
  EXPECT_EQ(std::bit_cast<float>(result("min.abs", false)), 0.0f);
  EXPECT_EQ(std::bit_cast<float>(result("max", true)), 11.0f);
  EXPECT_EQ(result("max.NaN", true), 0x7fffffffu);
}

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
  // From the first multiple of 32 bytes on.
  const std::string text = R"(
  add.s64 %rd1, %rd1, 31;
  and.b64 %rd1, %rd1, -32;
  mul.wide.u32 %rd4, %r1, 32;
  add.s64 %rd4, %rd4, %rd1;
  ld.global.v8.b32 {%r10, %r11, %r12, _, %r14, %r15, %r16, %r17}, [%rd4];
  add.u32 %r10, %r10, 5;
  ld.global.nc.L1::no_allocate.L2::evict_first.L2::256B.v4.b64 {%rd10, %rd11, %rd12, %rd13}, [%rd4];
  st.global.v4.b64 [%rd4+1024], {%rd13, %rd12, %rd11, %rd10};
  st.relaxed.cta.global.L1::no_allocate.v8.b32 [%rd4+2048], {%r17, %r16, %r15, %r14, %r14, %r12, %r11, %r10};
)";
  std::vector<uint32_t> values(768 + 8);
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = i;
  const Words words = run(sm100_program(text), values, {.threads = 32}, kSm100);
  EXPECT_CLEAN(words);
  const auto address = reinterpret_cast<uint64_t>(words.values.data());
  const auto start = static_cast<uint32_t>((32 - address % 32) % 32 / 4);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t line = start + i / 8 * 8, of = 7 - i % 8;
    ASSERT_EQ(words.values[start + 256 + i], line + (3 - i % 8 / 2) * 2 + i % 2);
    ASSERT_EQ(words.values[start + 512 + i], line + (of == 3 ? 4 : of) + (of == 0 ? 5 : 0));
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

// Loads of a pair, all of which the barrier of the even CTA counts. %r5: that barrier; %r6: the first row.
std::string pair_load(const std::string& load) {
  std::string text = tma_program(R"(
  setp.eq.and.u32 %p2, %r4, 0, %p1;
  @%p2 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 1024;
  and.b32 %r5, %r2, 0xfeffffff;
  shl.b32 %r6, %r4, 3;
  mov.b16 %rs1, 3;
)" + load + R"(
  setp.ne.u32 %p3, %r4, 0;
  @%p3 bra MEET;
)" + kWaitForBar + "MEET:\n" + kClusterSync +
                                     write_out(128),
                                 2);
  text.replace(text.find("sm_90a"), 6, "sm_100a");
  return text;
}

TEST(MachineSm100, TmaOfAPairSignalsTheEvenCta) {
  const auto run_pair = [](const std::string& load, const MachineOptions& options,
                           TmaLaunch* launch) {
    *launch = {.map = plain_map(16, 16, 16, 8), .tensor = counted(16 * 16), .cluster = 2};
    return run_tma(pair_load(load), launch, options);
  };
  for_all_schedules(
      [&](const MachineOptions& options) {
        TmaLaunch launch;
        const Words each = run_pair(
            "@%p1 cp.async.bulk.tensor.2d.cta_group::2.shared::cluster.global"
            ".mbarrier::complete_tx::bytes [%r3], [%rd2, {0, %r6}], [%r5];\n",
            options, &launch);
        EXPECT_CLEAN(each);
        for (uint32_t i = 0; i < 256; ++i) ASSERT_EQ(launch.words[i], launch.tensor[i]);
        const Words both = run_pair(
            "@%p2 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
            ".cta_group::2.multicast::cluster [%r3], [%rd2, {0, 8}], [%r2], %rs1;\n",
            options, &launch);
        EXPECT_CLEAN(both);
        for (uint32_t i = 0; i < 256; ++i) {
          ASSERT_EQ(launch.words[i], launch.tensor[128 + i % 128]);
        }
      },
      100);
  TmaLaunch launch;
  EXPECT_TRUE(
      run_pair("@%p1 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%r3], [%rd2, {0, %r6}], [%r5];\n",
               kSm100, &launch)
          .reported("bulk.barrier_rank"));
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
