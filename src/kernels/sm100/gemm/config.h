// SPDX-License-Identifier: Apache-2.0
// The geometry of the Blackwell GEMM: what follows from the config, each number in one place.
#pragma once

#include "abi/sm100_gemm.h"
#include "tile/cluster_place.h"
#include "tile/instruction_descriptor.h"

namespace fa4::sm100::gemm {

constexpr u32 kBlockK = 64;   // one swizzled row: 64 bf16 are 128 bytes
constexpr u32 kMmaK = 16;     // the depth of one tcgen05.mma
constexpr u32 kBlockM = 128;  // rows of C of a CTA: the lanes of TMEM
constexpr u32 kBlockN =
    256;  // columns of C of a CTA or pair: N of the MMA, and half of TMEM's columns
constexpr u32 kTiles = 2;  // of C in TMEM: one is multiplied while the other is stored

// B rows in a CTA's SMEM.
constexpr u32 b_rows(const Sm100GemmConfig& config) { return kBlockN / config.cta_group; }
constexpr u32 slot_bytes(const Sm100GemmConfig& config) {
  return (kBlockM + b_rows(config)) * kBlockK * sizeof(bf16);
}

constexpr MmaShape mma_shape(const Sm100GemmConfig& config) {
  return {
      .a = MmaElement::BF16, .b = MmaElement::BF16, .m = kBlockM * config.cta_group, .n = kBlockN};
}

// C leaves in boxes that one warp fills alone: its 32 rows by one swizzled row of columns.
constexpr u32 kStoreRows = 32;
constexpr u32 kStoreCols = 64;
constexpr u32 kStoreBuffers = 2;  // per warp: fill one while TMA reads the other
constexpr u32 kStoreWarps = kBlockM / kStoreRows;

// Rows of the tile grid per band (tile_scheduler.h), in clusters.
constexpr u32 kBandRows = 8;

template <Sm100GemmConfig config>
using Place = ClusterPlace<config.cluster_rows, config.cluster_cols, config.cta_group>;

}  // namespace fa4::sm100::gemm
