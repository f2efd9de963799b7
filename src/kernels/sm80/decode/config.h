// SPDX-License-Identifier: Apache-2.0
// The geometry of the forward of few rows. A warp computes with the steps of sm80/forward, on its own keys of a block.
#pragma once

#include "sm80/forward/config.h"

namespace fa4::sm80::decode {

constexpr u32 kThreads = kSm80DecodeWarps * 32;

// What one warp does with its keys of one block.
constexpr Sm80ForwardConfig warp_config(const Sm80DecodeConfig& config) {
  return {.element = config.element,
          .head_dim = config.head_dim,
          .value_dim = config.value_dim,
          .value_columns = config.value_dim,
          .warps = 1,
          .row_tiles = config.row_tiles,
          .block_keys = kSm80DecodeWarpKeys,
          .q_in_registers = config.q_in_registers,
          .q_copy_bytes = config.q_copy_bytes,
          .k_copy_bytes = config.k_copy_bytes,
          .v_copy_bytes = config.v_copy_bytes,
          .scores = config.scores,
          .paged = config.paged,
          .packed_heads = 1,
          .split = config.split};
}

template <Sm80DecodeConfig config>
using Geometry = forward::Geometry<warp_config(config)>;

}  // namespace fa4::sm80::decode
