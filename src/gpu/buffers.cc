// SPDX-License-Identifier: Apache-2.0
// Tested in tests/jit.
#include "gpu/buffers.h"

#include <initializer_list>

namespace fa4::gpu {
namespace {

struct Extent {
  int64_t count, stride;
};

class BufferList {
 public:
  // From the first to the last element of a view, its innermost dimension among the extents.
  void add(const char* name, void* data, Dtype dtype, std::initializer_list<Extent> extents,
           bool writable) {
    int64_t last = 0;
    for (const Extent& extent : extents) {
      if (extent.count <= 0) return;
      last += (extent.count - 1) * extent.stride;
    }
    add_bytes(name, data, static_cast<size_t>((last + 1) * size_of(dtype)), writable);
  }

  void add_bytes(const char* name, void* data, size_t bytes, bool writable) {
    if (data == nullptr || bytes == 0) return;
    list_.push_back({name, static_cast<std::byte*>(data), bytes, writable});
  }

  void add_query_rows(const char* name, const Problem& problem, const RowsView& view, int64_t dim,
                      bool writable) {
    add(name, view.data, view.dtype,
        {{problem.packed_q ? 1 : problem.batch, view.batch_stride},
         {problem.packed_q ? problem.total_q : problem.seq_q, view.row_stride},
         {problem.heads, view.head_stride},
         {dim, 1}},
        writable);
  }

  void add_key_rows(const char* name, const Problem& problem, const RowsView& view, int64_t dim,
                    bool writable) {
    const int64_t batches = problem.packed_k ? 1
                            : problem.paged  ? problem.num_pages
                                             : problem.batch;
    const int64_t rows = problem.packed_k ? problem.total_k
                         : problem.paged  ? problem.page_size
                                          : problem.seq_k;
    add(name, view.data, view.dtype,
        {{batches, view.batch_stride},
         {rows, view.row_stride},
         {problem.kv_heads, view.head_stride},
         {dim, 1}},
        writable);
  }

  void add_lse(const char* name, const Problem& problem, const LseView& view, bool writable) {
    add(name, view.data, view.dtype,
        {{problem.packed_q ? 1 : problem.batch, view.batch_stride},
         {problem.heads, view.head_stride},
         {problem.packed_q ? problem.total_q : problem.seq_q, view.row_stride}},
        writable);
  }

  void add_vector(const char* name, const VectorView& view, int64_t count, bool writable) {
    add(name, view.data, view.dtype, {{count, view.stride}}, writable);
  }

  void add_problem(const Problem& problem) {
    add_query_rows("q", problem, problem.q, problem.head_dim, false);
    add_key_rows("k", problem, problem.k, problem.head_dim, false);
    add_key_rows("v", problem, problem.v, problem.value_dim, false);
    add_vector("cu_seqlens_q", problem.cu_seqlens_q, problem.batch + 1, false);
    add_vector("cu_seqlens_k", problem.cu_seqlens_k, problem.batch + 1, false);
    add_vector("query_lengths", problem.query_lengths, problem.batch, false);
    add_vector("key_lengths", problem.key_lengths, problem.batch, false);
    add("page_table", problem.page_table.data, problem.page_table.dtype,
        {{problem.batch, problem.page_table_stride}, {problem.page_table_columns, 1}}, false);
    add_vector("sink", problem.sink, problem.heads, false);
  }

  std::vector<device::Buffer> take() { return std::move(list_); }

 private:
  std::vector<device::Buffer> list_;
};

}  // namespace

std::vector<device::Buffer> forward_buffers(const Problem& problem, const ForwardTensors& tensors,
                                            void* workspace, size_t workspace_bytes) {
  BufferList list;
  list.add_problem(problem);
  list.add_query_rows("out", problem, tensors.out, problem.value_dim, true);
  if (tensors.has_lse) list.add_lse("lse", problem, tensors.lse, true);
  list.add_bytes("workspace", workspace, workspace_bytes, true);
  return list.take();
}

std::vector<device::Buffer> backward_buffers(const Problem& problem, const BackwardTensors& tensors,
                                             void* workspace, size_t workspace_bytes) {
  BufferList list;
  list.add_problem(problem);
  list.add_query_rows("dout", problem, tensors.dout, problem.value_dim, false);
  list.add_query_rows("out", problem, tensors.out, problem.value_dim, false);
  list.add_lse("lse", problem, tensors.lse, false);
  if (tensors.has_dlse) list.add_lse("dlse", problem, tensors.dlse, false);
  list.add_query_rows("dq", problem, tensors.dq, problem.head_dim, true);
  list.add_key_rows("dk", problem, tensors.dk, problem.head_dim, true);
  list.add_key_rows("dv", problem, tensors.dv, problem.value_dim, true);
  if (tensors.has_dsink) list.add_vector("dsink", tensors.dsink, problem.heads, true);
  list.add_bytes("workspace", workspace, workspace_bytes, true);
  return list.take();
}

}  // namespace fa4::gpu
