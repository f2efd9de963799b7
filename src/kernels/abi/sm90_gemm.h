// SPDX-License-Identifier: Apache-2.0
// What host and device agree on for C[M,N] = A[M,K] * B[N,K]^T on Hopper: the value that is compiled, and the values
// that are launched.
#pragma once

#include "base/types.h"

namespace fa4 {

// Everything that changes the code and nothing else.
struct Sm90GemmConfig {
  u32 stages = 4;        // slots of the load ring
  u32 cluster_rows = 2;  // CTAs of a cluster along M: they share their B tile
  u32 cluster_cols = 1;  // and along N: they share their A tile

  constexpr u32 cluster() const { return cluster_rows * cluster_cols; }
};

// All three maps: bf16, 128-byte swizzle, boxes 64 columns wide, zeros out of bounds.
struct GemmParams {
  TensorMap a_map;  // [M, K], box rows: kBlockM / cluster_cols
  TensorMap b_map;  // [N, K], box rows: kBlockN / cluster_rows
  TensorMap c_map;  // [M, N], box rows: kStoreRows
  u32 m, n, k;
};

static_assert(sizeof(Sm90GemmConfig) == 12);
static_assert(sizeof(GemmParams) == 448);

}  // namespace fa4
