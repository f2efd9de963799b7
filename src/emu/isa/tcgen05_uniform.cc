// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_uniform.h"

#include <fmt/format.h>

#include <bit>

#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {

void need_aligned_warp(Warp& warp) {
  const LaneMask present = ~warp.exited;
  if (warp.active == present) return;
  report(
      warp, Level::Error, "warp.unaligned_sync",
      fmt::format("barrier misuse: lanes {:#010x} execute it without lanes {:#010x} of their warp",
                  warp.active, present & ~warp.active));
}

uint32_t uniform_value(Warp& warp, uint16_t row, const char* which) {
  const uint32_t* const lanes = warp.rows[row].lane;
  const int first = std::countr_zero(warp.active);
  for (int lane = first + 1; lane < kLanes; ++lane) {
    if (!has_lane(warp.active, lane) || lanes[lane] == lanes[first]) continue;
    report(warp, Level::Error, "tmem.uniform",
           fmt::format("lanes disagree: {} is {:#x} in lane {} and {:#x} in lane {}", which,
                       lanes[first], first, lanes[lane], lane));
    break;
  }
  return lanes[first];
}

TmemOperand tmem_operand(Decoder& decoder, const ptx::Operand& operand) {
  const Address address = decoder.address(operand);
  if (address.wide) decoder.refuse("an address of tensor memory has 32 bits");
  return {address.base, address.offset};
}

uint32_t cta_group_of(const Words& words) { return words.has("cta_group::2") ? 2 : 1; }

}  // namespace fa4::emu::isa
