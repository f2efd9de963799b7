// SPDX-License-Identifier: Apache-2.0
// The carry that one instruction leaves and the next takes: add.cc, addc, sub.cc, subc, mad.cc, madc.
#include "emu/isa_fixture.h"

namespace fa4::emu::isa::carry_test {
namespace {

__extension__ using Int = __int128;

int64_t signed_word(uint64_t x) { return static_cast<int32_t>(x); }
uint64_t low_word(Int x) { return static_cast<uint32_t>(x); }

TEST(IsaCarry, GoesThrough128Bits) {
  __extension__ using Wide = unsigned __int128;
  std::mt19937_64 random(7);
  OneWarp one;
  for (int round = 0; round < 200; ++round) {
    std::array<std::array<uint64_t, 4>, kLanes> in{};
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int k = 0; k < 4; ++k) {
        in[lane][k] = any_value(random, 64);
        one.set("%d" + std::to_string(k), lane, in[lane][k]);
      }
    }
    const auto expect = [&](const char* what, auto wide) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const Wide a = static_cast<Wide>(in[lane][1]) << 64 | in[lane][0];
        const Wide b = static_cast<Wide>(in[lane][3]) << 64 | in[lane][2];
        const Wide expected = wide(a, b);
        EXPECT_EQ(one.get("%d4", lane), static_cast<uint64_t>(expected)) << what;
        EXPECT_EQ(one.get("%d5", lane), static_cast<uint64_t>(expected >> 64)) << what;
      }
    };
    one.run("add.cc.u64 %d4, %d0, %d2");
    one.run("addc.u64 %d5, %d1, %d3");
    expect("sum", [](Wide a, Wide b) { return a + b; });
    one.run("sub.cc.s64 %d4, %d0, %d2");
    one.run("subc.cc.s64 %d5, %d1, %d3");
    expect("difference", [](Wide a, Wide b) { return a - b; });
    // The low 128 bits of the product of two 128-bit numbers.
    one.run("mul.lo.u64 %d4, %d0, %d2");
    one.run("mul.hi.u64 %d5, %d0, %d2");
    one.run("mad.lo.cc.u64 %d5, %d0, %d3, %d5");
    one.run("madc.lo.u64 %d5, %d1, %d2, %d5");
    // The last madc added a carry that belongs to the word above; take it away again.
    for (int lane = 0; lane < kLanes; ++lane) {
      if (has_lane(one.warp.carry, lane)) one.set("%d5", lane, one.get("%d5", lane) - 1);
    }
    expect("product", [](Wide a, Wide b) { return a * b; });
  }
}

// The carry in alone may carry out: all ones and a carry.
TEST(IsaCarry, ComesInAndGoesOut) {
  std::mt19937_64 random(9);
  OneWarp one;
  for (int round = 0; round < 200; ++round) {
    std::array<std::array<uint64_t, 3>, kLanes> in{};
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int k = 0; k < 3; ++k) {
        in[lane][k] = random() % 2 == 0 ? 0xffffffff * (random() % 2) : any_value(random, 32);
        one.set("%r" + std::to_string(k), lane, in[lane][k]);
      }
    }
    const auto expect = [&](const char* text, auto wide) {
      const LaneMask before = one.warp.carry = static_cast<LaneMask>(random());
      one.run(text);
      for (int lane = 0; lane < kLanes; ++lane) {
        const Int expected = wide(in[lane], Int{before >> lane & 1});
        EXPECT_EQ(one.get("%r3", lane), low_word(expected)) << text;
        EXPECT_EQ(has_lane(one.warp.carry, lane), (expected >> 32 & 1) != 0) << text;
      }
    };
    expect("addc.cc.u32 %r3, %r0, %r1", [](auto& x, Int c) { return Int{x[0]} + x[1] + c; });
    expect("subc.cc.s32 %r3, %r0, %r1", [](auto& x, Int c) { return Int{x[0]} - x[1] - c; });
    expect("madc.lo.cc.u32 %r3, %r0, %r1, %r2",
           [](auto& x, Int c) { return (Int{x[0]} * x[1] & 0xffffffff) + x[2] + c; });
    expect("madc.hi.cc.s32 %r3, %r0, %r1, %r2", [](auto& x, Int c) {
      return Int{low_word(Int{signed_word(x[0])} * signed_word(x[1]) >> 32)} + x[2] + c;
    });
  }
}

TEST(IsaCarry, OfInactiveLanesStays) {
  OneWarp one;
  for (int lane = 0; lane < kLanes; ++lane) {
    one.set("%r1", lane, 0xffffffff);
    one.set("%r2", lane, 1);
  }
  one.run("add.cc.u32 %r3, %r1, %r2", 0x0000ffff);
  EXPECT_EQ(one.warp.carry, 0x0000ffffu);
  one.run("add.cc.u32 %r3, %r2, %r2", 0x000000ff);
  EXPECT_EQ(one.warp.carry, 0x0000ff00u);
}

}  // namespace
}  // namespace fa4::emu::isa::carry_test
