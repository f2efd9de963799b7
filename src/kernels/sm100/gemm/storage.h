// SPDX-License-Identifier: Apache-2.0
// The SMEM of one CTA, as a type. The kernel lays it over its dynamic SMEM and the host asks for its size, so that the
// two cannot disagree. And the columns of TMEM, of which the CTA takes all.
#pragma once

#include "sm100/gemm/config.h"

namespace fa4::sm100::gemm {

constexpr u32 kSmemBudgetBytes = 227 * 1024;  // what one CTA may have on sm_100
constexpr u32 kAtomAlignment = 1024;          // one period of the swizzle

// column   0                 256               512
//          | tile 0          | tile 1          |     fp32, row of C in the lane of its number
constexpr u32 tile_tmem(u32 tmem, u32 tile) { return tmem + tile * kBlockN; }
constexpr u32 kTileColumns = kTiles * kBlockN;
static_assert(kTileColumns == 512);

// Of a pair, the even CTA's `full` and `tile_empty` serve both; the odd one's are not used.
//
// barrier         arrivals                    waiter   what it proves
// full[stages]    1 + bytes, Load             Mma      A and B of the slot are in SMEM, in both CTAs of a pair
// empty[stages]   1 commit per pair that      Load     every MMA that reads what our loads will overwrite has finished
//                 shares its A or its B
// tile_full[2]    1 commit, Mma               Store    all of K is summed up in this half of TMEM
// tile_empty[2]   4 per CTA, Store            Mma      the half has been read, in both CTAs of a pair
constexpr u32 kFullArrivals = 1;
constexpr u32 kTileFullArrivals = 1;
template <Sm100GemmConfig config>
constexpr u32 kEmptyArrivals = Place<config>::kReaders;
template <Sm100GemmConfig config>
constexpr u32 kTileEmptyArrivals = kStoreWarps* config.cta_group;

template <Sm100GemmConfig config>
struct Storage {
  alignas(kAtomAlignment) bf16 a[config.stages][kBlockM * kBlockK];
  alignas(kAtomAlignment) bf16 b[config.stages][b_rows(config) * kBlockK];
  // No union with the ring: the ring already holds the next tile while C leaves.
  alignas(kAtomAlignment) bf16 c[kStoreWarps][kStoreBuffers][kStoreRows * kStoreCols];
  Mbarrier full[config.stages];
  Mbarrier empty[config.stages];
  Mbarrier tile_full[kTiles];
  Mbarrier tile_empty[kTiles];
  u32 tmem;  // where the columns begin
};

template <Sm100GemmConfig config>
constexpr u32 smem_bytes() {
  static_assert(mma_shape(config).exists(config.cta_group));
  static_assert(sizeof(Storage<config>) <= kSmemBudgetBytes, "take fewer stages");
  return sizeof(Storage<config>);
}

static_assert(smem_bytes<Sm100GemmConfig{}>() == 225 * 1024);

}  // namespace fa4::sm100::gemm
