// SPDX-License-Identifier: Apache-2.0
// The geometry of the Blackwell forward: what follows from the config, each number in one place.
#pragma once

#include "abi/sm100_forward_storage.h"
#include "tile/instruction_descriptor.h"

namespace fa4::sm100::forward {

constexpr u32 kMmaK = 16;  // depth of one MMA of 16-bit elements

// P leaves in quarters, and the MMAs over the first three begin before the last is stored.
constexpr u32 kQuarter = kBlockKeys / 4;
constexpr u32 kReadyKeys = 3 * kQuarter;

template <Sm100ForwardConfig config>
struct Geometry {
  static constexpr u32 kHeadSteps = config.head_dim / kMmaK;  // MMAs of S
  static constexpr u32 kKeySteps = kBlockKeys / kMmaK;        // MMAs of P V
  static constexpr u32 kReadySteps = kReadyKeys / kMmaK;      // those that p_ready allows

  // TMEM: the map of abi/sm100_forward_storage.h.
  static constexpr u32 s_tmem(u32 tile) { return s_column(tile); }
  static constexpr u32 p_tmem(u32 tile) { return p_column(tile); }
  static constexpr u32 o_tmem(u32 tile) { return o_column(config, tile); }

  static constexpr MmaElement kElement =
      config.element == ElementType::BFloat16 ? MmaElement::BF16 : MmaElement::F16;
  static constexpr u32 kScoresMma =
      instruction_descriptor({kElement, kElement, kTileRows, kBlockKeys});
  static constexpr u32 kValuesMma = instruction_descriptor(
      {kElement, kElement, kTileRows, config.value_dim, Major::K, Major::MN});

  static_assert(config.head_dim % kMmaK == 0 && config.head_dim <= kMostHeadDim);
  static_assert(config.value_dim % kMmaK == 0 && config.value_dim <= kMostValueDim);
  static_assert(config.value_dim <= config.head_dim, "the ring's slots are of K's size");
};

// Lanes that a warp reaches: its quarter, in bits 16 and up of an address.
FA4_DEVICE u32 tmem_lanes(u32 warp_idx) { return warp_idx % kWarpsOfTile * 32 << 16; }

}  // namespace fa4::sm100::forward
