// SPDX-License-Identifier: Apache-2.0
// The SMEM of one CTA, as a type. The kernel lays it over its dynamic SMEM and the planner asks for its size (abi/sm80_forward.h),
// so that the two cannot disagree.
#pragma once

#include "sm80/forward/config.h"

namespace fa4::sm80::forward {

template <Sm80ForwardConfig config>
struct Storage {
  using G = Geometry<config>;
  static constexpr u32 kSlots = sm80_forward_slots(config.schedule);
  struct Inputs {
    alignas(kTileAlignment) u8 q[G::QLayout::bytes(G::kBlockRows)];
    alignas(kTileAlignment) u8 k[kSlots][G::KLayout::bytes(config.block_keys)];
    alignas(kTileAlignment) u8 v[kSlots][G::VLayout::bytes(config.block_keys)];
  };
  union {
    Inputs inputs;
    // Written after the last block has been read, by a barrier.
    alignas(kTileAlignment) u8 out[G::VLayout::bytes(G::kBlockRows)];
  };
};

}  // namespace fa4::sm80::forward
