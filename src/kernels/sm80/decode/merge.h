// SPDX-License-Identifier: Apache-2.0
// Step Merge: each warp has seen other keys of the same rows. Their O and row sums are added up in the order of the
// warps, one row tile after another, and the CTA's result leaves.
#pragma once

#include "sm80/decode/storage.h"
#include "sm80/forward/output.h"
#include "tile/row_result.h"

namespace fa4::sm80::decode {

template <Sm80DecodeConfig config>
FA4_DEVICE void put(typename Storage<config>::Merge& merge, u32 tile,
                    forward::Softmax<warp_config(config)>& softmax,
                    const forward::Tile8 (&o)[Geometry<config>::kValueDim / 8]) {
  const u32 warp_idx = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (u32 half = 0; half < 2; ++half) {
    const u32 row = half * 8 + lane / 4;
    const float sum = quad_sum(softmax.row_sum[tile][half]);
    const float max = softmax.row_max[tile][half];
    if (lane % 4 == 0) {
      merge.sum[warp_idx][row] = sum;
      merge.max_log2[warp_idx][row] = max == minus_infinity() ? max : max * softmax.scale;
    }
#pragma unroll
    for (u32 n = 0; n < Geometry<config>::kValueDim / 8; ++n) {
      float* to = &merge.o[warp_idx][row][n * 8 + lane % 4 * 2];
      *reinterpret_cast<float2*>(to) = make_float2(o[n][half * 2], o[n][half * 2 + 1]);
    }
  }
}

// A warp takes every fourth row of the tile.
template <Sm80DecodeConfig config>
FA4_DEVICE void merge_rows(const Sm80ForwardParams& p, typename Storage<config>::Merge& merge,
                           const SequenceRows& queries, u32 first_row, u32 head, u32 split) {
  constexpr Sm80ForwardConfig kWarp = warp_config(config);
  const u32 lane = threadIdx.x % 32;
  for (u32 row = threadIdx.x / 32; row < 16; row += kSm80DecodeWarps) {
    if (first_row + row >= queries.rows * p.group.value) break;
    const bool counts = first_row + row < queries.length * p.group.value;
    const forward::ResultRow at = forward::result_row<kWarp>(p, first_row + row, head);
    float top = minus_infinity(), sum = 0;
#pragma unroll
    for (u32 w = 0; w < kSm80DecodeWarps; ++w) top = fmaxf(top, merge.max_log2[w][row]);
    float weight[kSm80DecodeWarps];
#pragma unroll
    for (u32 w = 0; w < kSm80DecodeWarps; ++w) {
      const float max = merge.max_log2[w][row];
      weight[w] = max == minus_infinity() ? 0 : ptx::ex2(max - top);
      sum += weight[w] * merge.sum[w][row];
    }
    const bool sees = counts && (top != minus_infinity() || sum != sum);
    const bool has_sink = !config.split && p.problem.sink.data;
    const float sink = has_sink ? sink_of<config.element>(p.problem.sink, at.head) : 0;
    const RowResult result = finish_row(top, sum, has_sink, sink);
    if (lane == 0) {
      const float none = config.split ? -minus_infinity() : minus_infinity();
      forward::store_lse<kWarp>(p, queries, at, split, counts ? result.lse : none);
    }
    if (config.split && !sees) continue;
    for (u32 column = lane; column < config.value_dim; column += 32) {
      float value = 0;
#pragma unroll
      for (u32 w = 0; w < kSm80DecodeWarps; ++w) {
        if (weight[w] != 0) value += weight[w] * merge.o[w][row][column];
      }
      value = sees ? value * result.factor : 0;
      if constexpr (config.split) {
        const i64 to = split * p.partial.rows + forward::partial_row(p, queries, at);
        p.partial.out[to * config.value_dim + column] = value;
      } else {
        u16* out = rows_of(p.out, queries, at.head) + at.query * p.out.row_stride;
        out[column] = static_cast<u16>(pack<config.element>(value, 0));
      }
    }
  }
}

}  // namespace fa4::sm80::decode
