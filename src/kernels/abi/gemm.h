// SPDX-License-Identifier: Apache-2.0
// What is launched for C[M,N] = A[M,K] * B[N,K]^T, on every architecture that has TMA.
#pragma once

#include "base/types.h"

namespace fa4 {

// All three maps: bf16, 128-byte swizzle, boxes 64 columns wide, zeros out of bounds.
struct GemmParams {
  TensorMap a_map;  // [M, K], box rows: a CTA's share of the A tile
  TensorMap b_map;  // [N, K], box rows: a CTA's share of the B tile
  TensorMap c_map;  // [M, N], box rows: kStoreRows
  u32 m, n, k;
};

static_assert(sizeof(GemmParams) == 448);

}  // namespace fa4
