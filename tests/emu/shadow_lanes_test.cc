// SPDX-License-Identifier: Apache-2.0
// Accesses of whole ranges and of many lanes at once say and note what their words do, one after another.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "emu/machine/shadow.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kLanesBytes = 1024, kLanesWarps = 6;
using LaneOffsets = std::array<uint32_t, kLanes>;

// One shadow is asked at once, the other word by word.
class LanesPair {
 public:
  LanesPair() {
    for (Shadow* const shadow : {&at_once_, &by_words_}) {
      shadow->reset(true, kLanesBytes, kLanesWarps);
    }
  }

  Conflict::Kind read(uint32_t warp, uint32_t offset, uint32_t bytes) {
    const Conflict one = at_once_.read(warp, nullptr, offset, bytes);
    const Conflict other = read_words(warp, offset, bytes);
    EXPECT_EQ(one.kind, other.kind) << "read of " << bytes << " at " << offset;
    return one.kind;
  }
  // Of several conflicts each may name another one.
  Conflict::Kind write(uint32_t warp, uint32_t offset, uint32_t bytes) {
    const Conflict one = at_once_.write(warp, nullptr, offset, bytes);
    const Conflict other = write_words(warp, offset, bytes);
    EXPECT_EQ(one.kind == Conflict::Kind::None, other.kind == Conflict::Kind::None)
        << "write of " << bytes << " at " << offset;
    return one.kind;
  }
  void read_lanes(uint32_t warp, LaneMask lanes, const LaneOffsets& offsets, uint32_t bytes) {
    const LaneMask colliding = at_once_.read_lanes(warp, nullptr, lanes, offsets.data(), bytes);
    for_each_lane(lanes, [&](int lane) {
      const bool collides = read_words(warp, offsets[lane], bytes).kind != Conflict::Kind::None;
      EXPECT_EQ(has_lane(colliding, lane), collides) << "lane " << lane;
    });
  }
  // What the first answer leaves is written lane by lane, as the machine does.
  void write_lanes(uint32_t warp, LaneMask lanes, const LaneOffsets& offsets, uint32_t bytes) {
    const LaneMask left = at_once_.try_write_lanes(warp, nullptr, lanes, offsets.data(), bytes);
    for_each_lane(lanes, [&](int lane) {
      const Conflict other = write_words(warp, offsets[lane], bytes);
      const Conflict one =
          has_lane(left, lane) ? at_once_.write(warp, nullptr, offsets[lane], bytes) : Conflict{};
      EXPECT_EQ(one.kind == Conflict::Kind::None, other.kind == Conflict::Kind::None)
          << "lane " << lane;
    });
  }
  void meet(uint32_t first, uint32_t end) {
    std::vector<uint32_t> warps;
    for (uint32_t warp = first; warp < end; ++warp) warps.push_back(warp);
    at_once_.join(warps, warps);
    by_words_.join(warps, warps);
  }
  // An operation that reads, of which nobody will know that it is done.
  void read_by_copy(uint32_t warp, uint32_t offset, uint32_t bytes) {
    for (Shadow* const shadow : {&at_once_, &by_words_}) {
      shadow->copy_reads(shadow->begin_copy(warp), nullptr, offset, bytes);
    }
  }

 private:
  Conflict read_words(uint32_t warp, uint32_t offset, uint32_t bytes) {
    Conflict first;
    for (uint32_t at = offset; at < offset + bytes; at += 4) {
      const Conflict one = by_words_.read(warp, nullptr, at, 4);
      if (first.kind == Conflict::Kind::None) first = one;
    }
    return first;
  }
  Conflict write_words(uint32_t warp, uint32_t offset, uint32_t bytes) {
    Conflict first;
    for (uint32_t at = offset; at < offset + bytes; at += 4) {
      const Conflict one = by_words_.write(warp, nullptr, at, 4);
      if (first.kind == Conflict::Kind::None) first = one;
    }
    return first;
  }

  Shadow at_once_, by_words_;
};

TEST(ShadowLanes, AtOnceIsWordByWord) {
  std::mt19937 random(5);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  uint32_t accesses = 0, races = 0;
  for (int round = 0; round < 40; ++round) {
    LanesPair shadows;
    if (round % 4 != 3) shadows.write(0, 0, kLanesBytes);  // else some bytes are unwritten
    shadows.meet(0, kLanesWarps);
    for (int step = 0; step < 250; ++step) {
      const uint32_t warp = below(kLanesWarps);
      // Rows of a tile, the same place for all, or anywhere.
      const uint32_t bytes = 4u << below(3), row = 16 * below(5), begin = 16 * below(8);
      LaneOffsets offsets;
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        const uint32_t at =
            row == 64 ? bytes * below(64) : begin + row * (lane % 8) + bytes * (lane / 8);
        offsets[lane] = std::min(at, kLanesBytes - bytes) / bytes * bytes;
      }
      const LaneMask lanes = below(3) == 0 ? random() : kAllLanes;
      const uint32_t offset = 4 * below(kLanesBytes / 4);
      const uint32_t length = 4 + 4 * below((kLanesBytes - offset) / 4);
      switch (below(10)) {
        case 0:
          shadows.read_lanes(warp, lanes, offsets, bytes);
          break;
        case 1:
        case 2:
          shadows.write_lanes(warp, lanes, offsets, bytes);
          break;
        case 3:
          races += shadows.read(warp, offset, length) != Conflict::Kind::None ? 1 : 0;
          ++accesses;
          break;
        case 4:
          races += shadows.write(warp, offset, length) != Conflict::Kind::None ? 1 : 0;
          ++accesses;
          break;
        case 5:
          if (round % 5 == 4) shadows.read_by_copy(warp, offset / 16 * 16, 16);
          break;
        default:
          shadows.meet(below(2) == 0 ? 0 : below(kLanesWarps), kLanesWarps);
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(races, accesses / 10);
  EXPECT_LT(races, accesses - accesses / 10);
}

}  // namespace
}  // namespace fa4::emu
