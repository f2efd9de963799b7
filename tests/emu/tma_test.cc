// SPDX-License-Identifier: Apache-2.0
// TMA in the machine: loads, stores, reductions, multicasts and bulk copies under every policy.
#include <gtest/gtest.h>

#include <algorithm>

#include "emu/tma_programs.h"

namespace fa4::emu::test {
namespace {

INSTANTIATE_TEST_SUITE_P(All, TmaPolicies, testing::ValuesIn(kAllPolicies),
                         [](const auto& policy) { return name_of(policy.param); });

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

TEST(Tma, HintsDoNothing) {
  const std::string text = tma_program(
      "  prefetch.tensormap [%rd2];\n"
      "  cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%rd2, {0, 0}];\n"
      "  cp.async.bulk.prefetch.L2.global [%rd1], 64;\n");
  TmaLaunch launch{.map = plain_map(16, 16, 16, 16), .tensor = counted(256)};
  EXPECT_EQ(run_tma(text, &launch, {.arch = 90}).texts(), "");
}

}  // namespace
}  // namespace fa4::emu::test
