// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/matrix_descriptor.h"

#include <fmt/format.h>

namespace fa4::emu {
namespace {

// Bits [first, first + 14) count 16 bytes.
uint32_t bytes_at(uint64_t bits, int first) {
  return static_cast<uint32_t>(bits >> first & 0x3fff) << 4;
}

constexpr uint64_t kWgmmaFields = 0x3fff | uint64_t{0x3fff} << 16 | uint64_t{0x3fff} << 32 |
                                  uint64_t{7} << 49 | uint64_t{3} << 62;
constexpr uint64_t kTcgen05Fields = 0x3fff | uint64_t{0x3fff} << 16 | uint64_t{0x3fff} << 32 |
                                    uint64_t{7} << 46 | uint64_t{7} << 49 | uint64_t{1} << 52 |
                                    uint64_t{7} << 61;

DescriptorFault check_fields(uint64_t bits, uint64_t fields) {
  if ((bits & ~fields) == 0) return {};
  return {"desc.reserved",
          fmt::format("the matrix descriptor {:#018x} has bits {:#018x}, which must be 0", bits,
                      bits & ~fields)};
}

DescriptorFault check_base(uint64_t bits, const MatrixLayout& layout) {
  if (layout.span != 16 || layout.base == 0) return {};
  return {"desc.base", fmt::format("the matrix descriptor {:#018x} has the base offset {} and no "
                                   "swizzle",
                                   bits, layout.base)};
}

}  // namespace

DescriptorFault decode_wgmma_descriptor(uint64_t bits, MatrixLayout* layout) {
  constexpr uint32_t kSpans[4] = {16, 128, 64, 32};
  layout->start = bytes_at(bits, 0);
  layout->leading = bytes_at(bits, 16);
  layout->stride = bytes_at(bits, 32);
  layout->span = kSpans[bits >> 62];
  layout->base = bits >> 49 & 7;
  if (DescriptorFault fault = check_fields(bits, kWgmmaFields)) return fault;
  return check_base(bits, *layout);
}

DescriptorFault decode_tcgen05_descriptor(uint64_t bits, MatrixLayout* layout) {
  constexpr uint32_t kSpans[8] = {16, 128, 128, 0, 64, 0, 32, 0};
  const uint64_t code = bits >> 61;
  layout->start = bytes_at(bits, 0);
  layout->leading = bytes_at(bits, 16);
  layout->stride = bytes_at(bits, 32);
  layout->span = kSpans[code] == 0 ? 16 : kSpans[code];
  layout->pairs = code == 1;
  layout->base = bits >> 49 & 7;
  if (DescriptorFault fault = check_fields(bits, kTcgen05Fields)) return fault;
  if ((bits >> 46 & 7) != 1) {
    return {"desc.version",
            fmt::format("bits 46 to 48 of the matrix descriptor {:#018x} are {}; tcgen05 needs 1",
                        bits, bits >> 46 & 7)};
  }
  if (kSpans[code] == 0) {
    return {"desc.swizzle",
            fmt::format("the matrix descriptor {:#018x} has the swizzle {}, which does not exist",
                        bits, code)};
  }
  if ((bits >> 52 & 1) != 0) {
    return {"desc.absolute",
            fmt::format("the matrix descriptor {:#018x} gives its leading dimension by an absolute "
                        "address, which products of K = 96 alone may do",
                        bits)};
  }
  return check_base(bits, *layout);
}

}  // namespace fa4::emu
