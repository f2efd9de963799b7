// SPDX-License-Identifier: Apache-2.0
// How wgmma and tcgen05.mma are told where an operand lies in SMEM (PTX ISA, "Matrix descriptor", "Shared memory
// descriptor"). TMA and TileLayout of tile/swizzle.h lay the same tiles out: rows of 128 bytes in the 128-byte swizzle,
// or of 64 or 32 in theirs. The pattern repeats every 8 rows of absolute address, where such a tile begins.
//
//                K-major                             MN-major
//     a row      all K of one m or n                 64 m or n (of 16 bits) of one k
//     stride     from 8 rows of m or n to the next   from 8 rows of k to the next
//     leading    ignored                             from 64 m or n to the next
#pragma once

#include "base/types.h"

namespace fa4 {

constexpr u32 kSwizzleAtomBytes = 8 * 128;

// For wgmma: K-major, rows of 128 bytes.
FA4_DEVICE u64 wgmma_descriptor(u32 tile_smem) {
  const u64 start = (tile_smem & 0x3ffff) >> 4;  // bits 0-13, without the CTA's rank in the cluster
  const u64 leading = 1;                         // bits 16-29, ignored when a row holds all of K
  const u64 stride = kSwizzleAtomBytes >> 4;     // bits 32-45, from eight rows to the next eight
  const u64 swizzle = 1;                         // bits 62-63, the 128-byte mode
  return start | leading << 16 | stride << 32 | swizzle << 62;
}

enum class DescriptorSwizzle : u32 {
  None = 0,
  Bytes128Atom32 = 1,
  Bytes128 = 2,
  Bytes64 = 4,
  Bytes32 = 6
};

// For tcgen05, any layout.
FA4_DEVICE u64 tcgen05_descriptor(u32 tile_smem, DescriptorSwizzle swizzle, u32 leading_bytes,
                                  u32 stride_bytes) {
  const u64 start = (tile_smem & 0x3ffff) >> 4;  // bits 0-13, without the CTA's rank in the cluster
  const u64 leading = leading_bytes >> 4;        // bits 16-29
  const u64 stride = stride_bytes >> 4;          // bits 32-45
  const u64 version = 1;                         // bits 46-48
  const u64 mode = static_cast<u64>(swizzle);    // bits 61-63
  return start | leading << 16 | stride << 32 | version << 46 | mode << 61;
}

// For tcgen05: K-major, rows of 128 bytes.
FA4_DEVICE u64 tcgen05_descriptor_k_major(u32 tile_smem) {
  return tcgen05_descriptor(tile_smem, DescriptorSwizzle::Bytes128, 16, kSwizzleAtomBytes);
}

// For tcgen05: MN-major, rows of 128 bytes, `rows` of them (the tile's K) before the next 64 m or n. Stepping along K adds
// 128 bytes a row, in multiples of 8 rows.
FA4_DEVICE u64 tcgen05_descriptor_mn_major(u32 tile_smem, u32 rows) {
  return tcgen05_descriptor(tile_smem, DescriptorSwizzle::Bytes128, rows * 128, kSwizzleAtomBytes);
}

// The same tile, `bytes` further on. Stepping along K inside a row of a K-major tile adds plain bytes: the unit applies
// the XOR to the address that results.
FA4_DEVICE u64 advance_descriptor(u64 descriptor, u32 bytes) { return descriptor + (bytes >> 4); }

}  // namespace fa4
