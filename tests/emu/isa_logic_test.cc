// SPDX-License-Identifier: Apache-2.0
#include "emu/isa_fixture.h"

namespace fa4::emu::isa::logic_test {
namespace {

TEST(IsaLogic, WorksBitByBit) {
  expect_lanes("and.b32 %r1, %r2, %r3", [](auto* in) { return in[0] & in[1]; });
  expect_lanes("or.b64 %d1, %d2, %d3", [](auto* in) { return in[0] | in[1]; });
  expect_lanes("xor.b16 %h1, %h2, %h3", [](auto* in) { return in[0] ^ in[1]; });
  expect_lanes("and.b64 %d1, %d2, -8", [](auto* in) { return in[0] & ~uint64_t{7}; });
  expect_lanes("not.b16 %h1, %h2", [](auto* in) { return in[0] ^ 0xffff; });
  expect_lanes("not.b32 %r1, %r2", [](auto* in) { return in[0] ^ 0xffffffff; });
  expect_lanes("not.b64 %d1, %d2", [](auto* in) { return ~in[0]; });
  expect_lanes("cnot.b32 %r1, %r2", [](auto* in) { return uint64_t{in[0] == 0}; });
  for (const int table : {0x00, 0x1e, 0x96, 0xca, 0xe8, 0xff}) {
    expect_lanes("lop3.b32 %r1, %r2, %r3, %r4, " + std::to_string(table), [table](auto* in) {
      uint64_t result = 0;
      for (int k = 0; k < 32; ++k) {
        const auto row = (in[0] >> k & 1) << 2 | (in[1] >> k & 1) << 1 | (in[2] >> k & 1);
        result |= static_cast<uint64_t>(table >> row & 1) << k;
      }
      return result;
    });
  }
}

TEST(IsaLogic, PredicatesAreBits) {
  expect_lanes("and.pred %p1, %p2, %p3", [](auto* in) { return in[0] & in[1]; });
  expect_lanes("or.pred %p1, %p2, !%p3", [](auto* in) { return in[0] | (in[1] ^ 1); });
  expect_lanes("xor.pred %p1, %p1, %p3", [](auto* in) { return in[0] ^ in[1]; });
  expect_lanes("not.pred %p1, %p2", [](auto* in) { return in[0] ^ 1; });
  expect_lanes("mov.pred %p1, %p2", [](auto* in) { return in[0]; });
  expect_lanes("mov.pred %p1, 0", [](auto*) { return 0; });
  expect_lanes("mov.pred %p1, -1", [](auto*) { return 1; });
}

TEST(IsaLogic, ShiftsOutEverythingFromTheWidthUp) {
  expect_lanes("shl.b32 %r1, %r2, %r3",
               [](auto* in) { return in[1] > 31 ? 0 : in[0] << in[1] & 0xffffffff; });
  expect_lanes("shl.b64 %d1, %d2, %r3", [](auto* in) { return in[1] > 63 ? 0 : in[0] << in[1]; });
  expect_lanes("shl.b16 %h1, %h2, %r3",
               [](auto* in) { return in[1] > 15 ? 0 : in[0] << in[1] & 0xffff; });
  expect_lanes("shl.b64 %d1, %d2, 4", [](auto* in) { return in[0] << 4; });
  expect_lanes("shr.u32 %r1, %r2, %r3", [](auto* in) { return in[1] > 31 ? 0 : in[0] >> in[1]; });
  expect_lanes("shr.b64 %d1, %d2, %r3", [](auto* in) { return in[1] > 63 ? 0 : in[0] >> in[1]; });
  expect_lanes("shr.s32 %r1, %r2, %r3", [](auto* in) {
    return static_cast<uint32_t>(static_cast<int32_t>(in[0]) >> std::min<uint64_t>(in[1], 31));
  });
  expect_lanes("shr.s64 %d1, %d2, %r3", [](auto* in) {
    return static_cast<uint64_t>(static_cast<int64_t>(in[0]) >> std::min<uint64_t>(in[1], 63));
  });
  expect_lanes("shr.s16 %h1, %h2, %r3", [](auto* in) {
    return static_cast<uint16_t>(static_cast<int16_t>(in[0]) >> std::min<uint64_t>(in[1], 15));
  });
}

TEST(IsaLogic, FunnelsTwoWords) {
  const auto both = [](const uint64_t* in) { return in[1] << 32 | in[0]; };
  expect_lanes("shf.l.wrap.b32 %r1, %r2, %r3, %r4",
               [=](auto* in) { return both(in) << (in[2] % 32) >> 32; });
  expect_lanes("shf.l.clamp.b32 %r1, %r2, %r3, %r4",
               [=](auto* in) { return in[2] >= 32 ? in[0] : both(in) << in[2] >> 32; });
  expect_lanes("shf.r.wrap.b32 %r1, %r2, %r3, %r4",
               [=](auto* in) { return both(in) >> (in[2] % 32) & 0xffffffff; });
  expect_lanes("shf.r.clamp.b32 %r1, %r2, %r3, %r4",
               [=](auto* in) { return in[2] >= 32 ? in[1] : both(in) >> in[2] & 0xffffffff; });
}

TEST(IsaLogic, PermutesBytes) {
  const auto byte = [](const uint64_t* in, uint64_t index) {
    return index < 4 ? in[0] >> (8 * index) & 0xff : in[1] >> (8 * (index - 4)) & 0xff;
  };
  const auto word = [=](const uint64_t* in, auto index_of) {
    uint64_t result = 0;
    for (uint64_t k = 0; k < 4; ++k) result |= byte(in, index_of(k)) << (8 * k);
    return result;
  };
  expect_lanes("prmt.b32 %r1, %r2, %r3, %r4", [=](auto* in) {
    uint64_t result = 0;
    for (uint64_t k = 0; k < 4; ++k) {
      const uint64_t pick = in[2] >> (4 * k) & 0xf;
      const uint64_t value = byte(in, pick & 7);
      result |= ((pick & 8) == 0 ? value : value >= 0x80 ? 0xff : 0) << (8 * k);
    }
    return result;
  });
  expect_lanes("prmt.b32.f4e %r1, %r2, %r3, %r4",
               [=](auto* in) { return word(in, [in](uint64_t k) { return (in[2] & 3) + k; }); });
  expect_lanes("prmt.b32.b4e %r1, %r2, %r3, %r4", [=](auto* in) {
    return word(in, [in](uint64_t k) { return ((in[2] & 3) + 8 - k) % 8; });
  });
  expect_lanes("prmt.b32.rc8 %r1, %r2, %r3, %r4",
               [=](auto* in) { return word(in, [in](uint64_t) { return in[2] & 3; }); });
  expect_lanes("prmt.b32.ecl %r1, %r2, %r3, %r4", [=](auto* in) {
    return word(in, [in](uint64_t k) { return std::max(k, in[2] & 3); });
  });
  expect_lanes("prmt.b32.ecr %r1, %r2, %r3, %r4", [=](auto* in) {
    return word(in, [in](uint64_t k) { return std::min(k, in[2] & 3); });
  });
  expect_lanes("prmt.b32.rc16 %r1, %r2, %r3, %r4", [=](auto* in) {
    return word(in, [in](uint64_t k) { return (in[2] & 1) * 2 + k % 2; });
  });
}

// -1, 0, 1 and, for an unordered pair, 2.
template <class T>
int order_of(T a, T b) {
  return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
}
bool holds_for(std::string_view word, int order) {
  if (word == "num") return order != 2;
  if (word == "nan") return order == 2;
  if (word.size() == 3 && order == 2) return true;
  const std::string_view base = word.substr(0, 2);
  if (base == "eq") return order == 0;
  if (base == "ne") return order == -1 || order == 1;
  if (base == "lt" || base == "lo") return order == -1;
  if (base == "le" || base == "ls") return order == -1 || order == 0;
  if (base == "gt" || base == "hi") return order == 1;
  return order == 1 || order == 0;
}
constexpr const char* kIntegerCompares[] = {"eq", "ne", "lt", "le", "gt", "ge"};
constexpr const char* kFloatCompares[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                          "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

TEST(IsaLogic, ComparesIntegers) {
  for (const std::string word : kIntegerCompares) {
    expect_lanes("setp." + word + ".s32 %p1, %r2, %r3", [=](auto* in) {
      return holds_for(word, order_of(static_cast<int32_t>(in[0]), static_cast<int32_t>(in[1])));
    });
    expect_lanes("setp." + word + ".u16 %p1, %h2, %h3",
                 [=](auto* in) { return holds_for(word, order_of(in[0], in[1])); });
    expect_lanes("setp." + word + ".s64 %p1, %d2, 31", [=](auto* in) {
      return holds_for(word, order_of(static_cast<int64_t>(in[0]), int64_t{31}));
    });
    expect_lanes("set." + word + ".f32.s16 %f1, %h2, %h3", [=](auto* in) {
      return holds_for(word, order_of(static_cast<int16_t>(in[0]), static_cast<int16_t>(in[1])))
                 ? 0x3f800000
                 : 0;
    });
  }
  for (const std::string word : {"lo", "ls", "hi", "hs"}) {
    expect_lanes("setp." + word + ".u32 %p1, %r2, %r3",
                 [=](auto* in) { return holds_for(word, order_of(in[0], in[1])); });
  }
  expect_lanes("setp.eq.b64 %p1, %d2, 0", [](auto* in) { return in[0] == 0; });
}

TEST(IsaLogic, ComparesFloatsOrderedAndNot) {
  const auto flushed = [](uint64_t bits) { return as_float((bits & 0x7f800000) == 0 ? 0 : bits); };
  for (const std::string word : kFloatCompares) {
    expect_lanes("setp." + word + ".f32 %p1, %f2, %f3", [=](auto* in) {
      return holds_for(word, order_of(as_float(in[0]), as_float(in[1])));
    });
    expect_lanes("setp." + word + ".ftz.f32 %p1, %f2, %f3", [=](auto* in) {
      return holds_for(word, order_of(flushed(in[0]), flushed(in[1])));
    });
    expect_lanes("setp." + word + ".f64 %p1, %g2, %g3", [=](auto* in) {
      return holds_for(word, order_of(as_double(in[0]), as_double(in[1])));
    });
    expect_lanes("set." + word + ".u32.f32 %r1, %f2, %f3", [=](auto* in) {
      return holds_for(word, order_of(as_float(in[0]), as_float(in[1]))) ? 0xffffffff : 0;
    });
  }
}

TEST(IsaLogic, CombinesWithAPredicate) {
  for (const std::string combine : {"and", "or", "xor"}) {
    const auto with = [=](bool a, bool b) -> uint64_t {
      return combine == "and" ? a && b : combine == "or" ? a || b : a != b;
    };
    const auto less = [](const uint64_t* in) {
      return static_cast<int32_t>(in[0]) < static_cast<int32_t>(in[1]);
    };
    expect_lanes("setp.lt." + combine + ".s32 %p1, %r2, %r3, %p4",
                 [=](auto* in) { return with(less(in), in[2] != 0); });
    expect_lanes("setp.lt." + combine + ".s32 %p1, %r2, %r3, !%p4",
                 [=](auto* in) { return with(less(in), in[2] == 0); });
    expect_lanes("setp.lt." + combine + ".s32 %p1, %r2, %r3, %p1",
                 [=](auto* in) { return with(less(in), in[2] != 0); });
    expect_lanes("set.lt." + combine + ".s32.s32 %r1, %r2, %r3, %p4",
                 [=](auto* in) { return with(less(in), in[2] != 0) != 0 ? 0xffffffff : 0; });
  }
}

TEST(IsaLogic, SecondPredicateIsTheOpposite) {
  std::mt19937_64 random(3);
  OneWarp one;
  for (int lane = 0; lane < kLanes; ++lane) {
    one.set("%r1", lane, any_value(random, 32));
    one.set("%r2", lane, any_value(random, 32));
  }
  const auto third = static_cast<LaneMask>(random());
  one.warp.predicates[3] = third;
  one.run("setp.lt.u32 %p1|%p2, %r1, %r2");
  const LaneMask less = one.warp.predicates[1];
  EXPECT_EQ(one.warp.predicates[2], ~less);
  one.run("setp.lt.and.u32 %p1|%p3, %r1, %r2, %p3");  // %p3 is read before it is written
  EXPECT_EQ(one.warp.predicates[1], less & third);
  EXPECT_EQ(one.warp.predicates[3], ~less & third);
  one.warp.predicates[1] = 0x12345678;
  one.run("setp.ge.u32 %p1|_, %r1, %r2", 0xffff0000);
  EXPECT_EQ(one.warp.predicates[1], (~less & 0xffff0000) | 0x5678);
}

TEST(IsaLogic, Chooses) {
  expect_lanes("selp.b32 %r1, %r2, %r3, %p4", [](auto* in) { return in[2] != 0 ? in[0] : in[1]; });
  expect_lanes("selp.f32 %f1, %f2, 0fFF800000, %p4",
               [](auto* in) { return in[1] != 0 ? in[0] : 0xff800000; });
  expect_lanes("selp.b64 %d1, %d2, %d1, %p4", [](auto* in) { return in[2] != 0 ? in[0] : in[1]; });
  expect_lanes("selp.u16 %h1, %h2, %h3, !%p4", [](auto* in) { return in[2] == 0 ? in[0] : in[1]; });
  expect_lanes("slct.u32.s32 %r1, %r2, %r3, %r4",
               [](auto* in) { return static_cast<int32_t>(in[2]) >= 0 ? in[0] : in[1]; });
  expect_lanes("slct.f64.f32 %g1, %g2, %g3, %f4",
               [](auto* in) { return as_float(in[2]) >= 0 ? in[0] : in[1]; });
  expect_lanes("slct.ftz.b16.f32 %h1, %h2, %h3, %f4", [](auto* in) {
    return (in[2] & 0x7f800000) == 0 || as_float(in[2]) >= 0 ? in[0] : in[1];
  });
}

TEST(IsaLogic, RefusesWhatIsNoForm) {
  OneWarp one;
  EXPECT_NE(one.refusal("setp.lo.s32 %p1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("setp.lt.b32 %p1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("setp.lt.s32 %r1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("setp.lt.and.s32 %p1, %r2, %r3"), "");
  EXPECT_NE(one.refusal("lop3.b32 %r1, %r2, %r3, %r4, 256"), "");
  EXPECT_NE(one.refusal("and.s32 %r1, %r2, %r3"), "");
}

}  // namespace
}  // namespace fa4::emu::isa::logic_test
