// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "mma.sync": a warp multiplies 16-bit matrices and sums in fp32. Pure functions of registers: no
// `volatile`, so that they may move among other arithmetic.
//
// Lane t holds of A [16x16] rows t/4 and t/4+8, columns 2(t%4)+{0,1} and 8+2(t%4)+{0,1}:
//
//     a0: row t/4,   columns 0..7     a2: row t/4,   columns 8..15
//     a1: row t/4+8, columns 0..7     a3: row t/4+8, columns 8..15
//
// of B [16x8] column t/4, rows 2(t%4)+{0,1} in b0 and 8 more in b1; of C and D [16x8] rows t/4 (d0, d1) and t/4+8
// (d2, d3), columns 2(t%4)+{0,1}.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {d}, {a}, {b}, {d};
// sm_80. A whole warp.
FA4_DEVICE void mma_m16n8k16_bf16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {d}, {a}, {b}, {d};
// sm_80. A whole warp.
FA4_DEVICE void mma_m16n8k16_f16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace fa4::ptx
