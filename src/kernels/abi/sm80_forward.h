// SPDX-License-Identifier: Apache-2.0
// What host and device agree on for the portable forward: the values that are compiled, and those that are launched.
#pragma once

#include "abi/attention.h"
#include "abi/tiles.h"
#include "base/divide.h"

namespace fa4 {

// How blocks of keys arrive; sm80/forward/README.md shows both schedules.
enum class Schedule : u32 {
  TwoSlots,  // K and V of the next block while this one is computed
  OneSlot,  // V while S is computed, the next K during P V: half the SMEM, for larger blocks or more CTAs
};

// Everything that changes the code and nothing else. Masks do not: blocks that need one are found at run time.
struct Sm80ForwardConfig {
  ElementType element = ElementType::BFloat16;
  u32 head_dim = 128;       // D
  u32 value_dim = 128;      // Dv
  u32 value_columns = 128;  // of Dv, what one CTA computes: all, or a slice that fits its registers
  u32 warps = 4;            // each owns its rows of Q, S, P and O
  u32 row_tiles = 2;        // of 16 rows, per warp
  u32 block_keys = 64;      // keys of one step
  u32 q_in_registers = 0;   // 1: the fragments of Q stay there; 0: they are read at every step
  Schedule schedule = Schedule::TwoSlots;
  u32 q_copy_bytes = 16;  // 16, 8 or 4: cp.async of that size; 2: through registers
  u32 k_copy_bytes = 16;
  u32 v_copy_bytes = 16;
  Scores scores = Scores::Plain;
  u32 paged = 0;
  u32 packed_heads = 0;  // 1: a tile's rows are the query heads of one K/V head, query by query
  u32 split = 0;         // 1: results are partial, for any/combine.h
};

// Blocks of K and of V in SMEM.
constexpr u32 sm80_forward_slots(Schedule schedule) {
  return schedule == Schedule::OneSlot ? 1 : 2;
}

// SMEM of one CTA: sizeof(sm80::forward::Storage<config>), which checks it.
constexpr u32 sm80_forward_smem_bytes(const Sm80ForwardConfig& config) {
  const u32 rows = config.warps * config.row_tiles * 16;
  const u32 head_dim = padded_dim(config.head_dim), value_dim = padded_dim(config.value_columns);
  const u32 inputs = tile_bytes(rows, head_dim) + sm80_forward_slots(config.schedule) *
                                                      (tile_bytes(config.block_keys, head_dim) +
                                                       tile_bytes(config.block_keys, value_dim));
  const u32 out = tile_bytes(rows, value_dim);
  return inputs > out ? inputs : out;
}

// The forward of few rows: the warps of a CTA share the rows, which are the query heads of one K/V head, and split the
// keys. Launched with the same parameters.
struct Sm80DecodeConfig {
  ElementType element = ElementType::BFloat16;
  u32 head_dim = 128;
  u32 value_dim = 128;
  u32 row_tiles = 1;  // of 16 rows
  u32 depth = 2;      // blocks of K and V in SMEM
  u32 q_in_registers = 1;
  u32 q_copy_bytes = 16;
  u32 k_copy_bytes = 16;
  u32 v_copy_bytes = 16;
  Scores scores = Scores::Plain;
  u32 paged = 0;
  u32 split = 0;
};

constexpr u32 kSm80DecodeWarps = 4;
constexpr u32 kSm80DecodeWarpKeys = 16;  // of a block, one warp's
constexpr u32 kSm80DecodeBlockKeys = kSm80DecodeWarps * kSm80DecodeWarpKeys;

// SMEM of one CTA: sizeof(sm80::decode::Storage<config>), which checks it.
constexpr u32 sm80_decode_smem_bytes(const Sm80DecodeConfig& config) {
  const u32 rows = config.row_tiles * 16;
  const u32 head_dim = padded_dim(config.head_dim), value_dim = padded_dim(config.value_dim);
  const u32 ring = config.depth * (tile_bytes(kSm80DecodeBlockKeys, head_dim) +
                                   tile_bytes(kSm80DecodeBlockKeys, value_dim));
  const u32 inputs = tile_bytes(rows, head_dim) + ring;
  const u32 merge = kSm80DecodeWarps * 16 * (value_dim + 2) * 4;
  const u32 bytes = inputs > merge ? inputs : merge;
  return ceil_div(bytes, kTileAlignment) * kTileAlignment;
}

// Partial results: fp32, out normalised by its own sum. Row (token, head) is token * heads + head, where dense
// token i of batch b is b * seq_q + i. lse is +inf in rows that do not count, which no softmax gives.
struct PartialParam {
  float* out;  // [split, row, value_dim]
  float* lse;  // [split, row]
  i64 rows;
};

struct Sm80ForwardParams {
  ProblemParams problem;
  RowsParam out;
  LseParam lse;
  PartialParam partial;
  float score_scale;     // what S is multiplied with before the softmax; 1 if Scores::Plain
  float exponent_scale;  // what the exponential multiplies, with log2(e): the scale, or 1
  u32 tiles;    // of rows, for one sequence and head (or packed group), from the upper bound
  u32 streams;  // batch * kv_heads: CTAs of one stream read the same K and V
  u32 streams_per_group;  // streams that run together because their K and V fit the L2
  u32 num_splits;
  u32 split_keys;  // keys of a split at fixed positions, a multiple of block_keys; 0: even shares
  u32 value_slices;
  u32 work_items;  // CTAs with a tile; the rest write rows of no sequence
  u32 out_vector;  // 1: out takes 16-byte stores
  Divisor group;   // heads / kv_heads
  Divisor page;    // page_size, or 1
};

// Merges partial results, one row after another.
struct CombineConfig {
  ElementType element = ElementType::BFloat16;
};

constexpr u32 kCombineWarps = 4;  // a row each

struct CombineParams {
  PartialParam partial;
  RowsParam out;
  LseParam lse;
  SinkParam sink;
  u32 num_splits;
  u32 value_dim;
  Divisor heads;
  Divisor seq_q;  // dense: rows of a batch index; packed: 2^31, so that the batch index is 0
};

}  // namespace fa4
