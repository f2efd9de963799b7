// SPDX-License-Identifier: Apache-2.0
// PTX ISA, floating-point functions and conversions. Pure: no `volatile`.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// ex2.approx.ftz.f32; relative error 2^-22. ex2(-inf) is 0, ex2(+inf) is +inf.
FA4_DEVICE float ex2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// lg2.approx.f32; absolute error 2^-22 between 0.5 and 2, else relative. Denormals count, lg2(0) is -inf.
FA4_DEVICE float lg2(float x) {
  float y;
  asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// rcp.approx.ftz.f32; 1 ulp. rcp(+inf) is 0.
FA4_DEVICE float rcp(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// max.NaN.f32 y, a, b, c;
// sm_100. A NaN wins.
FA4_DEVICE float max3_nan(float a, float b, float c) {
  float y;
  asm("max.NaN.f32 %0, %1, %2, %3;" : "=f"(y) : "f"(a), "f"(b), "f"(c));
  return y;
}

// max.NaN.f32 y, a, b;
// sm_80. A NaN wins.
FA4_DEVICE float max_nan(float a, float b) {
  float y;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
}

// min.NaN.xorsign.abs.f32 y, a, b;
// sm_86. The smaller magnitude, with the product of the signs. A NaN wins.
FA4_DEVICE float min_nan_xorsign_abs(float a, float b) {
  float y;
  asm("min.NaN.xorsign.abs.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
}

// cvt.rn.bf16x2.f32 packed, high, low;
// sm_80. Rounds to nearest even; `low` lands in bits 0-15, the lower column.
FA4_DEVICE u32 cvt_rn_bf16x2(float low, float high) {
  u32 packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// cvt.rn.f16x2.f32 packed, high, low;
// sm_80. Likewise.
FA4_DEVICE u32 cvt_rn_f16x2(float low, float high) {
  u32 packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// cvt.f32.f16; exact.
FA4_DEVICE float cvt_f32_f16(u16 bits) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(bits));
  return y;
}

}  // namespace fa4::ptx
