// SPDX-License-Identifier: Apache-2.0
// Merges the partial results of split keys: out = sum_s exp(lse_s - lse) out_s, lse = log(sum_s exp(lse_s)), where a
// sink joins. A warp takes a row and adds up the splits in their order, so that the result does not depend on when
// they were computed. A split without keys has lse -inf, and its out is never read.
#pragma once

#include "abi/sm80_forward.h"
#include "tile/element.h"
#include "tile/warp.h"

namespace fa4::any {

struct CombineWeights {
  float top;    // the largest lse, natural units; NaN if one is
  float total;  // of exp(lse_s - top), the sink's included
};

FA4_DEVICE float combine_weight(float lse, float top) { return ptx::ex2((lse - top) * kLog2E); }

// One warp.
FA4_DEVICE CombineWeights sum_weights(const CombineParams& p, const float* lse, bool has_sink,
                                      float sink) {
  const u32 lane = threadIdx.x % 32;
  float top = has_sink ? sink : minus_infinity();
  for (u32 s = lane; s < p.num_splits; s += 32) top = ptx::max_nan(top, lse[s * p.partial.rows]);
  top = warp_max_nan(top);
  if (top == minus_infinity() || top == -minus_infinity()) return {top, 0};
  float total = 0;
  for (u32 s = 0; s < p.num_splits; ++s) total += combine_weight(lse[s * p.partial.rows], top);
  if (has_sink) total += combine_weight(sink, top);
  return {top, total};
}

template <CombineConfig config>
FA4_DEVICE void combine(const CombineParams& p) {
  const i64 row = i64{blockIdx.x} * kCombineWarps + threadIdx.x / 32;
  if (row >= p.partial.rows) return;
  const u32 lane = threadIdx.x % 32;
  const u32 token = p.heads.quotient(static_cast<u32>(row));
  const u32 head = static_cast<u32>(row) - token * p.heads.value;
  const u32 batch = p.seq_q.quotient(token);
  const u32 query = token - batch * p.seq_q.value;

  const bool has_sink = p.sink.data;
  const float sink = has_sink ? sink_of<config.element>(p.sink, head) : 0;
  const float* lse = p.partial.lse + row;
  const CombineWeights weights = sum_weights(p, lse, has_sink, sink);
  const bool counts = weights.top != -minus_infinity();  // +inf marks a row that does not
  const bool sees = counts && weights.total != 0;
  if (lane == 0 && p.lse.data) {
    p.lse.data[batch * p.lse.batch_stride + head * p.lse.head_stride + query * p.lse.row_stride] =
        sees ? weights.top + ptx::lg2(weights.total) * kLn2 : minus_infinity();
  }

  u16* out = static_cast<u16*>(p.out.data) + batch * p.out.batch_stride + query * p.out.row_stride +
             head * p.out.head_stride;
  const float factor = sees ? 1 / weights.total : 0;
  for (u32 column = lane; column < p.value_dim; column += 32) {
    float sum = 0;
    if (sees) {
      const float* partial = p.partial.out + row * p.value_dim + column;
#pragma unroll 4
      for (u32 s = 0; s < p.num_splits; ++s) {
        const float split_lse = lse[s * p.partial.rows];
        if (split_lse == minus_infinity()) continue;
        sum += combine_weight(split_lse, weights.top) * partial[s * p.partial.rows * p.value_dim];
      }
    }
    out[column] = static_cast<u16>(pack<config.element>(sum * factor, 0));
  }
}

}  // namespace fa4::any
