// SPDX-License-Identifier: Apache-2.0
// Partial results over disjoint sets of keys, merged row by row.
#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/backend.h"

namespace fa4::reference {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

double partial_lse(const PartialResults& partial, int64_t split, int64_t b, int64_t h, int64_t i) {
  const LseView& lse = partial.lse;
  const int64_t offset_bytes = split * partial.lse_split_stride * size_of(lse.dtype);
  return load_element(lse.at(b, h, i) + offset_bytes, lse.dtype);
}

double partial_out(const PartialResults& partial, int64_t split, int64_t b, int64_t i, int64_t h,
                   int64_t dim) {
  const RowsView& out = partial.out;
  const int64_t offset_bytes = (split * partial.out_split_stride + dim) * size_of(out.dtype);
  return load_element(out.at(b, i, h) + offset_bytes, out.dtype);
}

// log(sum over splits of exp(lse)).
double merged_lse(const PartialResults& partial, int64_t b, int64_t h, int64_t i) {
  double largest = kMinusInfinity;
  for (int64_t s = 0; s < partial.splits; ++s) {
    largest = std::max(largest, partial_lse(partial, s, b, h, i));
  }
  if (largest == kMinusInfinity) largest = 0;
  double sum = 0;
  for (int64_t s = 0; s < partial.splits; ++s) {
    sum += std::exp(partial_lse(partial, s, b, h, i) - largest);
  }
  return largest + std::log(sum);
}

void combine_row(const PartialResults& partial, const ForwardTensors& result, int64_t b, int64_t h,
                 int64_t i, int64_t value_dim) {
  const double lse = merged_lse(partial, b, h, i);
  if (result.has_lse) store_element(result.lse.at(b, h, i), result.lse.dtype, lse);
  for (int64_t e = 0; e < value_dim; ++e) {
    double sum = 0;
    for (int64_t s = 0; s < partial.splits; ++s) {
      const double split_lse = partial_lse(partial, s, b, h, i);
      if (split_lse == kMinusInfinity) continue;  // it saw no key: its out has no say
      sum += std::exp(split_lse - lse) * partial_out(partial, s, b, i, h, e);
    }
    store_element(result.out.at(b, i, h) + e * size_of(result.out.dtype), result.out.dtype, sum);
  }
}

}  // namespace

void combine(const PartialResults& partial, const ForwardTensors& result, int64_t batch,
             int64_t rows, int64_t heads, int64_t value_dim) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < batch * heads * rows; ++r) {
    combine_row(partial, result, r / (heads * rows), r / rows % heads, r % rows, value_dim);
  }
}

}  // namespace fa4::reference
