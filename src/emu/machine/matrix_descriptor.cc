// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/matrix_descriptor.h"

#include <fmt/format.h>

namespace fa4::emu {
namespace {

// Bits [first, first + 14) count 16 bytes.
uint32_t bytes_at(uint64_t bits, int first) {
  return static_cast<uint32_t>(bits >> first & 0x3fff) << 4;
}

constexpr uint64_t kWgmmaFields =
    0x3fff | uint64_t{0x3fff} << 16 | uint64_t{0x3fff} << 32 | uint64_t{7} << 49 | uint64_t{3} << 62;

}  // namespace

DescriptorFault decode_wgmma_descriptor(uint64_t bits, MatrixLayout* layout) {
  constexpr uint32_t kSpans[4] = {16, 128, 64, 32};
  layout->start = bytes_at(bits, 0);
  layout->leading = bytes_at(bits, 16);
  layout->stride = bytes_at(bits, 32);
  layout->span = kSpans[bits >> 62];
  layout->base = bits >> 49 & 7;
  if ((bits & ~kWgmmaFields) != 0) {
    return {"desc.reserved",
            fmt::format("the matrix descriptor {:#018x} has bits {:#018x}, which must be 0", bits,
                        bits & ~kWgmmaFields)};
  }
  if (layout->span == 16 && layout->base != 0) {
    return {"desc.base",
            fmt::format("the matrix descriptor {:#018x} has the base offset {} and no swizzle", bits,
                        layout->base)};
  }
  return {};
}

}  // namespace fa4::emu
