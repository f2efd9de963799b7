// SPDX-License-Identifier: Apache-2.0
// exp2 on FMA units, for the share of a softmax that the exponential unit has no time for. The integer part of x goes
// into the exponent by an addition of integers, the fraction through a polynomial of degree 3: relative error 8.8e-5,
// below what rounding to bf16 does (docs/numerics.md).
#pragma once

#include "ptx/f32x2.h"
#include "ptx/math.h"

namespace fa4 {

// Of fpminimax on [0, 1) with the constant term 1, so that 2^n is exact (the coefficients of the paper).
constexpr float kExp2C1 = 0.695146143436431884765625f;
constexpr float kExp2C2 = 0.227564394474029541015625f;
constexpr float kExp2C3 = 0.077119089663028717041015625f;

// x <= 127. Below -127, and for -inf, the result is 0. NaN gives +inf or a huge number: who
// may have one must know it otherwise.
FA4_DEVICE void exp2_fma(float& x, float& y) {
  constexpr float kSmallest = -127;
  // 2^23 + 2^22: added with rounding down, the low bits of the sum are floor(x) and what is lost is the fraction.
  const ptx::F32x2 shifter = ptx::pack_f32x2(12582912.0f, 12582912.0f);
  const ptx::F32x2 clamped =
      ptx::pack_f32x2(ptx::max_nan(x, kSmallest), ptx::max_nan(y, kSmallest));
  const ptx::F32x2 shifted = ptx::add_rm_f32x2(clamped, shifter);
  const ptx::F32x2 fraction = ptx::sub_rn_f32x2(clamped, ptx::sub_rn_f32x2(shifted, shifter));
  ptx::F32x2 power = ptx::fma_rn_f32x2(fraction, ptx::pack_f32x2(kExp2C3, kExp2C3),
                                       ptx::pack_f32x2(kExp2C2, kExp2C2));
  power = ptx::fma_rn_f32x2(power, fraction, ptx::pack_f32x2(kExp2C1, kExp2C1));
  power = ptx::fma_rn_f32x2(power, fraction, ptx::pack_f32x2(1, 1));
  float shifted_x, shifted_y, power_x, power_y;
  ptx::unpack_f32x2(shifted_x, shifted_y, shifted);
  ptx::unpack_f32x2(power_x, power_y, power);
  x = __int_as_float((__float_as_int(shifted_x) << 23) + __float_as_int(power_x));
  y = __int_as_float((__float_as_int(shifted_y) << 23) + __float_as_int(power_y));
}

}  // namespace fa4
