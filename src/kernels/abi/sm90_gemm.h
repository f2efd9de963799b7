// SPDX-License-Identifier: Apache-2.0
// What host and device agree on for the Hopper GEMM: the value that is compiled. gemm.h has what is launched.
#pragma once

#include "abi/gemm.h"

namespace fa4 {

// Everything that changes the code and nothing else.
struct Sm90GemmConfig {
  u32 stages = 4;        // slots of the load ring
  u32 cluster_rows = 2;  // CTAs of a cluster along M: they share their B tile
  u32 cluster_cols = 1;  // and along N: they share their A tile

  constexpr u32 cluster() const { return cluster_rows * cluster_cols; }
};

static_assert(sizeof(Sm90GemmConfig) == 12);

}  // namespace fa4
