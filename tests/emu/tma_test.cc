// SPDX-License-Identifier: Apache-2.0
// TMA in the machine: loads, stores, reductions, multicasts and bulk copies under every policy, and the mistakes around them.
#include <gtest/gtest.h>

#include <algorithm>

#include "emu/tma_programs.h"

namespace fa4::emu::test {
namespace {

class TmaPolicies : public testing::TestWithParam<Policy> {
 protected:
  static std::vector<MachineOptions> options() {
    std::vector<MachineOptions> all;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      all.push_back({.arch = 90, .policy = GetParam(), .seed = seed});
    }
    return all;
  }
};

INSTANTIATE_TEST_SUITE_P(All, TmaPolicies, testing::ValuesIn(kAllPolicies),
                         [](const auto& policy) { return name_of(policy.param); });

std::string load_2d(const std::string& x, const std::string& y, uint32_t bytes) {
  return "  @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], " + std::to_string(bytes) +
         ";\n  @%p1 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r3], "
         "[%rd2, {" +
         x + ", " + y + "}], [%r2];\n";
}

TEST_P(TmaPolicies, LoadsASwizzledBox) {
  const std::string text =
      tma_program(load_2d("32", "5", 64 * 128) + kWaitForBar + write_out(2048));
  for (const MachineOptions& one : options()) {
    TmaLaunch launch{.map = plain_map(96, 100, 32, 64, 3), .tensor = counted(96 * 100)};
    const Words result = run_tma(text, &launch, one);
    ASSERT_TRUE(result.report.finished) << result.texts();
    EXPECT_EQ(result.texts(), "");
    for (uint32_t row = 0; row < 64; ++row) {
      for (uint32_t column = 0; column < 32; ++column) {
        const uint32_t chunk = (column / 4) ^ (row % 8);
        ASSERT_EQ(launch.words[row * 32 + chunk * 4 + column % 4],
                  launch.tensor[(row + 5) * 96 + column + 32]);
      }
    }
  }
}

TEST_P(TmaPolicies, LoadsAreFilledOutsideOnEverySide) {
  const int corners[][2] = {{-8, -3}, {24, -3}, {-8, 30}, {24, 30}, {40, 0}, {0, -16}};
  for (const auto& [x, y] : corners) {
    const std::string text = tma_program(
        load_2d(std::to_string(x), std::to_string(y), 16 * 16 * 4) + kWaitForBar + write_out(256));
    TmaLaunch launch{.map = plain_map(32, 40, 16, 16), .tensor = counted(32 * 40)};
    const Words result = run_tma(text, &launch, options()[1]);
    EXPECT_EQ(result.texts(), "");
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 16; ++column) {
        const int tx = x + column, ty = y + row;
        const bool inside = tx >= 0 && tx < 32 && ty >= 0 && ty < 40;
        ASSERT_EQ(launch.words[static_cast<size_t>(row * 16 + column)],
                  inside ? launch.tensor[static_cast<size_t>(ty * 32 + tx)] : 0)
            << x << " " << y;
      }
    }
  }
}

const std::string kCommitAndWait = R"(
  @%p1 cp.async.bulk.commit_group;
  @%p1 cp.async.bulk.wait_group 0;
)";

TEST_P(TmaPolicies, StoresWhatIsInside) {
  const std::string text = tma_program(
      kFillTile +
      "  @%p1 cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%rd2, {8, 30}], [%r3];\n" +
      kCommitAndWait);
  for (const MachineOptions& one : options()) {
    TmaLaunch launch{.map = plain_map(20, 40, 16, 16), .tensor = counted(20 * 40)};
    const std::vector<uint32_t> before = launch.tensor;
    const Words result = run_tma(text, &launch, one);
    EXPECT_EQ(result.texts(), "");
    for (uint32_t y = 0; y < 40; ++y) {
      for (uint32_t x = 0; x < 20; ++x) {
        const bool written = y >= 30 && x >= 8;
        ASSERT_EQ(launch.tensor[y * 20 + x], written ? (y - 30) * 16 + x - 8 : before[y * 20 + x]);
      }
    }
  }
}

