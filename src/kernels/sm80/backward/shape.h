// SPDX-License-Identifier: Apache-2.0
// What a config means for one warp: how many fragments of each product it owns, and which.
#pragma once

#include "abi/sm80_backward_storage.h"
#include "ptx/registers.h"

namespace fa4::sm80::backward {

// Columns of a head dim are dealt to warps in blocks of 16: warp w of W has blocks w, w + W, ..
constexpr u32 blocks_of(u32 dim, u32 dim_warps) {
  return ceil_div(padded_dim(dim) / 16, dim_warps);
}

template <Sm80BackwardConfig kConfig>
struct Shape {
  static constexpr ElementType kType = kConfig.type;
  static constexpr u32 kBlockQ = kConfig.block_q, kBlockK = kConfig.block_k;
  static constexpr u32 kDim = padded_dim(kConfig.head_dim);
  static constexpr u32 kValueDim = padded_dim(kConfig.value_dim);
  static constexpr u32 kThreads = kConfig.warps * 32;
  static constexpr Storage kStorage = storage_of(kConfig);

  // S^T and dP^T of a warp: kScoreM x 16 keys, kScoreN x 16 queries.
  static constexpr u32 kScoreKeyWarps = kConfig.warps / kConfig.score_query_warps;
  static constexpr u32 kScoreM = kBlockK / kScoreKeyWarps / 16;
  static constexpr u32 kScoreN = kBlockQ / kConfig.score_query_warps / 16;
  static constexpr bool kScoresInRegisters = kConfig.score_query_warps == 1;

  // dV and dK: kGradM x 16 keys, blocks of 16 columns.
  static constexpr u32 kGradDimWarps = kConfig.grad_dim_warps;
  static constexpr u32 kGradM = kBlockK / (kConfig.warps / kGradDimWarps) / 16;
  static constexpr u32 kGradBlocks = blocks_of(kConfig.head_dim, kGradDimWarps);
  static constexpr u32 kGradValueBlocks = blocks_of(kConfig.value_dim, kGradDimWarps);

  // dQ: kDqM x 16 queries, blocks of 16 columns.
  static constexpr u32 kDqDimWarps = kConfig.dq_dim_warps;
  static constexpr u32 kDqM = kBlockQ / (kConfig.warps / kDqDimWarps) / 16;
  static constexpr u32 kDqBlocks = blocks_of(kConfig.head_dim, kDqDimWarps);

  static_assert(kScoreM * 16 * kScoreKeyWarps == kBlockK && kScoreM > 0);
  static_assert(kScoreN * 16 * kConfig.score_query_warps == kBlockQ && kScoreN > 0);
  static_assert(kGradM * 16 * (kConfig.warps / kGradDimWarps) == kBlockK && kGradM > 0);
  static_assert(kDqM * 16 * (kConfig.warps / kDqDimWarps) == kBlockQ && kDqM > 0);
  static_assert(!kScoresInRegisters || kGradDimWarps == 1, "a warp keeps the keys of its P and dS");
};

// Who a thread is in each of the products. Made anew in each step of a tile: see ptx/registers.h.
template <class S>
struct Place {
  u32 thread, lane;
  u32 score_key, score_query;  // first key and query of the warp's S^T
  u32 grad_key, grad_block;    // first key and first block of columns of its dV, dK
  u32 dq_query, dq_block;      // first query and first block of columns of its dQ

  FA4_DEVICE Place() {
    thread = ptx::tid_x();
    lane = thread % 32;
    const u32 warp = thread / 32;
    score_key = warp % S::kScoreKeyWarps * S::kScoreM * 16;
    score_query = warp / S::kScoreKeyWarps * S::kScoreN * 16;
    grad_key = warp / S::kGradDimWarps * S::kGradM * 16;
    grad_block = warp % S::kGradDimWarps;
    dq_query = warp / S::kDqDimWarps * S::kDqM * 16;
    dq_block = warp % S::kDqDimWarps;
  }

  // The lane's row and chunk for the two ways in which ldmatrix walks a tile (see ptx/ldmatrix.h).
  FA4_DEVICE u32 row_of_rows() const { return lane % 16; }
  FA4_DEVICE u32 chunk_of_rows() const { return lane / 16; }
  FA4_DEVICE u32 row_of_columns() const { return lane % 8 + lane / 16 * 8; }
  FA4_DEVICE u32 chunk_of_columns() const { return lane / 8 % 2; }
};

}  // namespace fa4::sm80::backward
