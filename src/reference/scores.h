// SPDX-License-Identifier: Apache-2.0
// The keys of a task as the loops read them, and S = softcap(scale * q k^T) for one query row.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/problem.h"
#include "reference/scalar.h"

namespace fa4::reference {

// Rows 0 to length of k or v of one key/value head, as columns: columns[d * length + j].
template <class Real>
void load_columns(const Problem& problem, const RowsView& view, int64_t batch,
                  const Sequence& sequence, int64_t kv_head, int64_t dim, Real* columns) {
  const int64_t length = sequence.k_length;
  for (int64_t j = 0; j < length; ++j) {
    const char* row = key_row(problem, view, batch, sequence, j, kv_head);
    for (int64_t d = 0; d < dim; ++d) {
      columns[d * length + j] =
          static_cast<Real>(load_element(row + d * size_of(view.dtype), view.dtype));
    }
  }
}

// The same as rows: rows[j * dim + d].
template <class Real>
void load_rows(const Problem& problem, const RowsView& view, int64_t batch,
               const Sequence& sequence, int64_t kv_head, int64_t dim, Real* rows) {
  for (int64_t j = 0; j < sequence.k_length; ++j) {
    const char* row = key_row(problem, view, batch, sequence, j, kv_head);
    load_row(row, view.dtype, dim, rows + j * dim);
  }
}

// products[j] = sum over d of row[d] * columns[d][j], for the keys of the range.
template <class Number, class Real = typename Number::Real>
void multiply_columns(const Real* row, const Real* columns, int64_t dim, int64_t length,
                      KeyRange range, Real* products) {
  std::fill(products + range.begin, products + range.end, Real(0));
  for (int64_t d = 0; d < dim; ++d) {
    add_scaled(row[d], columns + d * length + range.begin, range.end - range.begin,
               products + range.begin);
  }
  for (int64_t j = range.begin; j < range.end; ++j) products[j] = Number::round(products[j]);
}

template <class Number, class Real = typename Number::Real>
void score_row(const Problem& problem, const Real* query, const Real* key_columns, int64_t length,
               KeyRange range, Real* scores) {
  const Real scale = static_cast<Real>(problem.scale);
  const Real softcap = static_cast<Real>(problem.softcap);
  multiply_columns<Number>(query, key_columns, problem.head_dim, length, range, scores);
  for (int64_t j = range.begin; j < range.end; ++j) {
    Real score = Number::round(scale * scores[j]);
    if (softcap > 0) {
      score = Number::round(score / softcap);
      score = Number::round(std::tanh(score));
      score = Number::round(softcap * score);
    }
    scores[j] = score;
  }
}

}  // namespace fa4::reference
