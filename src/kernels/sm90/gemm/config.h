// SPDX-License-Identifier: Apache-2.0
// The geometry of the Hopper GEMM: what follows from the config, each number in one place.
#pragma once

#include "abi/sm90_gemm.h"
#include "tile/cluster_place.h"

namespace fa4::sm90::gemm {

constexpr u32 kBlockK = 64;        // one swizzled row: 64 bf16 are 128 bytes
constexpr u32 kWgmmaM = 64;        // rows of one wgmma, one warpgroup
constexpr u32 kWgmmaK = 16;        // its depth
constexpr u32 kMmaWarpgroups = 2;  // each owns 64 rows of the tile
constexpr u32 kBlockM = kMmaWarpgroups * kWgmmaM;
constexpr u32 kBlockN = 256;  // N of the wgmma: the widest reads A least often
constexpr u32 kAccumulators = kWgmmaM * kBlockN / 128;  // fp32 registers per thread
constexpr u32 kSlotBytes = (kBlockM + kBlockN) * kBlockK * sizeof(bf16);

// C leaves in boxes that one warp fills alone: its 16 rows by one swizzled row of columns.
constexpr u32 kStoreRows = 16;
constexpr u32 kStoreCols = 64;
constexpr u32 kStoreBuffers = 2;  // per warp: fill one while TMA reads the other
constexpr u32 kMmaWarps = 4 * kMmaWarpgroups;

// Rows of the tile grid per band (tile_scheduler.h), in clusters: 8 x 2 x 128 rows of A, 2048.
// With 66 clusters in flight that is about 2048 columns of B as well.
constexpr u32 kBandRows = 8;

template <Sm90GemmConfig config>
using Place = ClusterPlace<config.cluster_rows, config.cluster_cols>;

}  // namespace fa4::sm90::gemm
