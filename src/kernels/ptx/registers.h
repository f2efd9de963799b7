// SPDX-License-Identifier: Apache-2.0
// PTX ISA, special registers and moves.
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

// mov.u32 index, %ctaid.x;
// blockIdx.x, but read anew: what follows from it is computed again and not kept since the last time.
FA4_DEVICE u32 ctaid_x() {
  u32 index;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index));
  return index;
}

// mov.b64 y, {low, high};
// `volatile`: made where it is used, instead of kept in two registers. As C++ it would become arithmetic of 64 bits.
FA4_DEVICE u64 pack_b64(u32 low, u32 high) {
  u64 y;
  asm volatile("mov.b64 %0, {%1, %2};" : "=l"(y) : "r"(low), "r"(high));
  return y;
}

// mov.b32 y, x;
// The same value, which the compiler does not recognise: what is computed from it stays where it is written.
FA4_DEVICE u32 opaque(u32 x) {
  u32 y;
  asm volatile("mov.b32 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}

// No instruction. After the wait for an asynchronous writer of registers: the compiler may not move a use above this line.
template <u32 kCount>
FA4_DEVICE void hold(float (&d)[kCount]) {
#pragma unroll
  for (u32 i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

}  // namespace fa4::ptx