// What a store has written has a value, and a reduction asks for one.
TEST_P(TmaPolicies, StoresGiveValuesToMemoryWithout) {
  const std::string copy = kFillTile + "  @%p1 cp",
                    to = ".tile.bulk_group [%rd2, {8, 30}], [%r3];\n";
  const std::string tensor = "async.bulk.tensor.2d.global.shared::cta", end = to + kCommitAndWait;
  for (const MachineOptions& one : options()) {
    TmaLaunch launch{.map = plain_map(20, 40, 16, 16), .tensor = counted(800)};
    launch.written = unwritten(3200);
    const std::string add = tma_program(copy + ".reduce." + tensor + ".add" + end);
    EXPECT_TRUE(run_tma(add, &launch, one).reported("gmem.uninit"));
    launch.written = unwritten(3200);
    EXPECT_EQ(run_tma(tma_program(copy + "." + tensor + end), &launch, one).texts(), "");
    for (uint32_t i = 0; i < 3200; ++i)
      ASSERT_EQ(launch.written[i], i / 80 >= 30 && i % 80 >= 32 ? 1 : 0) << "byte " << i;
  }
}

TEST_P(TmaPolicies, AddsToATensor) {
  const std::string add =
      "  @%p1 cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%rd2, {0, 0}], [%r3];\n";
  const std::string text = tma_program(kFillTile + add + add + kCommitAndWait);
  for (const MachineOptions& one : options()) {
    TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256), .cluster = 2};
    launch.map.type = static_cast<uint32_t>(MapType::U32);
    const Words result = run_tma(text, &launch, one);
    EXPECT_EQ(result.texts(), "");
    for (uint32_t i = 0; i < 256; ++i) ASSERT_EQ(launch.tensor[i], 0x10000 + i + 4 * i);
  }
}

// Each CTA loads its part of the rows into all CTAs.
TEST_P(TmaPolicies, MulticastsOverACluster) {
  for (const uint32_t cluster : {2u, 4u}) {
    const uint32_t rows = 32 / cluster;
    const std::string text = tma_program(
        "  @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 2048;\n"
        "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n"
        "  mul.lo.s32 %r10, %r4, " +
            std::to_string(rows) + ";\n  mad.lo.s32 %r11, %r10, 64, %r3;\n  mov.u16 %rs1, " +
            std::to_string((1 << cluster) - 1) +
            ";\n  @%p1 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
            ".multicast::cluster [%r11], [%rd2, {0, %r10}], [%r2], %rs1;\n" +
            kWaitForBar + write_out(512),
        cluster);
    for (const MachineOptions& one : options()) {
      TmaLaunch launch{
          .map = plain_map(16, 32, 16, rows), .tensor = counted(512), .cluster = cluster};
      const Words result = run_tma(text, &launch, one);
      EXPECT_EQ(result.texts(), "");
      for (uint32_t i = 0; i < 512 * cluster; ++i) {
        ASSERT_EQ(launch.words[i], launch.tensor[i % 512]) << i;
      }
    }
  }
}

// Global to shared, to the other CTA of the pair, and back to global.
TEST_P(TmaPolicies, CopiesBytesThroughAPair) {
  const std::string text = tma_program(R"(
  ld.global.u64 %rd5, [%rd1];
  setp.eq.and.u32 %p2, %r4, 0, %p1;
  setp.eq.and.u32 %p3, %r4, 1, %p1;
  @!%p2 bra NOT_FIRST;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 1024;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd5], 1024, [%r2];
  bra TOGETHER;
NOT_FIRST:
  @%p3 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 1024;
TOGETHER:
  barrier.cluster.arrive;
  barrier.cluster.wait;
  @!%p2 bra SECOND;
)" + kWaitForBar + R"(
  mapa.shared::cluster.u32 %r10, %r3, 1;
  mapa.shared::cluster.u32 %r11, %r2, 1;
  cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r10], [%r3], 1024, [%r11];
