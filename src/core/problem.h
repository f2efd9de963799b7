// SPDX-License-Identifier: Apache-2.0
// The attention problem as the library sees it after api/ has checked it: sizes, views and options.
// Backends and the planner read this and never the C structs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "core/dtype.h"
#include "core/status.h"

namespace fa4 {

// Where tensors are, or the device that a plan is for.
struct Place {
  enum class Kind : uint8_t {
    Host,
    Cuda,
    Model
  };  // Model: an architecture that is not here, for plans only
  Kind kind = Kind::Host;
  int32_t index = 0;  // of a CUDA device
  std::string arch;   // of a model: "sm_120"

  bool operator==(const Place&) const = default;
};

std::string text_of(const Place& place);  // "host memory", "CUDA device 0"
std::string name_of(
    const Place& place);  // "cpu", "cuda:0", "sm_120": as fa4_problem::device has it

enum class Pass : uint8_t { Forward, Backward };

constexpr const char* name_of(Pass pass) { return pass == Pass::Forward ? "forward" : "backward"; }

// q, k, v, out or a gradient: [batch, row, head, dim], strides in elements, that of dim is 1.
// Packed tensors have batch_stride 0 and rows that run over all sequences; in paged ones `batch` is a page.
struct RowsView {
  void* data = nullptr;
  Dtype dtype = Dtype::Float32;
  int64_t batch_stride = 0;
  int64_t row_stride = 0;
  int64_t head_stride = 0;
  // Divides the address, in bytes, at most 16. Taken for 16 when a plan is made before there is any data; a run
  // on less than what was planned for is refused.
  int32_t alignment = 16;

  char* at(int64_t batch, int64_t row, int64_t head) const {
    return static_cast<char*>(data) +
           (batch * batch_stride + row * row_stride + head * head_stride) * size_of(dtype);
  }
};

// lse, dlse: [batch, head, row]; packed: batch_stride 0. float32, or float64 in the reference.
struct LseView {
  void* data = nullptr;
  Dtype dtype = Dtype::Float32;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t row_stride = 1;

  char* at(int64_t batch, int64_t head, int64_t row) const {
    return static_cast<char*>(data) +
           (batch * batch_stride + head * head_stride + row * row_stride) * size_of(dtype);
  }
};

// [n] of int32, or of a floating type (sink, dsink); a stride because broadcast inputs are served.
struct VectorView {
  void* data = nullptr;
  Dtype dtype = Dtype::Int32;
  int64_t stride = 1;

  char* at(int64_t index) const {
    return static_cast<char*>(data) + index * stride * size_of(dtype);
  }
  int32_t integer(int64_t index) const {
    int32_t value;
    std::memcpy(&value, at(index), sizeof(value));
    return value;
  }
  double real(int64_t index) const { return load_element(at(index), dtype); }
};

constexpr int64_t kOpen = -1;  // a window bound that does not bound; others are below 2^32

struct Problem {
  Place place;

  int64_t batch = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t value_dim = 0;
  int64_t seq_q = 0;  // dense: the length; packed: an upper bound of the lengths
  int64_t seq_k = 0;  // dense and paged: the length; packed: an upper bound

  RowsView q, k, v;

  bool packed_q = false, packed_k = false, paged = false;
  bool has_query_lengths = false, has_key_lengths = false, has_sink = false;
  int64_t total_q = 0;  // rows of q over all sequences: batch * seq_q when dense
  int64_t total_k = 0;  // likewise; paged: pages * page_size
  VectorView cu_seqlens_q, cu_seqlens_k, query_lengths, key_lengths, sink;

  VectorView
      page_table;  // [batch, columns], row b begins at b * page_table_stride, stride 1 in a row
  int64_t page_table_stride = 0;
  int64_t page_table_columns = 0;
  int64_t page_size = 0;
  int64_t num_pages = 0;

  double scale = 1;
  double softcap = 0;
  int64_t window_left = kOpen;
  int64_t window_right = kOpen;

  int32_t num_splits = 0;
  int32_t num_threads = 0;
  bool deterministic = false;
  bool batch_invariant = false;

  int64_t group() const { return kv_heads ? heads / kv_heads : 1; }

  // The query heads of one key/value head are taken together: their rows are query 0 of each head, query 1
  // of each head, and so on.
  int64_t query_of(int64_t row) const { return row / group(); }
  int64_t head_of(int64_t row, int64_t kv_head) const { return kv_head * group() + row % group(); }
};

// Where sequence `batch` lies in the tensors: row i of it is row q_begin + i of batch index q_batch.
struct Sequence {
  int64_t q_batch = 0, q_begin = 0, q_length = 0;
  int64_t k_batch = 0, k_begin = 0, k_length = 0;  // paged: only k_length, see key_page
};

// Lengths of sequence `batch`, read from host memory and checked: int32 values that are negative, that
// decrease, or that point past a tensor are errors, and so is a page that is not there.
Status find_sequence(const Problem& problem, int64_t batch, Sequence* sequence);

// Checks every sequence once, so that backends may call sequence_of without checks.
Status check_sequences(const Problem& problem);
Sequence sequence_of(const Problem& problem, int64_t batch);

// The keys that a query sees: [begin, end), empty when begin >= end.
struct KeyRange {
  int64_t begin;
  int64_t end;
};

inline KeyRange visible_keys(const Problem& problem, const Sequence& sequence, int64_t query) {
  const int64_t diagonal = query + sequence.k_length - sequence.q_length;
  KeyRange range{0, sequence.k_length};
  if (problem.window_left != kOpen)
    range.begin = std::max(range.begin, diagonal - problem.window_left);
  if (problem.window_right != kOpen)
    range.end = std::min(range.end, diagonal + problem.window_right + 1);
  range.end = std::max(range.end, range.begin);
  return range;
}

// Row `key` of the keys or values of `batch` (its sequence given), through the page table if there is one.
inline char* key_row(const Problem& problem, const RowsView& view, int64_t batch,
                     const Sequence& sequence, int64_t key, int64_t kv_head) {
  if (!problem.paged) return view.at(sequence.k_batch, sequence.k_begin + key, kv_head);
  const int64_t page =
      problem.page_table.integer(batch * problem.page_table_stride + key / problem.page_size);
  return view.at(page, key % problem.page_size, kv_head);
}

// Rows [begin, end) of one batch index become 0.
void clear_rows(const RowsView& view, int64_t batch, int64_t begin, int64_t end, int64_t heads,
                int64_t dim);

struct ForwardTensors {
  RowsView out;
  LseView lse;
  bool has_lse = false;
};

struct BackwardTensors {
  RowsView dout, out, dq, dk, dv;
  LseView lse, dlse;
  VectorView dsink;
  bool has_dlse = false, has_dsink = false;
};

// Floating-point operations of the matrix products: 4 (forward) or 10 (backward) per visible pair and
// head for D = Dv. Counts the pairs that are visible, from the upper bounds when packed.
double visible_pairs(const Problem& problem);

}  // namespace fa4
