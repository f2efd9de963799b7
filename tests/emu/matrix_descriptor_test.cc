// SPDX-License-Identifier: Apache-2.0
// Where matrix descriptors place the units of an operand, against the manual's definition element by element, and what
// a descriptor may not say.
#include "emu/machine/matrix_descriptor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "emu/golden_wgmma.h"
#include "emu/machine/matrix_units.h"

namespace fa4::emu {
namespace {

uint64_t descriptor_of(uint32_t start, uint32_t leading, uint32_t stride, uint32_t base,
                       uint32_t code) {
  return start >> 4 | uint64_t{leading >> 4} << 16 | uint64_t{stride >> 4} << 32 |
         uint64_t{base} << 49 | uint64_t{code} << 62;
}

TEST(MatrixDescriptor, UnitsLieWhereTheManualSays) {
  std::mt19937 random(1);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (uint32_t code = 0; code < 4; ++code) {
    for (int round = 0; round < 50; ++round) {
      const uint64_t bits = descriptor_of(16 * below(4096), 16 * below(256), 16 * below(256),
                                          code == 0 ? 0 : below(8), code);
      MatrixLayout layout;
      ASSERT_FALSE(decode_wgmma_descriptor(bits, &layout));
      for (uint32_t row = 0; row < 256; ++row) {
        for (uint32_t byte = 0; byte < 32; ++byte) {
          layout.mn_major = false;
          ASSERT_EQ(layout.unit_at(row, byte / 16) + byte % 16, wgmma_place(bits, false, row, byte))
              << code << " row " << row << " byte " << byte;
          layout.mn_major = true;
          ASSERT_EQ(layout.unit_at(byte / 2, row / 8) + row % 8 * 2 + byte % 2,
                    wgmma_place(bits, true, row, byte))
              << code << " x " << row << " byte " << byte;
        }
      }
    }
  }
}

// A step along k inside a row of the swizzle is a step of the start address.
TEST(MatrixDescriptor, StepsAlongK) {
  MatrixLayout tile, step;
  ASSERT_FALSE(decode_wgmma_descriptor(descriptor_of(2048, 0, 1024, 0, 1), &tile));
  for (uint32_t k = 0; k < 4; ++k) {
    ASSERT_FALSE(decode_wgmma_descriptor(descriptor_of(2048 + 32 * k, 0, 1024, 0, 1), &step));
    for (uint32_t row = 0; row < 64; ++row) {
      for (uint32_t j = 0; j < 2; ++j) {
        // The chunk of a row whose number is exclusive-ored with the row's.
        EXPECT_EQ(step.unit_at(row, j), 2048 + 128 * row + 16 * ((2 * k + j) ^ (row % 8)));
        EXPECT_EQ(step.unit_at(row, j), tile.unit_at(row, 2 * k + j));
      }
    }
  }
}

TEST(MatrixDescriptor, RefusesReservedBits) {
  constexpr uint64_t kFields = 0x3fff | uint64_t{0x3fff} << 16 | uint64_t{0x3fff} << 32 |
                               uint64_t{7} << 49 | uint64_t{3} << 62;
  for (int bit = 0; bit < 64; ++bit) {
    MatrixLayout layout;
    const uint64_t bits = descriptor_of(1024, 128, 256, 0, 1) | uint64_t{1} << bit;
    const DescriptorFault fault = decode_wgmma_descriptor(bits, &layout);
    EXPECT_EQ(static_cast<bool>(fault), (kFields >> bit & 1) == 0) << bit;
    if (fault) {
      EXPECT_STREQ(fault.code, "desc.reserved");
    }
  }
}

TEST(MatrixDescriptor, RefusesABaseWithoutASwizzle) {
  MatrixLayout layout;
  const DescriptorFault fault =
      decode_wgmma_descriptor(descriptor_of(1024, 128, 256, 3, 0), &layout);
  EXPECT_STREQ(fault.code, "desc.base");
  EXPECT_NE(fault.text.find("base offset 3"), std::string::npos);
}

// Units found by the swizzle's pattern are those that are asked for one by one; steps that keep the pattern, and others.
TEST(MatrixDescriptor, UnitsTakenTogetherAreTheSame) {
  std::mt19937 random(2);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  std::vector<std::byte> shared(1 << 20);
  for (std::byte& byte : shared) byte = static_cast<std::byte>(random());
  uint32_t repeating = 0;
  for (int round = 0; round < 4000; ++round) {
    constexpr uint32_t kSpans[] = {16, 32, 64, 128};
    MatrixLayout layout;
    layout.span = kSpans[below(4)];
    layout.mn_major = below(2) != 0;
    layout.pairs = layout.span == 128 && below(8) == 0;
    layout.start = 16 * below(4096);
    const uint32_t step = below(2) != 0 ? 8 * layout.span : 16;
    layout.leading = step * below(16);
    layout.stride = step * below(16);
    layout.base = layout.span == 16 ? 0 : below(8);
    const MatrixUnits units = layout.mn_major ? MatrixUnits{8u << below(3), 1 + below(32)}
                                              : MatrixUnits{8 * (1 + below(32)), 2};
    const MatrixAtoms atoms(layout, units);
    repeating += atoms.repeat() ? 1 : 0;
    std::vector<std::byte> taken(size_t{units.outer} * units.inner * 16);
    gather_units(atoms, shared.data(), taken.data());
    for (uint32_t i = 0; i < units.outer; ++i) {
      for (uint32_t j = 0; j < units.inner; ++j) {
        ASSERT_EQ(std::memcmp(&taken[(size_t{i} * units.inner + j) * 16],
                              &shared[layout.unit_at(i, j)], 16),
                  0)
            << "span " << layout.span << " stride " << layout.stride << " leading "
            << layout.leading << " unit " << i << ", " << j;
      }
    }
  }
  EXPECT_GT(repeating, 1000u);
  EXPECT_LT(repeating, 3000u);
}

}  // namespace
}  // namespace fa4::emu