SECOND:
  @!%p3 bra DONE;
)" + kWaitForBar + R"(
  cp.async.bulk.global.shared::cta.bulk_group [%rd5+4096], [%r3], 1024;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
)",
                                       2);
  for (const MachineOptions& one : options()) {
    TmaLaunch launch{.map = plain_map(16, 32, 16, 16), .tensor = counted(2048), .cluster = 2};
    const auto address = reinterpret_cast<uint64_t>(launch.tensor.data());
    std::memcpy(launch.words.data(), &address, 8);
    const Words result = run_tma(text, &launch, one);
    EXPECT_EQ(result.texts(), "");
    for (uint32_t i = 0; i < 256; ++i) ASSERT_EQ(launch.tensor[1024 + i], launch.tensor[i]);
  }
}

TEST_P(TmaPolicies, ReportsAReadWithoutItsWait) {
  const std::string text = tma_program(load_2d("0", "0", 1024) + write_out(256) + kWaitForBar);
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  const Words result = run_tma(text, &launch, options()[0]);
  const std::string texts = result.texts();
  EXPECT_NE(texts.find("race: "), std::string::npos) << texts;
  EXPECT_NE(texts.find("cp.async.bulk.tensor.2d.shared::cluster"), std::string::npos) << texts;
}

TEST_P(TmaPolicies, ReportsASourceThatIsOverwrittenEarly) {
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

TEST(Tma, ALazyStoreIsSpoiledByAnEarlyWrite) {
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

TEST_P(TmaPolicies, ReportsBytesThatNeverCome) {
  const std::string text = tma_program(load_2d("0", "0", 2048) + kWaitForBar);
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  const Words result = run_tma(text, &launch, options()[0]);
  EXPECT_FALSE(result.report.finished);
  ASSERT_TRUE(result.reported("deadlock")) << result.texts();
  EXPECT_NE(result.texts().find("1024"), std::string::npos) << result.texts();
}

TEST_P(TmaPolicies, ReportsWhatTheTensorHasAndTheMemoryHasNot) {
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

// A map is changed in shared memory, published, and used.
TEST_P(TmaPolicies, UsesAMapThatTheKernelHasChanged) {
  const std::string text = tma_program(R"(
  setp.lt.u32 %p2, %r1, 32;
  @!%p2 bra LOADED;
  mul.wide.u32 %rd5, %r1, 4;
  add.s64 %rd6, %rd2, %rd5;
  shl.b32 %r10, %r1, 2;
  add.s32 %r11, %r10, %r3;
  ld.b32 %r12, [%rd6];
  st.shared.b32 [%r11], %r12;
  bar.warp.sync 0xffffffff;
  cvt.u64.u32 %rd7, %r3;
  mov.b64 %rd8, 128;
  @%p1 tensormap.replace.tile.global_stride.shared::cta.b1024.b64 [%rd7], 0, %rd8;
  @%p1 tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%rd7], 1, 10;
  bar.warp.sync 0xffffffff;
  add.s64 %rd9, %rd1, 8319;
  and.b64 %rd9, %rd9, -128;
  tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%rd9], [%r3], 128;
  @!%p1 bra LOADED;
  fence.proxy.tensormap::generic.acquire.gpu [%rd9], 128;
  fence.proxy.async;
  mov.b64 %rd2, %rd9;
)" + load_2d("0", "0", 1024) + R"(
LOADED:
  bar.sync 0;
)" + kWaitForBar + write_out(256));
  for (const MachineOptions& one : options()) {
    TmaLaunch launch{.map = plain_map(16, 32, 16, 16), .tensor = counted(512)};
    launch.words.resize(8192);
    const Words result = run_tma(text, &launch, one);
    EXPECT_EQ(result.texts(), "");
    for (uint32_t i = 0; i < 256; ++i) {
      ASSERT_EQ(launch.words[i], i < 160 ? launch.tensor[i / 16 * 32 + i % 16] : 0) << i;
    }
  }
}

TEST(Tma, FaultsStopTheRun) {
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

TEST(Tma, HintsDoNothing) {
  const std::string text = tma_program(
      "  prefetch.tensormap [%rd2];\n"
      "  cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%rd2, {0, 0}];\n"
      "  cp.async.bulk.prefetch.L2.global [%rd1], 64;\n");
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  EXPECT_EQ(run_tma(text, &launch, {.arch = 90}).texts(), "");
}

TEST(Tma, OtherFormsAreRefused) {
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
