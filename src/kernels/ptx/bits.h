// SPDX-License-Identifier: Apache-2.0
// PTX ISA, shifts. Unlike those of C++ they are defined for all amounts: from 32 on nothing is left.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// shl.b32 y, x, amount;
FA4_DEVICE u32 shl(u32 x, u32 amount) {
  u32 y;
  asm("shl.b32 %0, %1, %2;" : "=r"(y) : "r"(x), "r"(amount));
  return y;
}

// shr.u32 y, x, amount;
FA4_DEVICE u32 shr(u32 x, u32 amount) {
  u32 y;
  asm("shr.u32 %0, %1, %2;" : "=r"(y) : "r"(x), "r"(amount));
  return y;
}

}  // namespace fa4::ptx
