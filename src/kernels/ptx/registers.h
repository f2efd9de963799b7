// SPDX-License-Identifier: Apache-2.0
// PTX ISA, special registers.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// mov.u32 index, %ctaid.x;
// blockIdx.x, but read anew: what follows from it is computed again and not kept since the last time.
FA4_DEVICE u32 ctaid_x() {
  u32 index;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index));
  return index;
}

}  // namespace fa4::ptx
