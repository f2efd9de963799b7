// SPDX-License-Identifier: Apache-2.0
// The three kinds of products, for one warp. Accumulators are [16 rows][8 columns] fragments.
#pragma once

#include "ptx/ldmatrix.h"
#include "tile/element.h"
#include "tile/swizzle.h"

namespace fa4::sm80::backward {

template <u32 kM, u32 kN>
FA4_DEVICE void clear(float (&acc)[kM][kN][4]) {
#pragma unroll
  for (u32 i = 0; i < kM; ++i) {
#pragma unroll
    for (u32 j = 0; j < kN; ++j) {
#pragma unroll
      for (u32 e = 0; e < 4; ++e) acc[i][j][e] = 0;
    }
  }
}

// acc += A B^T over the columns of both: A's rows from `a`, B's rows (acc's columns) from `b`. After each of the
// kColumns / 16 steps, `beside(step)` issues work that has nothing to do with the product.
template <ElementType kType, u32 kColumns, u32 kM, u32 kN, class Beside>
FA4_DEVICE void add_rows_by_rows(float (&acc)[kM][kN][4], const LaneOffset<kColumns>& a,
                                 const LaneOffset<kColumns>& b, Beside beside) {
#pragma unroll
  for (u32 k = 0; k < kColumns / 16; ++k) {
    u32 a_regs[kM][4];
#pragma unroll
    for (u32 i = 0; i < kM; ++i) ptx::ldmatrix_x4(a_regs[i], a.at(i * 16, k * 2));
#pragma unroll
    for (u32 j = 0; j < kN / 2; ++j) {
      u32 b_regs[4];
      ptx::ldmatrix_x4(b_regs, b.at(j * 16, k * 2));
#pragma unroll
      for (u32 i = 0; i < kM; ++i) {
        mma_m16n8k16<kType>(acc[i][j * 2], a_regs[i], b_regs[0], b_regs[1]);
        mma_m16n8k16<kType>(acc[i][j * 2 + 1], a_regs[i], b_regs[2], b_regs[3]);
      }
    }
    beside(k);
  }
}

// The pieces of `count` that belong to step `step` of `steps`: [first, end).
constexpr u32 share_of(u32 count, u32 step, u32 steps) { return count * step / steps; }

// acc += A B over kSteps x 16 rows of B. `load_a(regs, i, k)` gives the fragment of A's rows 16i and step k. Of B's
// columns the warp has the blocks first_block, first_block + kDimWarps, .., as far as there are any; `b` is at
// first_block already.
template <ElementType kType, u32 kSteps, u32 kDimWarps, u32 kColumns, u32 kM, u32 kN, class LoadA>
FA4_DEVICE void add_by_columns(float (&acc)[kM][kN][4], LoadA load_a, const LaneOffset<kColumns>& b,
                               u32 first_block) {
  constexpr u32 kBlocks = kColumns / 16;
#pragma unroll
  for (u32 k = 0; k < kSteps; ++k) {
    u32 a_regs[kM][4];
#pragma unroll
    for (u32 i = 0; i < kM; ++i) load_a(a_regs[i], i, k);
#pragma unroll
    for (u32 j = 0; j < kN / 2; ++j) {
      if (kBlocks % kDimWarps != 0 && first_block + j * kDimWarps >= kBlocks) break;
      u32 b_regs[4];
      ptx::ldmatrix_x4_trans(b_regs, b.at(k * 16, j * kDimWarps * 2));
#pragma unroll
      for (u32 i = 0; i < kM; ++i) {
        mma_m16n8k16<kType>(acc[i][j * 2], a_regs[i], b_regs[0], b_regs[1]);
        mma_m16n8k16<kType>(acc[i][j * 2 + 1], a_regs[i], b_regs[2], b_regs[3]);
      }
    }
  }
}

// A's fragments out of packed accumulators [row block][column block of 8][rows t/4, t/4 + 8]: packing is all
// that it takes for an accumulator to become an operand.
template <u32 kM, u32 kN>
FA4_DEVICE auto from_registers(const u32 (&packed)[kM][kN][2]) {
  return [&packed](u32(&regs)[4], u32 i, u32 k) {
    regs[0] = packed[i][k * 2][0];
    regs[1] = packed[i][k * 2][1];
    regs[2] = packed[i][k * 2 + 1][0];
    regs[3] = packed[i][k * 2 + 1][1];
  };
}

template <u32 kColumns>
FA4_DEVICE auto from_rows(const LaneOffset<kColumns>& a) {
  return [&a](u32(&regs)[4], u32 i, u32 k) { ptx::ldmatrix_x4(regs, a.at(i * 16, k * 2)); };
}

// A is the transpose of what lies in SMEM.
template <u32 kColumns>
FA4_DEVICE auto from_columns(const LaneOffset<kColumns>& a) {
  return [&a](u32(&regs)[4], u32 i, u32 k) { ptx::ldmatrix_x4_trans(regs, a.at(k * 16, i * 2)); };
}

// Packed scores to SMEM, [keys][queries].
template <u32 kColumns, u32 kM, u32 kN>
FA4_DEVICE void store_packed(u32 tile_smem, const u32 (&packed)[kM][kN][2], u32 row, u32 column,
                             u32 lane) {
  using Layout = TileLayout<kColumns>;
#pragma unroll
  for (u32 i = 0; i < kM; ++i) {
#pragma unroll
    for (u32 j = 0; j < kN; ++j) {
#pragma unroll
      for (u32 half = 0; half < 2; ++half) {
        const u32 at = Layout::offset(row + i * 16 + half * 8 + lane / 4, column / 8 + j);
        ptx::st_shared(tile_smem + at + lane % 4 * 4, packed[i][j][half]);
      }
    }
  }
}

}  // namespace fa4::sm80::backward
