// SPDX-License-Identifier: Apache-2.0
// Backends "reference" (double precision, the judge) and "plain" (the textbook algorithm with every
// intermediate rounded to the input's type, the yardstick of the accuracy rule).
#pragma once

#include "core/backend.h"

namespace fa4::reference {

const Backend& reference_backend();
const Backend& plain_backend();

// fa4_combine's body; shapes have been checked. out_partial[s] is at partial stride s * split_stride.
struct PartialResults {
  RowsView out;                  // of split 0
  LseView lse;                   // of split 0
  int64_t out_split_stride = 0;  // elements
  int64_t lse_split_stride = 0;
  int64_t splits = 0;
};
void combine(const PartialResults& partial, const ForwardTensors& result, int64_t batch,
             int64_t rows, int64_t heads, int64_t value_dim);

}  // namespace fa4::reference
