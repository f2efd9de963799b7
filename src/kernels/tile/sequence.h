// SPDX-License-Identifier: Apache-2.0
// Where a sequence lies in the tensors, from lengths in device memory. The one place that reads them, so that no two
// kernels round a packed length differently. The host cannot check what it does not read: values that point past
// a tensor or a bound are cut down to it, so that no access leaves a tensor.
#pragma once

#include "abi/attention.h"

namespace fa4 {

// Row i of the sequence is row begin + i of batch index `batch`.
struct SequenceRows {
  u32 batch;   // 0 when packed
  i64 begin;   // 0 when dense
  u32 rows;    // what the tensors hold
  u32 length;  // how many of them count
};

FA4_DEVICE i64 clamp_to(i64 value, i64 low, i64 high) {
  return value < low ? low : value > high ? high : value;
}

FA4_DEVICE SequenceRows find_rows(const LengthsParam& cu_seqlens, const LengthsParam& lengths,
                                  u32 batch, u32 bound, i64 total) {
  SequenceRows found{batch, 0, bound, bound};
  if (cu_seqlens.data) {
    const i64 begin = clamp_to(cu_seqlens.data[batch * cu_seqlens.stride], 0, total);
    const i64 end = clamp_to(cu_seqlens.data[(i64{batch} + 1) * cu_seqlens.stride], begin, total);
    found.batch = 0;
    found.begin = begin;
    found.rows = static_cast<u32>(clamp_to(end - begin, 0, bound));
    found.length = found.rows;
  }
  if (lengths.data) {
    found.length = static_cast<u32>(clamp_to(lengths.data[batch * lengths.stride], 0, found.rows));
  }
  return found;
}

FA4_DEVICE SequenceRows find_queries(const ProblemParams& p, u32 batch) {
  return find_rows(p.cu_seqlens_q, p.query_lengths, batch, p.seq_q, p.total_q);
}

// Paged: only `length` means anything; rows are found through the page table.
FA4_DEVICE SequenceRows find_keys(const ProblemParams& p, u32 batch) {
  return find_rows(p.cu_seqlens_k, p.key_lengths, batch, p.seq_k, p.total_k);
}

// The first element of a sequence's rows for one head.
FA4_DEVICE u16* rows_of(const RowsParam& tensor, const SequenceRows& sequence, u32 head) {
  return static_cast<u16*>(tensor.data) + sequence.batch * tensor.batch_stride +
         sequence.begin * tensor.row_stride + head * tensor.head_stride;
}

FA4_DEVICE float* lse_of(const LseParam& tensor, const SequenceRows& sequence, u32 head) {
  return tensor.data + sequence.batch * tensor.batch_stride + sequence.begin * tensor.row_stride +
         head * tensor.head_stride;
}

}  // namespace fa4
