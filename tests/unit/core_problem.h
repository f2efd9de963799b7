// SPDX-License-Identifier: Apache-2.0
// From the tensors of a test case to core's Problem, without the C API, and runs of a backend on it.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/backend.h"
#include "core/problem.h"
#include "reference/backend.h"
#include "support/case.h"

namespace fa4::test {

// Stride of dimension `dim` counted from the end.
inline int64_t stride_from_end(const DLTensor& tensor, int dim) {
  if (tensor.strides != nullptr) return tensor.strides[tensor.ndim - dim];
  int64_t stride = 1;
  for (int i = 1; i < dim; ++i) stride *= tensor.shape[tensor.ndim - i];
  return stride;
}

inline void* data_of(const DLTensor& tensor) {
  return static_cast<char*>(tensor.data) + tensor.byte_offset;
}

inline RowsView rows_view(Tensor& tensor) {
  const DLTensor& dl = *tensor.dl();
  return {.data = data_of(dl),
          .dtype = tensor.dtype(),
          .batch_stride = dl.ndim == 4 ? stride_from_end(dl, 4) : 0,
          .row_stride = stride_from_end(dl, 3),
          .head_stride = stride_from_end(dl, 2)};
}

inline LseView lse_view(Tensor& tensor) {
  const DLTensor& dl = *tensor.dl();
  return {.data = data_of(dl),
          .dtype = tensor.dtype(),
          .batch_stride = dl.ndim == 3 ? stride_from_end(dl, 3) : 0,
          .head_stride = stride_from_end(dl, 2)};
}

inline VectorView vector_view(Tensor& tensor) {
  if (!tensor.exists()) return {};
  return {.data = data_of(*tensor.dl()), .dtype = tensor.dtype()};
}

inline Problem core_problem(const Case& c, Inputs& inputs) {
  Problem problem;
  problem.batch = c.batch;
  problem.heads = c.heads;
  problem.kv_heads = c.kv_heads;
  problem.head_dim = c.head_dim;
  problem.value_dim = inputs.v.shape().back();
  problem.packed_q = inputs.cu_seqlens_q.exists();
  problem.packed_k = inputs.cu_seqlens_k.exists();
  problem.paged = c.page_size > 0;
  problem.total_q = static_cast<int64_t>(inputs.q_position.size());
  problem.total_k = static_cast<int64_t>(inputs.k_position.size());
  problem.seq_q = problem.packed_q ? problem.total_q : c.seq_q;
  problem.seq_k = problem.packed_k ? problem.total_k : c.seq_k;
  problem.q = rows_view(inputs.q);
  problem.k = rows_view(inputs.k);
  problem.v = rows_view(inputs.v);
  problem.has_query_lengths = inputs.query_lengths.exists();
  problem.has_key_lengths = inputs.key_lengths.exists();
  problem.has_sink = inputs.sink.exists();
  problem.cu_seqlens_q = vector_view(inputs.cu_seqlens_q);
  problem.cu_seqlens_k = vector_view(inputs.cu_seqlens_k);
  problem.query_lengths = vector_view(inputs.query_lengths);
  problem.key_lengths = vector_view(inputs.key_lengths);
  problem.sink = vector_view(inputs.sink);
  if (problem.paged) {
    problem.page_table = vector_view(inputs.page_table);
    problem.page_table_columns = inputs.page_table.shape()[1];
    problem.page_table_stride = problem.page_table_columns;
    problem.page_size = c.page_size;
    problem.num_pages = inputs.k.shape()[0];
    problem.seq_k = problem.page_table_columns * c.page_size;
  }
  problem.scale = std::isnan(c.scale) ? 1 / std::sqrt(static_cast<double>(c.head_dim)) : c.scale;
  problem.softcap = c.softcap;
  problem.window_left = c.window_left;
  problem.window_right = c.causal ? 0 : c.window_right;
  problem.num_threads = c.num_threads;
  return problem;
}

inline Outputs forward(const Backend& backend, const Case& c, Inputs& inputs) {
  const Problem problem = core_problem(c, inputs);
  Outputs outputs;
  std::vector<int64_t> shape = inputs.q.shape();
  shape.back() = problem.value_dim;
  outputs.out = Tensor(c.dtype, shape);
  outputs.lse = Tensor(lse_dtype(c.dtype), lse_shape(c, inputs));
  const Blueprint blueprint = backend.prepare(problem, Pass::Forward, "");
  std::vector<char> workspace(blueprint.workspace_bytes + 64);
  const ForwardTensors tensors{rows_view(outputs.out), lse_view(outputs.lse), true};
  const Status status = backend.forward(problem, blueprint, tensors, workspace.data(), nullptr);
  EXPECT_TRUE(status.ok()) << status.message;
  return outputs;
}

// Adds the gradients to what the forward gave.
inline void backward(const Backend& backend, const Case& c, Inputs& inputs, Outputs* outputs) {
  const Problem problem = core_problem(c, inputs);
  outputs->dq = Tensor(c.dtype, inputs.q.shape());
  outputs->dk = Tensor(c.dtype, inputs.k.shape());
  outputs->dv = Tensor(c.dtype, inputs.v.shape());
  if (c.sink) outputs->dsink = Tensor(lse_dtype(c.dtype), {c.heads});
  BackwardTensors tensors;
  tensors.dout = rows_view(inputs.dout);
  tensors.out = rows_view(outputs->out);
  tensors.lse = lse_view(outputs->lse);
  tensors.dq = rows_view(outputs->dq);
  tensors.dk = rows_view(outputs->dk);
  tensors.dv = rows_view(outputs->dv);
  tensors.has_dlse = c.dlse;
  tensors.has_dsink = c.sink;
  if (c.dlse) tensors.dlse = lse_view(inputs.dlse);
  if (c.sink) tensors.dsink = vector_view(outputs->dsink);
  const Blueprint blueprint = backend.prepare(problem, Pass::Backward, "");
  std::vector<char> workspace(blueprint.workspace_bytes + 64);
  const Status status = backend.backward(problem, blueprint, tensors, workspace.data(), nullptr);
  EXPECT_TRUE(status.ok()) << status.message;
}

}  // namespace fa4::test
