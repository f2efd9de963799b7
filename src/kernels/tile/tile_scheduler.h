// SPDX-License-Identifier: Apache-2.0
// Hands out the tiles of C to persistent clusters: cluster w of W takes units w, w + W, w + 2W, ..
// Every role walks its own copy in the same order, so nobody has to be told what comes next.
//
// A unit is kRows x kCols tiles, one per CTA, ranks going down its columns. The order goes down a band of
// kBandRows units, then one column to the right: what is in flight at one time is roughly a square,
// and what it reads of both operands stays in L2.
//
//     0  4  8 ..        kBandRows = 4
//     1  5  9 ..
//     2  6 10 ..
//     3  7 11 ..
#pragma once

#include "ptx/cluster.h"

namespace fa4 {

struct TileIndex {
  u32 row, col;  // either may lie beyond the last one, where a cluster has a CTA to spare
};

template <u32 kRows, u32 kCols, u32 kBandRows>
class TileScheduler {
 public:
  FA4_DEVICE TileScheduler(u32 num_tile_rows, u32 num_tile_cols)
      : num_rows_(ceil_div(num_tile_rows, kRows)),
        num_cols_(ceil_div(num_tile_cols, kCols)),
        unit_idx_(blockIdx.x / (kRows * kCols)) {}

  FA4_DEVICE bool done() const { return unit_idx_ >= num_rows_ * num_cols_; }
  FA4_DEVICE void advance() { unit_idx_ += gridDim.x / (kRows * kCols); }

  FA4_DEVICE TileIndex tile() const {
    const u32 first_row = unit_idx_ / (kBandRows * num_cols_) * kBandRows;
    const u32 rows_left = num_rows_ - first_row;
    const u32 band_rows = rows_left < kBandRows ? rows_left : kBandRows;
    const u32 idx_in_band = unit_idx_ - first_row * num_cols_;
    const u32 rank = ptx::cluster_ctarank();
    return {(first_row + idx_in_band % band_rows) * kRows + rank % kRows,
            idx_in_band / band_rows * kCols + rank / kRows};
  }

 private:
  u32 num_rows_, num_cols_, unit_idx_;
};

}  // namespace fa4
