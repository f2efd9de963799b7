// SPDX-License-Identifier: Apache-2.0
#include "plan/kernel_params.h"

#include <algorithm>
#include <cstdint>

namespace fa4::plan {
namespace {

constexpr int64_t kMaxHeadDim = 512;

LengthsParam lengths_param(const VectorView& view, bool present) {
  if (!present) return {};
  return {static_cast<const i32*>(view.data), view.stride};
}

i64 window_param(int64_t bound) { return bound == kOpen ? kOpenWindow : bound; }

}  // namespace

RowsParam rows_param(const RowsView& view) {
  return {view.data, view.batch_stride, view.row_stride, view.head_stride};
}

LseParam lse_param(const LseView& view) {
  return {static_cast<float*>(view.data), view.batch_stride, view.head_stride, view.row_stride};
}

SinkParam sink_param(const VectorView& view) {
  return {view.data, view.stride, view.dtype == Dtype::Float32};
}

ElementType element_of(const Problem& problem) {
  return problem.q.dtype == Dtype::BFloat16 ? ElementType::BFloat16 : ElementType::Float16;
}

ProblemParams problem_params(const Problem& problem) {
  const auto narrow = [](int64_t value) { return static_cast<u32>(value); };
  ProblemParams params{};
  params.q = rows_param(problem.q);
  params.k = rows_param(problem.k);
  params.v = rows_param(problem.v);
  params.cu_seqlens_q = lengths_param(problem.cu_seqlens_q, problem.packed_q);
  params.cu_seqlens_k = lengths_param(problem.cu_seqlens_k, problem.packed_k);
  params.query_lengths = lengths_param(problem.query_lengths, problem.has_query_lengths);
  params.key_lengths = lengths_param(problem.key_lengths, problem.has_key_lengths);
  if (problem.paged) {
    params.page_table = static_cast<const i32*>(problem.page_table.data);
    params.page_table_stride = problem.page_table_stride;
    params.page_size = narrow(problem.page_size);
    params.num_pages = narrow(problem.num_pages);
  }
  params.window_left = window_param(problem.window_left);
  params.window_right = window_param(problem.window_right);
  if (problem.has_sink) params.sink = sink_param(problem.sink);
  params.batch = narrow(problem.batch);
  params.heads = narrow(problem.heads);
  params.kv_heads = narrow(problem.kv_heads);
  params.head_dim = narrow(problem.head_dim);
  params.value_dim = narrow(problem.value_dim);
  params.seq_q = narrow(problem.seq_q);
  params.seq_k = narrow(problem.seq_k);
  params.total_q = problem.total_q;
  params.total_k = problem.total_k;
  params.scale = static_cast<float>(problem.scale);
  params.softcap = static_cast<float>(problem.softcap);
  return params;
}

const char* element_name(ElementType element) {
  return element == ElementType::BFloat16 ? "bf16" : "fp16";
}

const char* element_text(ElementType element) {
  return element == ElementType::BFloat16 ? "fa4::ElementType::BFloat16"
                                          : "fa4::ElementType::Float16";
}

const char* scores_text(Scores scores) {
  switch (scores) {
    case Scores::Plain:
      return "fa4::Scores::Plain";
    case Scores::Scaled:
      return "fa4::Scores::Scaled";
    case Scores::Capped:
      return "fa4::Scores::Capped";
  }
  return "";
}

Scores scores_of(const Problem& problem) {
  if (problem.softcap > 0) return Scores::Capped;
  return problem.scale <= 0 ? Scores::Scaled : Scores::Plain;
}

ScoreScales scales_of(const Problem& problem) {
  const auto scale = static_cast<double>(static_cast<float>(problem.scale));
  if (scores_of(problem) == Scores::Plain) return {1, problem.scale};
  return {scale, 1};
}

uint32_t streams_per_group(const Problem& problem, const DeviceFacts& device, uint32_t streams) {
  const int64_t bytes =
      std::max<int64_t>(1, problem.seq_k * (problem.head_dim + problem.value_dim) * 2);
  return static_cast<uint32_t>(std::clamp<int64_t>(device.l2_bytes / 2 / bytes, 1, streams));
}

bool takes_vectors(const RowsView& view, int64_t dim) {
  return view.alignment % 16 == 0 && reinterpret_cast<uintptr_t>(view.data) % 16 == 0 &&
         copy_bytes(view, dim) == 16;
}

uint32_t copy_bytes(const RowsView& view, int64_t dim) {
  if (dim % kChunkElements != 0) return 2;
  const int64_t strides = view.batch_stride | view.row_stride | view.head_stride;
  for (const int64_t bytes : {16, 8, 4}) {
    if (view.alignment % bytes == 0 && strides * 2 % bytes == 0) {
      return static_cast<uint32_t>(bytes);
    }
  }
  return 2;
}

Status supports_sizes(const Problem& problem) {
  if (problem.q.dtype != Dtype::BFloat16 && problem.q.dtype != Dtype::Float16) {
    return unsupported("q is {}; kernel \"sm80\" takes bfloat16 and float16",
                       name_of(problem.q.dtype));
  }
  if (problem.head_dim > kMaxHeadDim || problem.value_dim > kMaxHeadDim) {
    return unsupported("the head dims of k and v are {} and {}; kernel \"sm80\" takes 1 to {}",
                       problem.head_dim, problem.value_dim, kMaxHeadDim);
  }
  if (problem.seq_q > kMaxLength || problem.seq_k > kMaxLength) {
    return unsupported("the sequences have up to {} queries and {} keys; kernel \"sm80\" takes {}",
                       problem.seq_q, problem.seq_k, kMaxLength);
  }
  return {};
}

}  // namespace fa4::plan
