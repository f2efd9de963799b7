// SPDX-License-Identifier: Apache-2.0
// PTX ISA, loads and stores of SMEM by 32-bit address, and reductions in global memory.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// ld.shared.v4.b32 {r0, r1, r2, r3}, [smem]; the address a multiple of 16.
FA4_DEVICE void ld_shared_v4(u32 (&r)[4], u32 smem) {
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(smem)
               : "memory");
}

// ld.shared.b32 value, [smem]; the address a multiple of 4.
FA4_DEVICE u32 ld_shared(u32 smem) {
  u32 value;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(value) : "r"(smem) : "memory");
  return value;
}

// ld.shared.f32 value, [smem]; the address a multiple of 4.
FA4_DEVICE float ld_shared_f32(u32 smem) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(smem) : "memory");
  return value;
}

// st.shared.v4.b32 [smem], {r0, r1, r2, r3}; the address a multiple of 16.
FA4_DEVICE void st_shared_v4(u32 smem, const u32 (&r)[4]) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};"
               :
               : "r"(smem), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}

// st.shared.b32 [smem], value; the address a multiple of 4.
FA4_DEVICE void st_shared(u32 smem, u32 value) {
  asm volatile("st.shared.b32 [%0], %1;" : : "r"(smem), "r"(value) : "memory");
}

// red.global.add.f32 [sum], value; relaxed, in no order.
FA4_DEVICE void red_add(float* sum, float value) {
  asm volatile("red.global.add.f32 [%0], %1;"
               :
               : "l"(__cvta_generic_to_global(sum)), "f"(value)
               : "memory");
}

// red.global.add.v4.f32 [sum], {x, y, z, w};
// sm_90. The address a multiple of 16; the four sums are separate.
FA4_DEVICE void red_add_v4(float* sum, float x, float y, float z, float w) {
  asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};"
               :
               : "l"(__cvta_generic_to_global(sum)), "f"(x), "f"(y), "f"(z), "f"(w)
               : "memory");
}

}  // namespace fa4::ptx
