// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "ldmatrix": from SMEM to the fragments of mma.sync. Four 8x8 matrices of 16-bit elements; lanes
// 8i..8i+7 give the addresses of the eight 16-byte rows of matrix i.
//
//     operand                     row of lane l           16-byte chunk of lane l   gives
//     A [16x16], rows in SMEM     l % 16                  l / 16                    a0 a1 a2 a3
//     B, columns of it in SMEM    l % 8 + 8*(l / 16)      l / 8 % 2                 b0 b1 of two n8 tiles
//     B, rows of it in SMEM (t)   l % 16                  l / 16                    b0 b1 of two n8 tiles
#pragma once

#include "ptx/address.h"

namespace fa4::ptx {

// ldmatrix.sync.aligned.m8n8.x4.shared.b16 {r0, r1, r2, r3}, [row];
// sm_75. A whole warp. r_i of lane t holds row t/4, columns 2(t%4) and 2(t%4)+1 of matrix i.
FA4_DEVICE void ldmatrix_x4(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

// ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {r0, r1, r2, r3}, [row];
// sm_75. A whole warp. r_i of lane t holds column t/4, rows 2(t%4) and 2(t%4)+1 of matrix i.
FA4_DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

}  // namespace fa4::ptx
