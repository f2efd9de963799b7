// SPDX-License-Identifier: Apache-2.0
// The softcap of two scores for kernels whose exponential unit has no time for two operations a tanh (sm_100). A rational function
// of degree 7 over 6 on FMA units instead, and one reciprocal for both: relative error 1.2e-6, everywhere. `tanh.approx`
// would take one operation a tanh as well, but is wrong by 2^-11, and the rule for LSE allows 2e-4.
#pragma once

#include "ptx/f32x2.h"
#include "ptx/math.h"

namespace fa4 {

// tanh(x) = x P(x^2) / Q(x^2), minimax in relative error up to kTanhBound, from where on tanh is 1 within 2.1e-6.
constexpr float kTanhBound = 6.9f;
constexpr float kTanhP[4] = {0.9999990463256836f, 0.12333638966083527f, 0.002303655259311199f,
                             4.047477432322921e-06f};
constexpr float kTanhQ[4] = {1, 0.45666268467903137f, 0.02120024524629116f, 0.0001451510179322213f};

FA4_DEVICE ptx::F32x2 twice(float x) { return ptx::pack_f32x2(x, x); }

// c[0] + c[1] x + c[2] x^2 + c[3] x^3
FA4_DEVICE ptx::F32x2 cubic(const float (&c)[4], ptx::F32x2 x) {
  ptx::F32x2 sum = ptx::fma_rn_f32x2(twice(c[3]), x, twice(c[2]));
  sum = ptx::fma_rn_f32x2(sum, x, twice(c[1]));
  return ptx::fma_rn_f32x2(sum, x, twice(c[0]));
}

// a = cap * tanh(a * inverse_cap), and b; inverse_cap is the scale of the scores over cap. NaN stays in its score, +-inf
// gives +-cap.
FA4_DEVICE void cap_scores(float& a, float& b, float inverse_cap, float cap) {
  float x, y;
  ptx::unpack_f32x2(x, y, ptx::mul_rn_f32x2(ptx::pack_f32x2(a, b), twice(inverse_cap)));
  x = ptx::min_nan_xorsign_abs(x, kTanhBound);
  y = ptx::min_nan_xorsign_abs(y, kTanhBound);
  const ptx::F32x2 bounded = ptx::pack_f32x2(x, y);
  float x2, y2;
  ptx::unpack_f32x2(x2, y2, ptx::mul_rn_f32x2(bounded, bounded));
  // What is NaN spoils its numerator alone: the denominators share a reciprocal.
  const ptx::F32x2 squares =
      ptx::pack_f32x2(fminf(x2, kTanhBound * kTanhBound), fminf(y2, kTanhBound * kTanhBound));
  const ptx::F32x2 numerators =
      ptx::mul_rn_f32x2(cubic(kTanhP, squares), ptx::mul_rn_f32x2(bounded, twice(cap)));
  float qx, qy;
  ptx::unpack_f32x2(qx, qy, cubic(kTanhQ, squares));
  const ptx::F32x2 inverses = ptx::mul_rn_f32x2(ptx::pack_f32x2(qy, qx), twice(ptx::rcp(qx * qy)));
  ptx::unpack_f32x2(a, b, ptx::mul_rn_f32x2(numerators, inverses));
}

}  // namespace fa4
