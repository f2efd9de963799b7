// SPDX-License-Identifier: Apache-2.0
// Where matrix descriptors place the units of an operand, against the manual's definition element by element, and what
// a descriptor may not say.
#include "emu/machine/matrix_descriptor.h"

#include <gtest/gtest.h>

#include <random>

#include "emu/golden_wgmma.h"

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
          ASSERT_EQ(layout.unit_at(row, byte / 16) + byte % 16,
                    wgmma_place(bits, false, row, byte))
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

}  // namespace
}  // namespace fa4::emu
