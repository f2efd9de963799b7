// SPDX-License-Identifier: Apache-2.0
// tanh for the softcap, by ex2 and rcp: `tanh.approx` has a relative error of 2^-11, a thousand times what the
// rule for LSE allows. Near 0, where 1 - 2/(e + 1) cancels, a polynomial: the relative error is 2e-6 everywhere.
#pragma once

#include "ptx/math.h"

namespace fa4 {

FA4_DEVICE float accurate_tanh(float x) {
  constexpr float kTwoLog2E = 2.885390081777927f;
  constexpr float kPolynomialBelow = 0.25f;  // Taylor's next term there: 2e-9
  const float squared = x * x;
  const float small =
      x + x * squared *
              (-0.333333333f +
               squared * (0.133333333f + squared * (-0.0539682540f + squared * 0.0218694885f)));
  const float large = 1 - 2 * ptx::rcp(ptx::ex2(x * kTwoLog2E) + 1);
  return squared < kPolynomialBelow * kPolynomialBelow ? small : large;
}

}  // namespace fa4
