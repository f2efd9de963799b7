// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/shared_address.h"

#include <fmt/format.h>

#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {

std::optional<uint32_t> shared_address(Warp& warp, const Place& place, int lane) {
  uint64_t address = place.of(warp, lane);
  // Where a 32-bit address is due, the generic form of one in 64 bits does as well: GPUs look at the lower half.
  if (place.space == Space::Generic || address >> 56 == kSharedWindow >> 56) {
    if (address >> 56 != kSharedWindow >> 56) {
      report(warp, Level::Error, "smem.not_shared",
             fmt::format("out of bounds: lane {} names {:#x}, a generic address that is not in "
                         "shared memory, where the instruction needs one",
                         lane, address));
      return std::nullopt;
    }
    address &= ~(uint64_t{0xff} << 56);
  }
  if (address >> 32 != 0) {
    report(warp, Level::Error, "smem.bounds",
           fmt::format("out of bounds: lane {} names {:#x}; a shared address has 32 bits", lane,
                       address));
    return std::nullopt;
  }
  return static_cast<uint32_t>(address);
}

}  // namespace fa4::emu::isa
