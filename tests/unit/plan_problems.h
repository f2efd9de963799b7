// SPDX-License-Identifier: Apache-2.0
// Problems for the tests of planners: rectangular bf16 batches, heads side by side.
#pragma once

#include "core/problem.h"

namespace fa4::plan {

inline Problem dense(int64_t batch, int64_t seq_q, int64_t seq_k, int64_t heads, int64_t kv_heads,
                     int64_t head_dim, int64_t value_dim) {
  Problem problem;
  problem.batch = batch;
  problem.heads = heads;
  problem.kv_heads = kv_heads;
  problem.head_dim = head_dim;
  problem.value_dim = value_dim;
  problem.seq_q = seq_q;
  problem.seq_k = seq_k;
  problem.total_q = batch * seq_q;
  problem.total_k = batch * seq_k;
  const auto rows = [](int64_t seq, int64_t of_heads, int64_t dim) {
    return RowsView{.dtype = Dtype::BFloat16,
                    .batch_stride = seq * of_heads * dim,
                    .row_stride = of_heads * dim,
                    .head_stride = dim};
  };
  problem.q = rows(seq_q, heads, head_dim);
  problem.k = rows(seq_k, kv_heads, head_dim);
  problem.v = rows(seq_k, kv_heads, value_dim);
  problem.scale = 0.125;
  return problem;
}

inline Problem dense(int64_t batch, int64_t seq, int64_t heads, int64_t kv_heads, int64_t head_dim,
                     int64_t value_dim) {
  return dense(batch, seq, seq, heads, kv_heads, head_dim, value_dim);
}

}  // namespace fa4::plan
