// SPDX-License-Identifier: Apache-2.0
// Mistakes around TMA: what is reported, and what stops the run.
#include <gtest/gtest.h>

#include "emu/tma_programs.h"

namespace fa4::emu::test {
namespace {

class TmaFaults : public TmaPolicies {};
INSTANTIATE_TEST_SUITE_P(All, TmaFaults, testing::ValuesIn(kAllPolicies),
                         [](const auto& policy) { return name_of(policy.param); });

TEST_P(TmaFaults, ReportsAReadWithoutItsWait) {
  const std::string text = tma_program(load_2d("0", "0", 1024) + write_out(256) + kWaitForBar);
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  const Words result = run_tma(text, &launch, options()[0]);
  const std::string texts = result.texts();
  EXPECT_NE(texts.find("race: "), std::string::npos) << texts;
  EXPECT_NE(texts.find("cp.async.bulk.tensor.2d.shared::cluster"), std::string::npos) << texts;
}

TEST_P(TmaFaults, ReportsASourceThatIsOverwrittenEarly) {
  const auto text = [](const std::string& wait) {
    return tma_program(kFillTile + R"(
  @!%p1 bra DONE;
  cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%rd2, {0, 0}], [%r3];
  cp.async.bulk.commit_group;
)" + wait + R"(
  st.shared.b32 [%r3+16], %r4;
  cp.async.bulk.wait_group 0;
DONE:
)");
  };
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  EXPECT_TRUE(run_tma(text(""), &launch, options()[0]).reported("race.copy_pending"));
  EXPECT_EQ(run_tma(text("  cp.async.bulk.wait_group.read 0;"), &launch, options()[0]).texts(), "");
  for (uint32_t i = 0; i < 256; ++i) ASSERT_EQ(launch.tensor[i], i);
}

TEST(TmaFault, ALazyStoreIsSpoiledByAnEarlyWrite) {
  const std::string text = tma_program(kFillTile + R"(
  @!%p1 bra DONE;
  cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%rd2, {0, 0}], [%r3];
  cp.async.bulk.commit_group;
  mov.b32 %r10, -1;
  st.shared.b32 [%r3+16], %r10;
  cp.async.bulk.wait_group 0;
DONE:
)");
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  run_tma(text, &launch, {.arch = 90, .policy = Policy::Lazy, .checks = false});
  EXPECT_EQ(launch.tensor[4], 0xffffffffu);
}

TEST_P(TmaFaults, ReportsBytesThatNeverCome) {
  const std::string text = tma_program(load_2d("0", "0", 2048) + kWaitForBar);
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  const Words result = run_tma(text, &launch, options()[0]);
  EXPECT_FALSE(result.report.finished);
  ASSERT_TRUE(result.reported("deadlock")) << result.texts();
  EXPECT_NE(result.texts().find("1024"), std::string::npos) << result.texts();
}

TEST_P(TmaFaults, ReportsWhatTheTensorHasAndTheMemoryHasNot) {
  const std::string text = tma_program(load_2d("0", "8", 1024) + kWaitForBar + write_out(256));
  TmaLaunch launch{.map = plain_map(16, 32, 16, 16), .tensor = counted(512)};
  launch.allocated_words = 16 * 20;
  const Words result = run_tma(text, &launch, options()[0]);
  EXPECT_TRUE(result.report.finished);
  EXPECT_EQ(result.codes(), std::vector<std::string>{"gmem.bounds"}) << result.texts();
  for (uint32_t i = 0; i < 256; ++i) {
    ASSERT_EQ(launch.words[i], i < 12 * 16 ? launch.tensor[128 + i] : 0xffffffffu) << i;
  }
}

TEST(TmaFault, StopsTheRun) {
  struct Fault {
    std::string body;
    const char* code;
    bool raw_map = false;
  };
  const auto store = [](const char* at) {
    return kFillTile + "  @%p1 cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%rd2, {" +
           at + "}], [%r3];\n";
  };
  const Fault faults[] = {
      {load_2d("0", "0", 1024), "tmap.invalid", true},
      {load_2d("2", "0", 1024), "tmap.coordinate"},
      {store("0, -1"), "tmap.coordinate"},
      {store("-4, 0"), "tmap.coordinate"},
      {"  add.s32 %r3, %r3, 64;\n" + load_2d("0", "0", 1024), "misaligned"},
      {"  @%p1 cp.async.bulk.prefetch.tensor.1d.L2.global [%rd2, {0}];\n", "tmap.rank"},
      {kFillTile +
           "  @%p1 cp.reduce.async.bulk.tensor.2d.global.shared::cta.min.bulk_group [%rd2, {0, 0}], [%r3];\n",
       "tmap.reduction"},
      {"  @%p1 cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r3], 24;\n", "bulk.size"},
      {"  mov.u16 %rs1, 2;\n  @%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
       ".multicast::cluster [%r3], [%rd1], 16, [%r2], %rs1;\n",
       "bulk.mask"},
  };
  for (const Fault& fault : faults) {
    TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
    launch.raw_map = fault.raw_map;
    const Words result = run_tma(tma_program(fault.body), &launch, {.arch = 90});
    EXPECT_FALSE(result.report.finished);
    EXPECT_EQ(result.codes(), std::vector<std::string>{fault.code}) << result.texts();
  }
}

TEST(TmaFault, OfAnotherFormIsRefused) {
  const char* forms[] = {
      "cp.async.bulk.tensor.3d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%r3], [%rd2, {0, 0, 0}], "
      "[%r2], {%rs1};",
      "cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes [%r3], [%rd2, {0, 0, 0, "
      "0, 0}], [%r2];",
      "cp.async.bulk.global.shared::cta.bulk_group.cp_mask [%rd1], [%r3], 16, %rs1;",
      "cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.f32 [%r3], [%r3], 16, [%r2];",
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2, {0}], [%r2];",
      "tensormap.replace.tile.swizzle_atomicity.global.b1024.b32 [%rd1], 1;",
  };
  for (const char* form : forms) {
    TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
    EXPECT_THROW(run_tma(tma_program(form), &launch, {.arch = 90}), MachineError) << form;
  }
}

}  // namespace
}  // namespace fa4::emu::test
