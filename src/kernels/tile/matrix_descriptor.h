// SPDX-License-Identifier: Apache-2.0
// wgmma's description of a tile in SMEM whose rows are 128 bytes in the 128-byte swizzle, as TileLayout<64> of
// tile/swizzle.h and TMA lay it out. The pattern repeats every 1024 bytes of absolute address, so such a tile begins on
// a multiple of that.
#pragma once

#include "base/types.h"

namespace fa4 {

constexpr u32 kSwizzleAtomBytes = 8 * 128;

// A K-major tile (PTX ISA, "Matrix descriptor"). Stepping along K inside a row adds plain bytes: the unit applies the
// XOR to the address that results.
FA4_DEVICE u64 wgmma_descriptor(u32 tile_smem) {
  const u64 start = (tile_smem & 0x3ffff) >> 4;  // bits 0-13, without the CTA's rank in the cluster
  const u64 leading = 1;                         // bits 16-29, ignored when a row holds all of K
  const u64 stride = kSwizzleAtomBytes >> 4;     // bits 32-45, from eight rows to the next eight
  const u64 swizzle = 1;                         // bits 62-63, the 128-byte mode
  return start | leading << 16 | stride << 32 | swizzle << 62;
}

// The same tile, `bytes` further on.
FA4_DEVICE u64 advance_descriptor(u64 descriptor, u32 bytes) { return descriptor + (bytes >> 4); }

}  // namespace fa4
