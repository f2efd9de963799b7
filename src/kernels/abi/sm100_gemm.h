// SPDX-License-Identifier: Apache-2.0
// What host and device agree on for the Blackwell GEMM: the value that is compiled. gemm.h has what is launched.
#pragma once

#include "abi/gemm.h"

namespace fa4 {

// Everything that changes the code and nothing else.
struct Sm100GemmConfig {
  u32 cta_group = 2;  // CTAs that multiply as one, each with half of A's rows and half of B's
  u32 stages = 6;     // slots of the load ring
  u32 cluster_rows =
      2;  // CTAs of a cluster along M: they share their B tile; a multiple of cta_group
  u32 cluster_cols = 1;  // and along N: they share their A tile

  constexpr u32 cluster() const { return cluster_rows * cluster_cols; }
};

static_assert(sizeof(Sm100GemmConfig) == 16);

}  // namespace fa4
