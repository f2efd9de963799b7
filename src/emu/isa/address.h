// SPDX-License-Identifier: Apache-2.0
// Addresses of memory instructions: three numbers at the head of a list, and how a lane's is computed.
#pragma once

#include <cstdint>
#include <vector>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/machine/memory.h"

namespace fa4::emu::isa {

// From the list that address_list has made.
struct Place {
  Space space;
  bool wide, yields;        // yields: strong, others may run
  bool acquires, releases;  // .acquire, .release, or both
  uint16_t base;
  int32_t offset;

  explicit Place(const uint32_t* list)
      : space(static_cast<Space>(list[0] & 0xff)),
        wide((list[0] & 0x100) != 0),
        yields((list[0] & 0x200) != 0),
        acquires((list[0] & 0x400) != 0),
        releases((list[0] & 0x800) != 0),
        base(static_cast<uint16_t>(list[1])),
        offset(static_cast<int32_t>(list[2])) {}

  uint64_t of(const Warp& warp, int lane) const {
    if (wide) return load64<uint64_t>(warp, base, lane) + static_cast<int64_t>(offset);
    const uint32_t address = warp.rows[base].lane[lane] + static_cast<uint32_t>(offset);
    return address;
  }
};

Space space_of(const Words& words);

// Where the active lanes' accesses of so many bytes lie; null: it was bad, and has been reported. What lies side by side,
// or is the same for all, is checked at once. Others than active lanes' are not set. Returns the first if all 32 lie side
// by side, and sets none; else null.
std::byte* resolve_lanes(Warp& warp, const Place& place, uint32_t bytes, Access access,
                         std::byte** at);

// {space and flags, base, offset}. Accesses that others may see are points at which they may run.
std::vector<uint32_t> address_list(Decoder& decoder, const Words& words,
                                   const ptx::Operand& operand);

}  // namespace fa4::emu::isa
