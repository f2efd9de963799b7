// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "bar": the sixteen hardware barriers of a CTA. 0 is __syncthreads. `threads` counts all who take part, those
// that wait and those that only arrive, in whole warps.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// bar.sync id, threads;
// A whole warp. What all others did before they came is visible.
FA4_DEVICE void bar_sync(u32 id, u32 threads) {
  asm volatile("bar.sync %0, %1;" : : "r"(id), "r"(threads) : "memory");
}

// bar.arrive id, threads;
// A whole warp. Does not wait.
FA4_DEVICE void bar_arrive(u32 id, u32 threads) {
  asm volatile("bar.arrive %0, %1;" : : "r"(id), "r"(threads) : "memory");
}

}  // namespace fa4::ptx
