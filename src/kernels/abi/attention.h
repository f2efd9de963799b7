// SPDX-License-Identifier: Apache-2.0
// What every attention kernel is launched with: the problem of core/problem.h as plain data, with addresses
// of the device. One header for g++ and for NVRTC.
#pragma once

#include "base/types.h"

namespace fa4 {

enum class ElementType : u32 { BFloat16, Float16 };

// What is done to S = q k^T before the softmax.
enum class Scores : u32 {
  Plain,   // nothing: the scale is part of the exponential
  Scaled,  // multiplied first: a scale of 0 or below would turn the maximum around
  Capped,  // scaled, then c * tanh(S / c)
};

// q, k, v, out or a gradient: [batch, row, head, dim], strides in elements, that of dim is 1. Packed tensors
// have batch_stride 0 and rows that run over all sequences; in paged ones `batch` is a page.
struct RowsParam {
  void* data;
  i64 batch_stride, row_stride, head_stride;
};

// lse, dlse: fp32 [batch, head, row], strides in elements; packed: batch_stride 0. Null: absent.
struct LseParam {
  float* data;
  i64 batch_stride, head_stride, row_stride;
};

// int32 [n] with a stride in elements. Null: absent.
struct LengthsParam {
  const i32* data;
  i64 stride;
};

// A logit per head, fp32 or of q's type. Null: absent.
struct SinkParam {
  const void* data;
  i64 stride;
  u32 is_float32;
};

constexpr i64 kMaxLength =
    i64{1} << 30;  // of a sequence, so that a row's index fits 32 bits and a sign
constexpr i64 kOpenWindow = i64{1} << 40;  // a window bound that does not bound

struct ProblemParams {
  RowsParam q, k, v;
  LengthsParam cu_seqlens_q, cu_seqlens_k;  // [batch + 1]
  LengthsParam query_lengths, key_lengths;  // [batch]
  const i32* page_table;                    // [batch, columns], or null
  i64 page_table_stride;                    // elements between its rows
  i64 window_left, window_right;            // kOpenWindow when open
  SinkParam sink;
  u32 batch, heads, kv_heads;
  u32 head_dim, value_dim;  // D, Dv
  u32 seq_q, seq_k;         // dense: lengths; packed: upper bounds; paged: columns * page_size
  u32 page_size, num_pages;
  i64 total_q, total_k;  // rows over all sequences
  float scale;           // natural units: S = scale * q k^T
  float softcap;         // 0: none
};

}  // namespace fa4
