// SPDX-License-Identifier: Apache-2.0
// The errors of one tensor against another.
#pragma once

#include "tensor.h"

namespace fa4::cli {

struct Limits {
  double rtol = 0;
  double atol = 0;
};

struct Difference {
  double max_error = 0;
  double rms_error = 0;
  int64_t beyond = 0;  // elements beyond the limits
  int64_t worst = -1;  // element of the largest error; -1: all are equal
};

// Tensors of one shape. NaN equals NaN and nothing else; an infinity equals itself.
Difference difference_of(const Tensor& a, const Tensor& b, const Limits& limits);

}  // namespace fa4::cli
