// SPDX-License-Identifier: Apache-2.0
// What host and device agree on for the Blackwell forward: the value that is compiled and the values that are
// launched. sm100/forward/README.md explains the kernel.
#pragma once

#include "abi/attention.h"
#include "abi/tiles.h"

namespace fa4 {

// Which exponentials of a row of 128 are computed by FMA units instead of the exponential unit: the last four columns
// of every `period`, in the quarters from `first_quarter` to the third. Never in the last, which must be stored without
// delay. period 0: none.
struct Exp2Share {
  u32 period = 16;
  u32 first_quarter = 1;
};

// Everything that changes the code and nothing else. Blocks that need a mask are found at run time, so full and causal
// are one kernel; so are all head dims that are padded to the same, because TMA fills with zeros.
struct Sm100ForwardConfig {
  ElementType element = ElementType::BFloat16;
  u32 head_dim = 128;   // D, padded to a multiple of 16; at most 192
  u32 value_dim = 128;  // Dv, likewise; at most 128
  Scores scores = Scores::Plain;
  u32 left_bound = 0;  // 1: a row may not see its first keys (a window)
  Exp2Share exp2 = {};
  u32 maximum_by_load = 0;  // 1: tcgen05.ld.red gives a row's maxima (sm_103a and relatives)
  u32 claims_tiles = 0;     // 1: a CTA asks for its next tile (cluster launch control)
};

namespace sm100::forward {

constexpr u32 kTileRows = 128;  // of one query tile: the lanes of TMEM
constexpr u32 kQueryTiles = 2;  // of a CTA, in ping-pong
constexpr u32 kCtaRows = kTileRows * kQueryTiles;
constexpr u32 kBlockKeys = 128;
constexpr u32 kBoxColumns = 64;  // of a TMA box: 128 bytes, a row of the swizzle
constexpr u32 kThreads = 512;
constexpr u32 kMostHeadDim = 192, kMostValueDim = 128;

}  // namespace sm100::forward

// Launched with kThreads threads, smem_bytes(config) of abi/sm100_forward_storage.h, no cluster, and a grid of
// num_tiles CTAs, or fewer, which then walk over several tiles each (with claims_tiles always num_tiles).
//
// All maps have the inputs' type, the 128-byte swizzle, zeros out of bounds and steps of 1. Packed tensors have batch 1
// and all rows as one sequence. The strides in bytes must be multiples of 16, which for extents of 1 the host may
// invent. With group = 1 << group_log2, Q tiles hold the rows of `group` heads, row = query * group + head:
//
//     q_map    [D, group, Sq, heads / group, batch]    box 64 x group x 128 / group x 1 x 1
//     k_map    [D, Sk, kv_heads, batch]                box 64 x 128 x 1 x 1
//     v_map    [Dv, Sk, kv_heads, batch]               box 64 x 128 x 1 x 1
//     out_map  [Dv, group, Sq, heads / group, batch]   box 64 x group x 128 / group x 1 x 1
struct Sm100ForwardParams {
  TensorMap q_map, k_map, v_map;
  TensorMap out_map;  // read only if out_by_tma
  ProblemParams problem;
  RowsParam out;
  LseParam lse;
  float score_scale;  // what S is multiplied with before the softmax; 1 if Scores::Plain
  float
      exponent_scale;  // what the exponential multiplies, without log2(e): the scale, or 1; above 0
  u32 group_log2;      // 0: a tile holds one head
  u32 heads_per_stream;  // heads / kv_heads / group: tiles of so many groups read the same K and V
  u32 row_tiles;  // of kCtaRows rows, for one head or group, from the upper bound of Sq * group
  u32 streams;    // batch * kv_heads: tiles of one stream read the same K and V
  u32 streams_per_group;  // streams that run together because their K and V fit the L2
  u32 num_tiles;          // row_tiles * streams * heads_per_stream
  u32 clear_tails;  // 1: rows behind a sequence's keys may hold anything (packed keys, key_lengths)
  u32 out_by_tma;  // 1: every query row counts (no packed queries, no query_lengths) and TMA serves `out`
  u32 out_vector;  // 1: `out` takes 16-byte stores
};

static_assert(sizeof(Sm100ForwardConfig) == 36);

}  // namespace fa4
