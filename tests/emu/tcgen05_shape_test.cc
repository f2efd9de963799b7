// SPDX-License-Identifier: Apache-2.0
// Instruction descriptors and matrix descriptors of tcgen05, bit by bit; rows of tensor memory.
#include "emu/isa/tcgen05_shape.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "emu/isa/tcgen05_gather.h"
#include "emu/tcgen05_twin.h"

// Tests are compiled as one file: these names are its own.
namespace fa4::emu::isa::tcgen05_shapes {

using test::TwinMatrix;
using test::TwinMma;
using test::TwinSwizzle;
using test::TwinType;

std::string fault_of(uint32_t bits, Tcgen05Kind kind, uint32_t group = 1, bool tensor_a = false) {
  Tcgen05Shape shape;
  const DescriptorFault fault = decode_tcgen05_instruction(bits, kind, group, tensor_a, &shape);
  return fault ? fault.code : "";
}

constexpr uint32_t kPlain = 0x08200490;  // bf16, f32, 128 x 128, both K-major

TEST(Tcgen05Instruction, FieldsAreTheManuals) {
  Tcgen05Shape shape;
  ASSERT_FALSE(decode_tcgen05_instruction(kPlain, Tcgen05Kind::F16, 1, false, &shape));
  EXPECT_EQ(shape.m, 128u);
  EXPECT_EQ(shape.n, 128u);
  EXPECT_EQ(shape.k(), 16u);
  EXPECT_EQ(shape.a, TensorElement::BF16);
  EXPECT_EQ(shape.b, TensorElement::BF16);
  EXPECT_FALSE(shape.half || shape.negate_a || shape.negate_b || shape.transposed_a ||
               shape.transposed_b);
  ASSERT_FALSE(
      decode_tcgen05_instruction(kPlain | 1 << 13 | 1 << 16, Tcgen05Kind::F16, 1, false, &shape));
  EXPECT_TRUE(shape.negate_a && shape.transposed_b);
  ASSERT_FALSE(
      decode_tcgen05_instruction(kPlain | 1 << 14 | 1 << 15, Tcgen05Kind::F16, 1, false, &shape));
  EXPECT_TRUE(shape.negate_b && shape.transposed_a);
}

TEST(Tcgen05Instruction, BitsThatADenseProductDoesNotHave) {
  for (const uint32_t bit : {0, 1, 2, 3, 6, 23, 29, 30, 31}) {
    EXPECT_NE(fault_of(kPlain ^ 1u << bit, Tcgen05Kind::F16), "") << bit;
  }
  EXPECT_EQ(fault_of(kPlain | 4, Tcgen05Kind::F16), "idesc.sparse");
  EXPECT_EQ(fault_of(kPlain | 8, Tcgen05Kind::F16), "idesc.saturate");
  EXPECT_EQ(fault_of(kPlain | 1u << 31, Tcgen05Kind::F16), "idesc.reuse");
  EXPECT_EQ(fault_of(kPlain | 1u << 15, Tcgen05Kind::F16, 1, true), "idesc.transpose");
}

TEST(Tcgen05Instruction, TypesOfAKind) {
  const auto types = [](uint32_t d, uint32_t a, uint32_t b) {
    return (kPlain & ~0x1ff0u) | d << 4 | a << 7 | b << 10;
  };
  std::set<uint32_t> f16, tf32, narrow;
  for (uint32_t at = 0; at < 256; ++at) {
    const uint32_t bits = types(at & 3, at >> 2 & 7, at >> 5);
    if (fault_of(bits, Tcgen05Kind::F16).empty()) f16.insert(at);
    if (fault_of(bits, Tcgen05Kind::Tf32).empty()) tf32.insert(at);
    if (fault_of(bits, Tcgen05Kind::F8f6f4).empty()) narrow.insert(at);
  }
  const auto of = [](uint32_t d, uint32_t a, uint32_t b) { return d | a << 2 | b << 5; };
  EXPECT_EQ(f16,
            (std::set<uint32_t>{of(0, 0, 0), of(1, 0, 0), of(1, 0, 1), of(1, 1, 0), of(1, 1, 1)}));
  EXPECT_EQ(tf32, (std::set<uint32_t>{of(1, 2, 2)}));
  EXPECT_EQ(narrow.size(), 2u * 5 * 5);
  EXPECT_EQ(narrow.count(of(1, 2, 0)), 0u);
}

TEST(Tcgen05Instruction, ShapesOfAGroup) {
  const auto shape = [](uint32_t m, uint32_t n, bool transposed_b = false) {
    return (kPlain & 0xffff) | n / 8 << 17 | m / 16 << 24 | (transposed_b ? 1u << 16 : 0u);
  };
  for (uint32_t group = 1; group <= 2; ++group) {
    for (uint32_t m = 0; m < 512; m += 16) {
      for (uint32_t n = 0; n < 512; n += 8) {
        const bool rows = m == 64 * group || m == 128 * group;
        const bool columns = n >= 8 * group && n <= 256 && n % (8 * group) == 0;
        const std::string fault = fault_of(shape(m, n), Tcgen05Kind::F16, group);
        EXPECT_EQ(fault.empty(), rows && columns) << group << " " << m << " " << n;
        const bool bytes = columns && n % (16 * group) == 0;
        const uint32_t bits = (shape(m, n, true) & ~0x1f80u);
        EXPECT_EQ(fault_of(bits, Tcgen05Kind::F8f6f4, group).empty(), rows && bytes);
      }
    }
  }
}

TEST(Tcgen05Descriptor, RefusesWhatItDoesNotHave) {
  const TwinMatrix plain = {.swizzle = TwinSwizzle::B128, .start = 2048, .stride = 1024};
  const auto code = [](uint64_t bits) {
    MatrixLayout layout;
    return std::string(decode_tcgen05_descriptor(bits, &layout).code);
  };
  EXPECT_EQ(code(plain.descriptor()), "");
  for (int bit = 0; bit < 64; ++bit) {
    const std::string fault = code(plain.descriptor() ^ uint64_t{1} << bit);
    const bool field =
        bit < 14 || (bit >= 16 && bit < 30) || (bit >= 32 && bit < 46) || (bit >= 49 && bit < 52);
    const std::string expected = field                   ? ""
                                 : bit >= 46 && bit < 49 ? "desc.version"
                                 : bit == 52             ? "desc.absolute"
                                 : bit == 61             ? "desc.swizzle"  // 3
                                 : bit == 62             ? ""              // 0
                                 : bit == 63             ? ""              // 6
                                                         : "desc.reserved";
    EXPECT_EQ(fault, expected) << bit;
  }
  TwinMatrix based = plain;
  based.base = 3;
  based.swizzle = TwinSwizzle::None;
  EXPECT_EQ(code(based.descriptor()), "desc.base");
}

// Units of 16 bytes against elements, for all layouts and sizes of elements.
TEST(Tcgen05Descriptor, UnitsLieWhereTheManualSays) {
  std::mt19937 random(1);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (const TwinType type : {TwinType::BF16, TwinType::TF32, TwinType::E4M3, TwinType::E2M1}) {
    for (const TwinSwizzle swizzle : {TwinSwizzle::None, TwinSwizzle::B128Atom32, TwinSwizzle::B128,
                                      TwinSwizzle::B64, TwinSwizzle::B32}) {
      for (const bool mn_major : {false, true}) {
        if (swizzle == TwinSwizzle::B128Atom32 && !(mn_major && type == TwinType::TF32)) continue;
        for (int round = 0; round < 10; ++round) {
          const TwinMatrix twin = {type,
                                   mn_major,
                                   swizzle,
                                   16 * below(4096),
                                   16 * below(256),
                                   16 * below(256),
                                   swizzle == TwinSwizzle::None ? 0 : below(8)};
          MatrixLayout layout;
          ASSERT_FALSE(decode_tcgen05_descriptor(twin.descriptor(), &layout));
          layout.mn_major = mn_major;
          const uint32_t bytes = type == TwinType::BF16 ? 2 : type == TwinType::TF32 ? 4 : 1;
          for (uint32_t row = 0; row < 256; ++row) {
            for (uint32_t k = 0; k < 32 / bytes; ++k) {
              const uint32_t unit = mn_major ? layout.unit_at(k, row * bytes / 16)
                                             : layout.unit_at(row, k * bytes / 16);
              ASSERT_EQ(unit, twin.place(row, k)[0]) << row << " " << k;
            }
          }
        }
      }
    }
  }
}

TEST(Tcgen05Layout, RowsLieInTheLanesOfTheManual) {
  for (const auto& [group, m] : {std::pair{1u, 64u}, {1u, 128u}, {2u, 128u}, {2u, 256u}}) {
    for (const uint32_t base : {0u, 16u}) {
      if (base != 0 && m != 64) continue;
      TwinMma twin;
      twin.group = group;
      twin.m = m;
      twin.lane = base;
      Tcgen05Shape shape = {.group = group, .m = m, .n = 64};
      std::set<std::array<uint32_t, 3>> places;
      for (uint32_t row = 0; row < m; ++row) {
        for (uint32_t column = 0; column < 64; ++column) {
          const std::array<uint32_t, 3> place = twin.place_of_d(row, column);
          EXPECT_TRUE(places.insert(place).second);
          EXPECT_EQ(tcgen05_row_of_lane(shape.layout(), place[1], base),
                    static_cast<int>(row - place[0] * shape.rows()));
          EXPECT_EQ(tcgen05_first_column(shape, place[1]) + place[2], column);
          EXPECT_LT(place[2], shape.d_columns());
        }
      }
      uint32_t idle = 0;
      for (uint32_t lane = 0; lane < 128; ++lane) {
        if (tcgen05_row_of_lane(shape.layout(), lane, base) == kTcgen05NoRow) ++idle;
      }
      EXPECT_EQ(idle, m == 64 ? 64u : 0u);
    }
  }
}

}  // namespace fa4::emu::isa::tcgen05_shapes
