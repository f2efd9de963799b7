// SPDX-License-Identifier: Apache-2.0
// How fast FlashAttention-4's forward can be on a GPU with tensor memory: what each unit of an SM needs for one tile.
// Arithmetic on the problem alone; docs/architecture.md has the formulas.
#pragma once

#include <optional>

#include "core/backend.h"
#include "core/problem.h"
#include "plan/launch.h"

namespace fa4::plan {

// What an SM does per clock. From the sources of roofline.cc.
struct UnitRates {
  double mma_flops;         // of 16-bit inputs, a multiply-add being two
  double exponentials;      // by ex2.approx
  double shared_bytes;      // read
  double tensor_mem_bytes;  // moved by tcgen05.ld and tcgen05.st
};

// Null for an architecture without tensor memory.
std::optional<UnitRates> unit_rates(int compute_capability);

// Of 128 query rows and 128 keys. Null where there is nothing to say: another pass, another dtype, another GPU.
// `fma_share` of the exponentials is computed on the FMA units and costs none of the others.
std::optional<Roofline> roofline(const Problem& problem, Pass pass, const DeviceFacts& device,
                                 double fma_share = 0);

}  // namespace fa4::plan
