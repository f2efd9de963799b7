// SPDX-License-Identifier: Apache-2.0
// The SMEM and TMEM of the Blackwell forward, its barriers and its warps, for the kernel, for the planner's budget and for the
// names in reports.
#pragma once

#include "abi/sm100_forward.h"

namespace fa4::sm100::forward {

// A tile is cut into boxes of 64 columns, each [128 rows, 128 bytes] in the 128-byte swizzle.
constexpr u32 kBoxBytes = kTileRows * 128;
constexpr u32 boxes_of(u32 dim) { return ceil_div(dim, kBoxColumns); }

constexpr u32 kTilesBytes = 224 * 1024;  // of 227 KB; what remains takes row values and barriers
constexpr u32 kSwizzlePeriod = 1024;     // every box begins on a multiple

// O takes the room of Q, which the last S of the tile has read, where both do not fit.
constexpr bool out_lies_over_q(const Sm100ForwardConfig& config) { return config.head_dim > 128; }

// Note [Uneven ring]
// K and V share one ring and alternate: K V K V .. With D 192 a K is 48 KB and a V 32, and only three of them in a row
// ever fit. A slot of the ring then begins where its neighbours leave room:
//
//     KB          0        32    48        80              128
//     K, V, K     | slot 0       | slot 1  | slot 2        |
//     V, K, V     | slot 0 | slot 1        | slot 2  |
//
// A K may enter slot 0 only when the K of slot 1, two items before it, has been read, because it covers KB 32 to 48.
constexpr bool has_uneven_ring(const Sm100ForwardConfig& config) { return config.head_dim > 128; }

struct BarrierRow {
  const char* name;
  u32 count;
  u32 arrivals;
};

// In this order in SMEM.
enum Barrier : u32 {
  kQFull,
  kQEmpty,
  kKvFull,
  kKvEmpty,
  kSFull,
  kPReady,
  kPTail,
  kOFull,
  kScaleEmpty,
  kOutFull,
  kOutEmpty,
  kVLanded,
  kTileFull,
  kTileEmpty,
  kNumBarriers,
};

constexpr u32 kWarpsOfTile = kTileRows / 32;

//     barrier         arrivals                          waiter      what it proves
//     q_full[2]       1 + bytes, Load                   Mma         the Q tile is in SMEM
//     q_empty[2]      commit, Mma                       Load        every S of the tile has read it
//     kv_full[n]      1 + bytes, Load                   Mma         the K or V block is in SMEM, its unused rows 0
//     kv_empty[n]     commit, Mma                       Load        every MMA that reads it has finished
//     s_full[2]       commit, Mma                       Softmax i   S is in TMEM, and its columns are Softmax i's
//     p_ready[2]      4 Softmax i, 4 Correction         Mma         three quarters of P are stored; O is rescaled
//     p_tail[2]       4 Softmax i                       Mma         all of P is stored; S and P are Mma's again
//     o_full[2]       commit, Mma                       Correction  the last P V of the tile has finished
//     scale_empty[2]  4 Correction                      Softmax i   the row values have been read
//     out_full[2]     4 Correction                      Store       the O tile is in SMEM
//     out_empty[2]    1 Store                           Correction  it has left (and Load, where O lies over Q)
//     v_landed        1 + bytes, Load                   Load        a V block whose unused rows it must clear
//     tile_full       1 + bytes, Scheduler              all         the answer to a claim, if the config claims tiles
//     tile_empty      1 each of the 16 warps            Scheduler   likewise: it has been read
constexpr BarrierRow barrier_row(Barrier barrier, u32 slots, u32 claims_tiles) {
  switch (barrier) {
    case kQFull:
      return {"q_full", kQueryTiles, 1};
    case kQEmpty:
      return {"q_empty", kQueryTiles, 1};
    case kKvFull:
      return {"kv_full", slots, 1};
    case kKvEmpty:
      return {"kv_empty", slots, 1};
    case kSFull:
      return {"s_full", kQueryTiles, 1};
    case kPReady:
      return {"p_ready", kQueryTiles, 2 * kWarpsOfTile};
    case kPTail:
      return {"p_tail", kQueryTiles, kWarpsOfTile};
    case kOFull:
      return {"o_full", kQueryTiles, 1};
    case kScaleEmpty:
      return {"scale_empty", kQueryTiles, kWarpsOfTile};
    case kOutFull:
      return {"out_full", kQueryTiles, kWarpsOfTile};
    case kOutEmpty:
      return {"out_empty", kQueryTiles, 1};
    case kVLanded:
      return {"v_landed", 1, 1};
    case kTileFull:
      return {"tile_full", claims_tiles, 1};
    case kTileEmpty:
      return {"tile_empty", claims_tiles, kThreads / 32};
    default:
      return {"", 0, 0};
  }
}

// Byte offsets; sizes are of one tile or slot.
struct Storage {
  u32 q, out, ring, row_scale, row_max, claim, tmem_address;
  u32 barriers[kNumBarriers];
  u32 q_bytes, out_bytes, k_bytes, v_bytes, slot_bytes, slots;
  u32 bytes;
};

constexpr u32 kRowValuesBytes = kCtaRows * 4;
constexpr u32 kClaimBytes = 16;  // the answer to a claim

constexpr Storage storage_of(const Sm100ForwardConfig& config) {
  Storage s{};
  s.q_bytes = boxes_of(config.head_dim) * kBoxBytes;
  s.k_bytes = s.q_bytes;
  s.v_bytes = boxes_of(config.value_dim) * kBoxBytes;
  s.out_bytes = s.v_bytes;
  s.slot_bytes = s.k_bytes > s.v_bytes ? s.k_bytes : s.v_bytes;
  s.q = 0;
  s.out = out_lies_over_q(config) ? 0 : kQueryTiles * s.q_bytes;
  s.ring = kQueryTiles * (s.q_bytes + (out_lies_over_q(config) ? 0 : s.out_bytes));
  s.slots = has_uneven_ring(config) ? 3 : (kTilesBytes - s.ring) / s.slot_bytes;
  const u32 ring_bytes =
      has_uneven_ring(config) ? 2 * s.k_bytes + s.v_bytes : s.slots * s.slot_bytes;
  s.row_scale = s.ring + ring_bytes;
  s.row_max = s.row_scale + kRowValuesBytes;
  s.claim = s.row_max + kRowValuesBytes;
  s.tmem_address = s.claim + kClaimBytes;
  s.bytes = s.tmem_address + 16;
  for (u32 b = 0; b < kNumBarriers; ++b) {
    s.barriers[b] = s.bytes;
    const BarrierRow row = barrier_row(static_cast<Barrier>(b), s.slots, config.claims_tiles);
    s.bytes += row.count * sizeof(Mbarrier);
  }
  return s;
}

// Of tile `index` of O: over the Q tile of the same index, or beside.
constexpr u32 out_offset(const Sm100ForwardConfig& config, u32 index) {
  const Storage s = storage_of(config);
  return s.out + index * (out_lies_over_q(config) ? s.q_bytes : s.out_bytes);
}

constexpr u32 smem_bytes(const Sm100ForwardConfig& config) { return storage_of(config).bytes; }

static_assert(storage_of({}).slots == 3 && smem_bytes({}) <= 227 * 1024);
static_assert(storage_of({.head_dim = 64, .value_dim = 64}).slots == 10);
static_assert(smem_bytes({.head_dim = 192}) <= 227 * 1024);

// TMEM, in columns. Row r of a query tile is lane r; P is packed, two elements a column.
//
//     column   0        64       128      192      256            256 + Dv       256 + 2 Dv
//              | S0              | S1              | O0           | O1           |
//              |        | P0     |        | P1     |     P lies over the second half of its S
constexpr u32 s_column(u32 tile) { return tile * kBlockKeys; }
constexpr u32 p_column(u32 tile) { return s_column(tile) + kBlockKeys / 2; }
constexpr u32 o_column(const Sm100ForwardConfig& config, u32 tile) {
  return kQueryTiles * kBlockKeys + tile * config.value_dim;
}

// Who runs what. Roles of one warpgroup share a register count.
struct RoleRow {
  const char* name;
  u32 first_warp;
  u32 num_warps;

  constexpr bool has(u32 warp_idx) const {
    return warp_idx >= first_warp && warp_idx < first_warp + num_warps;
  }
};

//                          role          warps      file
constexpr RoleRow kSoftmax0{"Softmax0", 0, 4};      // softmax.h
constexpr RoleRow kSoftmax1{"Softmax1", 4, 4};      // softmax.h
constexpr RoleRow kCorrection{"Correction", 8, 4};  // correction.h
constexpr RoleRow kMma{"Mma", 12, 1};               // mma.h
constexpr RoleRow kLoad{"Load", 13, 1};             // load.h
constexpr RoleRow kStore{"Store", 14, 1};           // store.h
constexpr RoleRow kScheduler{"Scheduler", 15, 1};   // scheduler.h
constexpr RoleRow kRoles[] = {kSoftmax0, kSoftmax1, kCorrection, kMma, kLoad, kStore, kScheduler};

}  // namespace fa4::sm100::forward
