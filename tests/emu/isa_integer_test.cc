// SPDX-License-Identifier: Apache-2.0
#include "emu/isa_fixture.h"

namespace fa4::emu::isa::integer_test {
namespace {

__extension__ using Int = __int128;

int64_t s16(uint64_t x) { return static_cast<int16_t>(x); }
int64_t s32(uint64_t x) { return static_cast<int32_t>(x); }
int64_t s64(uint64_t x) { return static_cast<int64_t>(x); }
uint64_t low16(Int x) { return static_cast<uint16_t>(x); }
uint64_t low32(Int x) { return static_cast<uint32_t>(x); }
uint64_t low64(Int x) { return static_cast<uint64_t>(x); }
uint64_t clamp32(Int x) {
  return low32(x > 0x7fffffff ? Int{0x7fffffff} : x < -Int{0x80000000} ? -Int{0x80000000} : x);
}

TEST(IsaInteger, AddsAndSubtracts) {
  expect_lanes("add.u16 %h1, %h2, %h3", [](auto* in) { return low16(Int{in[0]} + in[1]); });
  expect_lanes("add.s32 %r1, %r2, %r3", [](auto* in) { return low32(Int{in[0]} + in[1]); });
  expect_lanes("add.s32 %r1, %r2, -7", [](auto* in) { return low32(Int{in[0]} - 7); });
  expect_lanes("add.s64 %d1, %d2, %d3", [](auto* in) { return low64(Int{in[0]} + in[1]); });
  expect_lanes("add.s64 %d1, %d2, -9000000000", [](auto* in) { return low64(in[0] - 9000000000); });
  expect_lanes("add.sat.s32 %r1, %r2, %r3",
               [](auto* in) { return clamp32(Int{s32(in[0])} + s32(in[1])); });
  expect_lanes("sub.s16 %h1, %h2, %h3", [](auto* in) { return low16(Int{in[0]} - in[1]); });
  expect_lanes("sub.u64 %d1, %d2, %d3", [](auto* in) { return low64(in[0] - in[1]); });
  expect_lanes("sub.sat.s32 %r1, %r2, %r3",
               [](auto* in) { return clamp32(Int{s32(in[0])} - s32(in[1])); });
  expect_lanes("add.s16x2 %r1, %r2, %r3", [](auto* in) {
    return low16(in[0] + in[1]) | low16((in[0] >> 16) + (in[1] >> 16)) << 16;
  });
}

TEST(IsaInteger, ResultMayBeAnOperand) {
  expect_lanes("add.s64 %d1, %d1, %d2", [](auto* in) { return low64(in[0] + in[1]); });
  expect_lanes("mul.lo.s32 %r1, %r1, %r1", [](auto* in) { return low32(Int{in[0]} * in[0]); });
}

TEST(IsaInteger, MultipliesInEveryWidth) {
  expect_lanes("mul.lo.u16 %h1, %h2, %h3", [](auto* in) { return low16(Int{in[0]} * in[1]); });
  expect_lanes("mul.hi.u16 %h1, %h2, %h3",
               [](auto* in) { return low16(Int{in[0]} * in[1] >> 16); });
  expect_lanes("mul.hi.s16 %h1, %h2, %h3",
               [](auto* in) { return low16(Int{s16(in[0])} * s16(in[1]) >> 16); });
  expect_lanes("mul.wide.s16 %r1, %h2, %h3",
               [](auto* in) { return low32(Int{s16(in[0])} * s16(in[1])); });
  expect_lanes("mul.wide.u16 %r1, %h2, %h3", [](auto* in) { return low32(Int{in[0]} * in[1]); });
  expect_lanes("mul.lo.s32 %r1, %r2, %r3", [](auto* in) { return low32(Int{in[0]} * in[1]); });
  expect_lanes("mul.hi.u32 %r1, %r2, %r3",
               [](auto* in) { return low32(Int{in[0]} * in[1] >> 32); });
  expect_lanes("mul.hi.s32 %r1, %r2, %r3",
               [](auto* in) { return low32(Int{s32(in[0])} * s32(in[1]) >> 32); });
  expect_lanes("mul.wide.u32 %d1, %r2, %r3", [](auto* in) { return low64(Int{in[0]} * in[1]); });
  expect_lanes("mul.wide.s32 %d1, %r2, %r3",
               [](auto* in) { return low64(Int{s32(in[0])} * s32(in[1])); });
  expect_lanes("mul.lo.s64 %d1, %d2, %d3", [](auto* in) { return in[0] * in[1]; });
  expect_lanes("mul.hi.s64 %d1, %d2, %d3",
               [](auto* in) { return low64(Int{s64(in[0])} * s64(in[1]) >> 64); });
  expect_lanes("mul.hi.u64 %d1, %d2, %d3", [](auto* in) {
    __extension__ using Unsigned = unsigned __int128;
    return low64(static_cast<Int>(static_cast<Unsigned>(in[0]) * in[1] >> 64));
  });
}

TEST(IsaInteger, MultipliesAndAdds) {
  expect_lanes("mad.lo.s32 %r1, %r2, %r3, %r4",
               [](auto* in) { return low32(Int{in[0]} * in[1] + in[2]); });
  expect_lanes("mad.hi.s32 %r1, %r2, %r3, %r4",
               [](auto* in) { return low32((Int{s32(in[0])} * s32(in[1]) >> 32) + in[2]); });
  expect_lanes("mad.hi.sat.s32 %r1, %r2, %r3, %r4",
               [](auto* in) { return clamp32((Int{s32(in[0])} * s32(in[1]) >> 32) + s32(in[2])); });
  expect_lanes("mad.wide.s32 %d1, %r2, %r3, %d4",
               [](auto* in) { return low64(Int{s32(in[0])} * s32(in[1])) + in[2]; });
  expect_lanes("mad.wide.u16 %r1, %h2, %h3, %r4",
               [](auto* in) { return low32(Int{in[0]} * in[1] + in[2]); });
  expect_lanes("mad.lo.u64 %d1, %d2, %d3, %d4", [](auto* in) { return in[0] * in[1] + in[2]; });
  expect_lanes("mul24.lo.u32 %r1, %r2, %r3",
               [](auto* in) { return low32(Int{in[0] & 0xffffff} * (in[1] & 0xffffff)); });
  expect_lanes("mul24.hi.s32 %r1, %r2, %r3", [](auto* in) {
    const auto part = [](uint64_t x) { return Int{s32(x << 8) >> 8}; };
    return low32(part(in[0]) * part(in[1]) >> 16);
  });
  expect_lanes("mad24.lo.s32 %r1, %r2, %r3, %r4", [](auto* in) {
    return low32(Int{s32(in[0] << 8) >> 8} * (s32(in[1] << 8) >> 8) + in[2]);
  });
  expect_lanes("sad.s32 %r1, %r2, %r3, %r4", [](auto* in) {
    const Int difference = Int{s32(in[0])} - s32(in[1]);
    return low32((difference < 0 ? -difference : difference) + in[2]);
  });
  expect_lanes("sad.u64 %d1, %d2, %d3, %d4",
               [](auto* in) { return (in[0] > in[1] ? in[0] - in[1] : in[1] - in[0]) + in[2]; });
}

TEST(IsaInteger, DividesAndGivesOnesForADivisorOfZero) {
  expect_lanes("div.u32 %r1, %r2, %r3",
               [](auto* in) { return in[1] == 0 ? 0xffffffff : in[0] / in[1]; });
  expect_lanes("rem.u32 %r1, %r2, %r3",
               [](auto* in) { return in[1] == 0 ? 0xffffffff : in[0] % in[1]; });
  expect_lanes("div.s32 %r1, %r2, %r3", [](auto* in) {
    return s32(in[1]) == 0 ? 0xffffffff : low32(Int{s32(in[0])} / s32(in[1]));
  });
  expect_lanes("rem.s32 %r1, %r2, %r3", [](auto* in) {
    return s32(in[1]) == 0 ? 0xffffffff : low32(Int{s32(in[0])} % s32(in[1]));
  });
  expect_lanes("div.s64 %d1, %d2, %d3", [](auto* in) {
    return in[1] == 0 ? ~uint64_t{0} : low64(Int{s64(in[0])} / s64(in[1]));
  });
  expect_lanes("rem.s64 %d1, %d2, %d3", [](auto* in) {
    return in[1] == 0 ? ~uint64_t{0} : low64(Int{s64(in[0])} % s64(in[1]));
  });
  expect_lanes("rem.u64 %d1, %d2, %d3",
               [](auto* in) { return in[1] == 0 ? ~uint64_t{0} : in[0] % in[1]; });
  expect_lanes("div.s16 %h1, %h2, %h3",
               [](auto* in) { return in[1] == 0 ? 0xffff : low16(Int{s16(in[0])} / s16(in[1])); });
}

TEST(IsaInteger, TakesExtremesAndSigns) {
  expect_lanes("min.s32 %r1, %r2, %r3",
               [](auto* in) { return low32(std::min(s32(in[0]), s32(in[1]))); });
  expect_lanes("max.s16 %h1, %h2, %h3",
               [](auto* in) { return low16(std::max(s16(in[0]), s16(in[1]))); });
  expect_lanes("min.u64 %d1, %d2, %d3", [](auto* in) { return std::min(in[0], in[1]); });
  expect_lanes("max.s64 %d1, %d2, %d3",
               [](auto* in) { return low64(std::max(s64(in[0]), s64(in[1]))); });
  expect_lanes("max.relu.s32 %r1, %r2, %r3", [](auto* in) {
    return low32(std::max({s32(in[0]), s32(in[1]), int64_t{0}}));
  });
  expect_lanes("min.relu.s16x2 %r1, %r2, %r3", [](auto* in) {
    const auto one = [](uint64_t a, uint64_t b) {
      return low16(std::max(std::min(s16(a), s16(b)), int64_t{0}));
    };
    return one(in[0], in[1]) | one(in[0] >> 16, in[1] >> 16) << 16;
  });
  expect_lanes("max.u16x2 %r1, %r2, %r3", [](auto* in) {
    return std::max(in[0] & 0xffff, in[1] & 0xffff) | std::max(in[0] >> 16, in[1] >> 16) << 16;
  });
  expect_lanes("abs.s32 %r1, %r2",
               [](auto* in) { return low32(s32(in[0]) < 0 ? -Int{s32(in[0])} : s32(in[0])); });
  expect_lanes("neg.s16 %h1, %h2", [](auto* in) { return low16(-Int{s16(in[0])}); });
  expect_lanes("neg.s64 %d1, %d2", [](auto* in) { return ~in[0] + 1; });
}

TEST(IsaInteger, CountsAndFindsBits) {
  const auto top = [](uint64_t x) {  // -1: none
    int place = 63;
    while (place >= 0 && (x >> place & 1) == 0) --place;
    return place;
  };
  expect_lanes("popc.b32 %r1, %r2", [](auto* in) {
    uint64_t n = 0;
    for (int k = 0; k < 32; ++k) n += in[0] >> k & 1;
    return n;
  });
  expect_lanes("popc.b64 %r1, %d2", [](auto* in) {
    uint64_t n = 0;
    for (int k = 0; k < 64; ++k) n += in[0] >> k & 1;
    return n;
  });
  expect_lanes("clz.b32 %r1, %r2", [=](auto* in) { return low32(31 - top(in[0])); });
  expect_lanes("clz.b64 %r1, %d2", [=](auto* in) { return low32(63 - top(in[0])); });
  expect_lanes("bfind.u32 %r1, %r2", [=](auto* in) { return low32(top(in[0])); });
  expect_lanes("bfind.s64 %r1, %d2",
               [=](auto* in) { return low32(top(s64(in[0]) < 0 ? ~in[0] : in[0])); });
  expect_lanes("bfind.shiftamt.s32 %r1, %r2", [=](auto* in) {
    const int place = top(s32(in[0]) < 0 ? ~in[0] & 0xffffffff : in[0]);
    return low32(place < 0 ? -1 : 31 - place);
  });
  expect_lanes("brev.b64 %d1, %d2", [](auto* in) {
    uint64_t result = 0;
    for (int k = 0; k < 64; ++k) result = result << 1 | (in[0] >> k & 1);
    return result;
  });
  expect_lanes("fns.b32 %r1, %r2, %r3, %r4", [](auto* in) -> uint64_t {
    const int64_t n = s32(in[2]);
    std::vector<int64_t> places;  // from the base on, in the direction asked for
    if (in[1] >= 32) return 0xffffffff;
    for (auto k = static_cast<int64_t>(in[1]); k >= 0 && k < 32; k += n < 0 ? -1 : 1) {
      if ((in[0] >> k & 1) != 0) places.push_back(k);
    }
    if (n == 0) return (in[0] >> in[1] & 1) != 0 ? in[1] : 0xffffffff;
    const auto index = static_cast<uint64_t>((n < 0 ? -n : n) - 1);
    return index < places.size() ? static_cast<uint64_t>(places[index]) : 0xffffffff;
  });
}

// The manual's own loop, bit by bit.
uint64_t field(uint64_t a, uint64_t position, uint64_t length, int width, bool is_signed) {
  position &= 0xff;
  length &= 0xff;
  const uint64_t top = static_cast<uint64_t>(width) - 1;
  const bool sign =
      is_signed && length != 0 && (a >> std::min(position + length - 1, top) & 1) != 0;
  uint64_t result = 0;
  for (uint64_t k = 0; k <= top; ++k) {
    const bool bit = k < length && position + k <= top ? (a >> (position + k) & 1) != 0 : sign;
    result |= static_cast<uint64_t>(bit) << k;
  }
  return result;
}

TEST(IsaInteger, ExtractsAndInsertsFields) {
  expect_lanes("bfe.u32 %r1, %r2, %r3, %r4",
               [](auto* in) { return field(in[0], in[1], in[2], 32, false); });
  expect_lanes("bfe.s32 %r1, %r2, %r3, %r4",
               [](auto* in) { return field(in[0], in[1], in[2], 32, true); });
  expect_lanes("bfe.s32 %r1, %r2, 8, 8", [](auto* in) { return field(in[0], 8, 8, 32, true); });
  expect_lanes("bfe.u64 %d1, %d2, %r3, %r4",
               [](auto* in) { return field(in[0], in[1], in[2], 64, false); });
  expect_lanes("bfe.s64 %d1, %d2, %r3, %r4",
               [](auto* in) { return field(in[0], in[1], in[2], 64, true); });
  const auto insert = [](const uint64_t* in, uint64_t width) {
    uint64_t result = in[1];
    const uint64_t position = in[2] & 0xff;
    for (uint64_t k = 0; k < (in[3] & 0xff) && position + k < width; ++k) {
      const uint64_t bit = uint64_t{1} << (position + k);
      result = (result & ~bit) | ((in[0] >> k & 1) != 0 ? bit : 0);
    }
    return result;
  };
  expect_lanes("bfi.b32 %r1, %r2, %r3, %r4, %r5", [=](auto* in) { return insert(in, 32); });
  expect_lanes("bfi.b64 %d1, %d2, %d3, %r4, %r5", [=](auto* in) { return insert(in, 64); });
  expect_lanes("bfi.b32 %r1, %r2, %r3, 16, 16",
               [](auto* in) { return (in[0] << 16 & 0xffffffff) | (in[1] & 0xffff); });
}

TEST(IsaInteger, ExtendsAndMasks) {
  const auto extended = [](uint64_t a, uint64_t n, bool wrap, bool is_signed) -> uint64_t {
    if (wrap) n %= 32;
    if (n >= 32) return a;
    uint64_t result = 0;
    for (uint64_t k = 0; k < 32; ++k) {
      const bool bit = k < n ? (a >> k & 1) != 0 : is_signed && n > 0 && (a >> (n - 1) & 1) != 0;
      result |= static_cast<uint64_t>(bit) << k;
    }
    return result;
  };
  expect_lanes("szext.clamp.u32 %r1, %r2, %r3",
               [=](auto* in) { return extended(in[0], in[1], false, false); });
  expect_lanes("szext.clamp.s32 %r1, %r2, %r3",
               [=](auto* in) { return extended(in[0], in[1], false, true); });
  expect_lanes("szext.wrap.s32 %r1, %r2, %r3",
               [=](auto* in) { return extended(in[0], in[1], true, true); });
  const auto mask = [](uint64_t position, uint64_t width) {
    uint64_t result = 0;
    for (uint64_t k = 0; k < 32; ++k) {
      result |= static_cast<uint64_t>(k >= position && k - position < width) << k;
    }
    return result;
  };
  expect_lanes("bmsk.clamp.b32 %r1, %r2, %r3", [=](auto* in) { return mask(in[0], in[1]); });
  expect_lanes("bmsk.wrap.b32 %r1, %r2, %r3",
               [=](auto* in) { return mask(in[0] % 32, in[1] % 32); });
}

TEST(IsaInteger, AddsProductsOfBytes) {
  expect_lanes("dp4a.u32.s32 %r1, %r2, %r3, %r4", [](auto* in) {
    Int sum = in[2];
    for (int k = 0; k < 4; ++k) {
      sum += Int{in[0] >> (8 * k) & 0xff} * static_cast<int8_t>(in[1] >> (8 * k));
    }
    return low32(sum);
  });
  expect_lanes("dp2a.hi.s32.u32 %r1, %r2, %r3, %r4", [](auto* in) {
    return low32(Int{s16(in[0])} * (in[1] >> 16 & 0xff) + Int{s16(in[0] >> 16)} * (in[1] >> 24) +
                 in[2]);
  });
  expect_lanes("dp2a.lo.u32.u32 %r1, %r2, %r3, %r4", [](auto* in) {
    return low32(Int{in[0] & 0xffff} * (in[1] & 0xff) + Int{in[0] >> 16} * (in[1] >> 8 & 0xff) +
                 in[2]);
  });
}

TEST(IsaInteger, RefusesWhatIsNoForm) {
  OneWarp one(80);
  EXPECT_NE(one.refusal("add.sat.u32 %r1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("add.u16x2 %r1, %r2, %r3"), "");  // sm_90
  EXPECT_NE(one.refusal("add.s32 %r1, %r2"), "");
  EXPECT_NE(one.refusal("add.s64 %d1, %r2, %d3"), "");
  EXPECT_NE(one.refusal("mul.s32 %r1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("min.relu.s32 %r1, %r2, %r3"), "");  // sm_90
  EXPECT_EQ(one.refusal("min.s32 %r1, %r2, %r3"), "");
}

}  // namespace
}  // namespace fa4::emu::isa::integer_test
