// SPDX-License-Identifier: Apache-2.0
// A register of a warp: one 32-bit value for each lane. 16-bit values lie in the low half, the upper one
// being 0; 64-bit values are two rows, low word first; predicates are bits of a LaneMask.
#pragma once

#include <bit>
#include <cstdint>

namespace fa4::emu {

inline constexpr int kLanes = 32;

using LaneMask = uint32_t;  // bit l: lane l
inline constexpr LaneMask kAllLanes = 0xffffffff;

struct alignas(64) Row {
  uint32_t lane[kLanes];
};

inline constexpr bool has_lane(LaneMask mask, int lane) { return (mask >> lane & 1) != 0; }

// For each lane of a mask, lowest first.
template <class Body>
void for_each_lane(LaneMask mask, Body body) {
  for (; mask != 0; mask &= mask - 1) body(std::countr_zero(mask));
}

}  // namespace fa4::emu
