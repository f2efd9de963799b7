// SPDX-License-Identifier: Apache-2.0
// PTX ISA, special registers.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// mov.u32 thread, %tid.x;
// `volatile`, so that each use reads it anew and what is computed from it (rows, chunks, addresses of a lane) is
// computed anew, instead of staying in registers across a loop that has none to spare.
FA4_DEVICE u32 tid_x() {
  u32 thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}

}  // namespace fa4::ptx
