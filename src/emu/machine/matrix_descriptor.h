// SPDX-License-Identifier: Apache-2.0
// Matrix operands in shared memory: descriptors of 64 bits, and where what they describe lies (PTX ISA 9.0, 9.7.15.5.1, 9.7.16.4.1).
// The layouts are those of wgmma and of tcgen05; the bits of a descriptor are not, so each has its decoder.
//
// An operand is read in units of 16 bytes. With x a row of A, or of B transposed, and span W the bytes of a row of the
// swizzle, 16 if there is none:
//   K-major   unit (x, j): bytes 16 j to 16 j + 15 of k       (x % 8) W + (x / 8) stride + 16 j      j leading, if W = 16
//   MN-major  unit (k, j): x from 16 j / element bytes on     (k % 8) W + (k / 8) stride + 16 (j % (W / 16))
//                                                             + (j / (W / 16)) leading
// but MN-major without a swizzle has leading and stride the other way round. The swizzle exclusive-ors the unit's number
// within its line of 128 bytes with the number of the line, counted from the start of shared memory, less `base`.
// tcgen05 has one more, MN-major and for 32-bit elements alone, whose atoms are 32 bytes and whose pattern has four lines:
//   unit (k, j)   (k % 4) 128 + (k / 4) stride + 16 (j % 8) + (j / 8) leading    pairs of units are exclusive-ored
#pragma once

#include <cstdint>
#include <string>

namespace fa4::emu {

struct MatrixLayout {
  static constexpr uint32_t kUnitBytes = 16;
  uint32_t start = 0;                // shared offset
  uint32_t leading = 0, stride = 0;  // bytes
  uint32_t span = 16;                // of the swizzle: 16 (none), 32, 64, 128
  uint32_t base = 0;                 // lines by which the swizzle's pattern begins later
  bool mn_major = false;
  bool pairs = false;  // the swizzle of tcgen05 whose atoms are 32 bytes; span is 128

  // Shared offset of a unit; i is x or k.
  uint32_t unit_at(uint32_t i, uint32_t j) const {
    const uint32_t units = span / 16;
    if (pairs) {
      const uint32_t place =
          start + i % 4 * 128 + i / 4 * stride + j / 8 * leading + j % 8 * kUnitBytes;
      return place ^ ((((place >> 7) - base) & 3) << 5);
    }
    uint32_t at = start + i % 8 * span;
    if (!mn_major) {
      at += i / 8 * stride + j * (units == 1 ? leading : 16);
    } else if (units == 1) {
      at += i / 8 * leading + j * stride;
    } else {
      at += i / 8 * stride + j / units * leading + j % units * 16;
    }
    return at ^ ((((at >> 7) - base) & (units - 1)) << 4);
  }
};

// How many units an operand has; i of unit_at is below `outer`, j below `inner`.
struct MatrixUnits {
  uint32_t outer, inner;
};

// Calls body(begin, end) for the bytes of all units, in shared offsets, neighbouring units together.
template <class Body>
void for_unit_runs(const MatrixLayout& layout, MatrixUnits units, Body body) {
  uint32_t begin = 0, end = 0;
  for (uint32_t i = 0; i < units.outer; ++i) {
    for (uint32_t j = 0; j < units.inner; ++j) {
      const uint32_t at = layout.unit_at(i, j);
      if (at == end) {
        end += MatrixLayout::kUnitBytes;
      } else if (at + MatrixLayout::kUnitBytes == begin) {
        begin = at;
      } else {
        if (end != begin) body(begin, end);
        begin = at;
        end = at + MatrixLayout::kUnitBytes;
      }
    }
  }
  if (end != begin) body(begin, end);
}

// What is wrong with a descriptor. Without a code: nothing.
struct DescriptorFault {
  const char* code = "";  // "desc.reserved"
  std::string text;
  explicit operator bool() const { return *code != '\0'; }
};

// Of wgmma (9.7.15.5.1.2.2): bits 0-13 start, 16-29 leading, 32-45 stride, all in 16 bytes; 49-51 base; 62-63 swizzle;
// the others are 0. `layout` is set in any case; mn_major is the caller's.
DescriptorFault decode_wgmma_descriptor(uint64_t bits, MatrixLayout* layout);

// Of tcgen05 (9.7.16.4.1): the same, but bits 46-48 are 1, 52 is 0 (1, an absolute leading address, is for products of sm_103a
// that the machine does not have), and 61-63 are the swizzle.
DescriptorFault decode_tcgen05_descriptor(uint64_t bits, MatrixLayout* layout);

}  // namespace fa4::emu
