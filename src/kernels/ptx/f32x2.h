// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "f32x2": two fp32 operations in one instruction, on a pair of registers. sm_100. Pure: no `volatile`. Each half is rounded as the
// scalar instruction rounds it; subnormals count.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

struct F32x2 {
  u64 bits;  // the first value in the lower half
};

// mov.b64 pair, {x, y};
FA4_DEVICE F32x2 pack_f32x2(float x, float y) {
  F32x2 pair;
  asm("mov.b64 %0, {%1, %2};" : "=l"(pair.bits) : "f"(x), "f"(y));
  return pair;
}

// mov.b64 {x, y}, pair;
FA4_DEVICE void unpack_f32x2(float& x, float& y, F32x2 pair) {
  asm("mov.b64 {%0, %1}, %2;" : "=f"(x), "=f"(y) : "l"(pair.bits));
}

// add.rn.f32x2 d, a, b;
FA4_DEVICE F32x2 add_rn_f32x2(F32x2 a, F32x2 b) {
  F32x2 d;
  asm("add.rn.f32x2 %0, %1, %2;" : "=l"(d.bits) : "l"(a.bits), "l"(b.bits));
  return d;
}

// add.rm.f32x2 d, a, b; towards minus infinity.
FA4_DEVICE F32x2 add_rm_f32x2(F32x2 a, F32x2 b) {
  F32x2 d;
  asm("add.rm.f32x2 %0, %1, %2;" : "=l"(d.bits) : "l"(a.bits), "l"(b.bits));
  return d;
}

// sub.rn.f32x2 d, a, b;
FA4_DEVICE F32x2 sub_rn_f32x2(F32x2 a, F32x2 b) {
  F32x2 d;
  asm("sub.rn.f32x2 %0, %1, %2;" : "=l"(d.bits) : "l"(a.bits), "l"(b.bits));
  return d;
}

// mul.rn.f32x2 d, a, b;
FA4_DEVICE F32x2 mul_rn_f32x2(F32x2 a, F32x2 b) {
  F32x2 d;
  asm("mul.rn.f32x2 %0, %1, %2;" : "=l"(d.bits) : "l"(a.bits), "l"(b.bits));
  return d;
}

// fma.rn.f32x2 d, a, b, c;
FA4_DEVICE F32x2 fma_rn_f32x2(F32x2 a, F32x2 b, F32x2 c) {
  F32x2 d;
  asm("fma.rn.f32x2 %0, %1, %2, %3;" : "=l"(d.bits) : "l"(a.bits), "l"(b.bits), "l"(c.bits));
  return d;
}

}  // namespace fa4::ptx
