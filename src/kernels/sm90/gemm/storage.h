// SPDX-License-Identifier: Apache-2.0
// The SMEM of one CTA, as a type. The kernel lays it over its dynamic SMEM and the host asks for
// its size, so that the two cannot disagree.
#pragma once

#include "sm90/gemm/config.h"

namespace fa4::sm90::gemm {

constexpr u32 kSmemBudgetBytes = 227 * 1024;  // what one CTA may have on sm_90
constexpr u32 kAtomAlignment = 1024;          // one period of the swizzle

// barrier         arrivals              waiter   what it proves
// full[stages]    1 + bytes, Load       Mma      A and B of the slot are in SMEM
// empty[stages]   2 x sharers, Mma      Load     every wgmma that reads the slot has finished, in every CTA that
//                                                shares its A or its B
constexpr u32 kFullArrivals = 1;
constexpr u32 empty_arrivals(const Sm90GemmConfig& config) {
  return kMmaWarpgroups * (config.cluster_rows + config.cluster_cols - 1);
}

template <Sm90GemmConfig config>
struct Storage {
  alignas(kAtomAlignment) bf16 a[config.stages][kBlockM * kBlockK];
  alignas(kAtomAlignment) bf16 b[config.stages][kBlockN * kBlockK];
  // No union with the ring: the ring already holds the next tile while C leaves.
  alignas(kAtomAlignment) bf16 c[kMmaWarps][kStoreBuffers][kStoreRows * kStoreCols];
  Mbarrier full[config.stages];
  Mbarrier empty[config.stages];
};

template <Sm90GemmConfig config>
constexpr u32 smem_bytes() {
  static_assert(sizeof(Storage<config>) <= kSmemBudgetBytes, "take fewer stages");
  return sizeof(Storage<config>);
}

static_assert(smem_bytes<Sm90GemmConfig{}>() == 225 * 1024);

}  // namespace fa4::sm90::gemm
