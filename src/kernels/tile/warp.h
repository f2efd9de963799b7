// SPDX-License-Identifier: Apache-2.0
// Constants of the exponential and reductions over a warp or a quad, the four lanes that share a row of an accumulator.
#pragma once

#include "ptx/math.h"

namespace fa4 {

constexpr float kLn2 = 0.6931471805599453f;
constexpr float kLog2E = 1.4426950408889634f;

FA4_DEVICE float minus_infinity() { return __int_as_float(static_cast<i32>(0xff800000)); }

FA4_DEVICE float not_a_number() { return __int_as_float(0x7fffffff); }

FA4_DEVICE float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}

FA4_DEVICE float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}

// A NaN wins.
FA4_DEVICE float warp_max_nan(float x) {
#pragma unroll
  for (u32 distance = 16; distance > 0; distance /= 2) {
    x = ptx::max_nan(x, __shfl_xor_sync(0xffffffff, x, distance));
  }
  return x;
}

}  // namespace fa4
