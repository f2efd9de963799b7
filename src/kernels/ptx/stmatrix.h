// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "stmatrix": from the fragments of an MMA to 16-bit matrices in SMEM.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// stmatrix.sync.aligned.m8n8.x4.shared.b16 [row], {r0, r1, r2, r3};
// sm_90. A whole warp. Lanes 8i..8i+7 give the addresses of the eight 16-byte rows of matrix i, and
// r_i of lane t holds its row t/4, columns 2(t%4) and 2(t%4)+1.
FA4_DEVICE void stmatrix_x4(u32 row, u32 r0, u32 r1, u32 r2, u32 r3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
               :
               : "r"(row), "r"(r0), "r"(r1), "r"(r2), "r"(r3)
               : "memory");
}

}  // namespace fa4::ptx
