// SPDX-License-Identifier: Apache-2.0
// Readers that the shadow forgets because a later operation of their queue stands for them: it finds the same races as a
// shadow that forgets none.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "emu/machine/shadow.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kQueueBytes = 256, kQueueWarps = 8;  // two warpgroups

// As wgmma: the four warps of a group issue operations in the same order, each commits and waits for itself.
class QueuePair {
 public:
  QueuePair() {
    for (Shadow* const shadow : {&with_, &without_}) {
      shadow->reset(true, kQueueBytes, kQueueWarps);
      shadow->write(0, nullptr, 0, kQueueBytes);
      shadow->fence_proxy(0, 1);
    }
    meet_all();
  }

  // One that reads these 16 bytes has been issued by all warps of a group, and is made at once.
  void issue(uint32_t group, const std::vector<uint32_t>& units) {
    Operation operation;
    const uint32_t first = 4 * group;
    operation.id = with_.begin_copy(first);
    EXPECT_EQ(without_.begin_copy(first), operation.id);
    with_.enter_queue(operation.id, group + 1);
    for (const uint32_t unit : units) {
      const Conflict one = with_.copy_reads(operation.id, nullptr, 16 * unit, 16);
      EXPECT_EQ(without_.copy_reads(operation.id, nullptr, 16 * unit, 16).kind, one.kind);
    }
    for (uint32_t at = 0; at < 4; ++at) operation.groups[at] = committed_[first + at];
    operations_[group].push_back(operation);
  }
  void commit(uint32_t warp) { ++committed_[warp]; }
  void wait(uint32_t warp, uint32_t unfinished) {
    for (const Operation& operation : operations_[warp / 4]) {
      const uint32_t group = operation.groups[warp % 4];
      if (group >= committed_[warp] || committed_[warp] - group <= unfinished) continue;
      with_.waited(operation.id, warp);
      without_.waited(operation.id, warp);
    }
  }
  void meet(const std::vector<uint32_t>& warps) {
    with_.join(warps, warps);
    without_.join(warps, warps);
  }
  void meet_all() {
    std::vector<uint32_t> warps(kQueueWarps);
    std::iota(warps.begin(), warps.end(), 0);
    meet(warps);
  }
  // Whether a race has been found; by both or by none.
  bool overwrite(uint32_t warp, uint32_t unit) {
    const Conflict one = with_.write(warp, nullptr, 16 * unit, 16);
    const Conflict other = without_.write(warp, nullptr, 16 * unit, 16);
    EXPECT_EQ(one.kind == Conflict::Kind::None, other.kind == Conflict::Kind::None)
        << "warp " << warp << " unit " << unit;
    with_.fence_proxy(warp, 1);
    without_.fence_proxy(warp, 1);
    return one.kind != Conflict::Kind::None;
  }

 private:
  struct Operation {
    uint32_t id = 0;
    std::array<uint32_t, 4> groups{};
  };
  Shadow with_, without_;
  std::array<uint32_t, kQueueWarps> committed_{};
  std::array<std::vector<Operation>, 2> operations_;
};

TEST(ShadowQueue, TheNewestStandsForThoseBeforeIt) {
  for (const uint32_t left : {0u, 1u, 2u}) {
    QueuePair shadows;
    for (int i = 0; i < 2; ++i) {
      shadows.issue(0, {3});
      for (uint32_t warp = 0; warp < 4; ++warp) shadows.commit(warp);
    }
    for (uint32_t warp = 0; warp < 4; ++warp) shadows.wait(warp, left);
    shadows.meet_all();
    EXPECT_EQ(shadows.overwrite(5, 3), left != 0) << left;
  }
}

TEST(ShadowQueue, AnotherQueueStandsForItselfAlone) {
  QueuePair shadows;
  for (const uint32_t group : {0u, 1u, 0u, 1u}) shadows.issue(group, {3});
  for (uint32_t warp = 4; warp < 8; ++warp) {
    shadows.commit(warp);
    shadows.wait(warp, 0);
  }
  shadows.meet_all();
  EXPECT_TRUE(shadows.overwrite(5, 3));
}

TEST(ShadowQueue, FindsTheRacesOfOneThatForgetsNoReader) {
  std::mt19937 random(3);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  uint32_t races = 0, writes = 0;
  for (int round = 0; round < 60; ++round) {
    QueuePair shadows;
    for (int step = 0; step < 300; ++step) {
      const uint32_t warp = below(kQueueWarps);
      switch (below(12)) {
        case 0:
        case 1:
          shadows.issue(warp / 4, {below(6), below(6)});
          break;
        case 2:
        case 3:
          shadows.commit(warp);
          break;
        case 4:
        case 5:
          shadows.wait(warp, below(3));
          break;
        case 6:
          shadows.meet({warp, (warp + 1 + below(7)) % kQueueWarps});
          break;
        case 7:
        case 8:
        case 9:
          shadows.meet_all();
          break;
        default:
          races += shadows.overwrite(warp, below(6)) ? 1 : 0;
          ++writes;
      }
    }
  }
  EXPECT_GT(races, writes / 10);
  EXPECT_LT(races, writes - writes / 10);
}

}  // namespace
}  // namespace fa4::emu
