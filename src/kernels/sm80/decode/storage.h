// SPDX-License-Identifier: Apache-2.0
// The SMEM of one CTA. In each slot of the ring a warp has its own 16 rows, which it alone fills and reads.
#pragma once

#include "sm80/decode/config.h"

namespace fa4::sm80::decode {

template <Sm80DecodeConfig config>
struct Storage {
  using G = Geometry<config>;
  struct Inputs {
    alignas(kTileAlignment) u8 q[G::QLayout::bytes(G::kBlockRows)];
    alignas(kTileAlignment) u8 k[config.depth][G::KLayout::bytes(kSm80DecodeBlockKeys)];
    alignas(kTileAlignment) u8 v[config.depth][G::VLayout::bytes(kSm80DecodeBlockKeys)];
  };
  // One row tile at a time, from every warp: O, and the maximum and the sum of each row.
  struct Merge {
    float o[kSm80DecodeWarps][16][G::kValueDim];
    float max_log2[kSm80DecodeWarps][16];
    float sum[kSm80DecodeWarps][16];
  };
  union {
    Inputs inputs;
    alignas(kTileAlignment) Merge merge;  // after the last block, by a barrier
  };
};

}  // namespace fa4::sm80::decode
