// SPDX-License-Identifier: Apache-2.0
// The numbers that the plain loops compute with, and the four row operations that they are made of.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace fa4::reference {

// Double precision: what is called `reference`. Nothing is rounded on the way.
struct Exact {
  using Real = double;
  static double round(double value) { return value; }
};

// Float accumulation, with every intermediate rounded to the input's type: what is called `plain`.
template <Dtype kDtype>
struct Rounded {
  using Real = float;
  static float round(float value) {
    if constexpr (kDtype == Dtype::BFloat16) return bfloat16_to_float(float_to_bfloat16(value));
    if constexpr (kDtype == Dtype::Float16) return float16_to_float(float_to_float16(value));
    return value;
  }
};

template <class Real>
void load_row(const char* source, Dtype dtype, int64_t size, Real* row) {
  for (int64_t i = 0; i < size; ++i) {
    row[i] = static_cast<Real>(load_element(source + i * size_of(dtype), dtype));
  }
}

template <class Real>
void store_row(const Real* row, int64_t size, Dtype dtype, char* target) {
  for (int64_t i = 0; i < size; ++i) {
    store_element(target + i * size_of(dtype), dtype, static_cast<double>(row[i]));
  }
}

// target += factor * row. The loops are arranged so that this is the innermost one everywhere: sums keep
// their plain order, element by element, and the compiler still has vectors to work with.
template <class Real>
void add_scaled(Real factor, const Real* __restrict row, int64_t size, Real* __restrict target) {
  for (int64_t i = 0; i < size; ++i) target[i] += factor * row[i];
}

// Last element first: another order than that of the matrix products. Where one key takes a whole row,
// D = rowsum(dout * out) and dP are the same sum, and rounded the same way they would cancel exactly:
// `plain` would be luckier than any kernel can be.
template <class Real>
Real reversed_dot(const Real* a, const Real* b, int64_t size) {
  Real sum = 0;
  for (int64_t i = size - 1; i >= 0; --i) sum += a[i] * b[i];
  return sum;
}

}  // namespace fa4::reference
