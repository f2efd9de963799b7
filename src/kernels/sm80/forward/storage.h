// SPDX-License-Identifier: Apache-2.0
// The SMEM of one CTA, as a type. The kernel lays it over its dynamic SMEM and the planner asks for its size, so that
// the two cannot disagree.
#pragma once

#include "sm80/forward/config.h"

namespace fa4::sm80::forward {

template <Sm80ForwardConfig config>
struct Storage {
  using G = Geometry<config>;
  struct Inputs {
    alignas(kTileAlignment) u8 q[G::QLayout::bytes(G::kBlockRows)];
    alignas(kTileAlignment) u8 k[kStages][G::KLayout::bytes(config.block_keys)];
    alignas(kTileAlignment) u8 v[kStages][G::VLayout::bytes(config.block_keys)];
  };
  union {
    Inputs inputs;
    // Written after the last block has been read, by a barrier.
    alignas(kTileAlignment) u8 out[G::VLayout::bytes(G::kBlockRows)];
  };
};

// The same from a config that is not a constant.
constexpr u32 storage_bytes(const Sm80ForwardConfig& config) {
  const u32 rows = config.warps * config.row_tiles * 16;
  const u32 head_dim = padded_dim(config.head_dim), value_dim = padded_dim(config.value_columns);
  const u32 inputs =
      tile_bytes(rows, head_dim) + kStages * (tile_bytes(config.block_keys, head_dim) +
                                              tile_bytes(config.block_keys, value_dim));
  const u32 out = tile_bytes(rows, value_dim);
  return inputs > out ? inputs : out;
}

}  // namespace fa4::sm80::forward
