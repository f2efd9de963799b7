// SPDX-License-Identifier: Apache-2.0
// The geometry of the portable forward: what follows from the config, each number in one place.
#pragma once

#include "abi/sm80_forward.h"
#include "tile/swizzle.h"

namespace fa4::sm80::forward {

template <Sm80ForwardConfig config>
struct Geometry {
  static constexpr u32 kWarpRows = config.row_tiles * 16;
  static constexpr u32 kBlockRows = config.warps * kWarpRows;
  static constexpr u32 kThreads = config.warps * 32;
  static constexpr u32 kHeadDim = padded_dim(config.head_dim);
  static constexpr u32 kValueDim = padded_dim(config.value_columns);
  static constexpr u32 kKeySteps = config.block_keys / 16;  // depth of P V in MMAs
  static constexpr u32 kDimSteps = kHeadDim / 16;           // depth of Q K^T
  static constexpr u32 kValuePairs = kValueDim / 16;        // pairs of n8 tiles of O

  using QLayout = TileLayout<kHeadDim>;
  using KLayout = TileLayout<kHeadDim>;
  using VLayout = TileLayout<kValueDim>;

  static_assert(config.block_keys % 16 == 0);
};

// One n8 tile of an accumulator in a thread: two columns of row t/4, two of row t/4 + 8.
using Tile8 = float[4];

}  // namespace fa4::sm80::forward
