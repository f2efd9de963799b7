// SPDX-License-Identifier: Apache-2.0
#include "api/problem.h"

#include <cmath>
#include <cstring>

#include "api/options.h"
#include "api/structs.h"

namespace fa4::api {
namespace {

__extension__ using Wide = __int128;

// Sizes in this range, and products in the next, leave room for 64-bit arithmetic in every backend.
constexpr int64_t kMaxExtent = (int64_t{1} << 32) - 1;
constexpr int64_t kMaxHeadDim = 65536;
constexpr Wide kMaxQueryElements = Wide{1} << 46;
constexpr Wide kMaxKeyElements = Wide{1} << 58;

class Builder {
 public:
  Builder(const fa4_problem& source, Use use, CheckedProblem* checked)
      : source_(source), use_(use), checked_(*checked), problem_(checked->problem) {}

  Status build(Pass pass) {
    FA4_RETURN_IF_ERROR(check_devices({{"q", source_.q},
                                       {"k", source_.k},
                                       {"v", source_.v},
                                       {"cu_seqlens_q", source_.cu_seqlens_q},
                                       {"cu_seqlens_k", source_.cu_seqlens_k},
                                       {"query_lengths", source_.query_lengths},
                                       {"key_lengths", source_.key_lengths},
                                       {"page_table", source_.page_table},
                                       {"sink", source_.sink}},
                                      &problem_.place));
    FA4_RETURN_IF_ERROR(read_device_name(source_.device, use_, &problem_.place));
    problem_.packed_q = source_.cu_seqlens_q != nullptr;
    problem_.packed_k = source_.cu_seqlens_k != nullptr;
    problem_.paged = source_.page_table != nullptr;
    if (problem_.paged && problem_.packed_k) {
      return invalid_argument(
          "page_table and cu_seqlens_k are both set; keys are either paged or packed");
    }
    if (problem_.paged && pass == Pass::Backward) {
      return unsupported(
          "page_table is set; paged keys and values have no backward, since pages may be shared by sequences");
    }
    FA4_RETURN_IF_ERROR(read_query());
    FA4_RETURN_IF_ERROR(read_keys());
    FA4_RETURN_IF_ERROR(read_lengths());
    FA4_RETURN_IF_ERROR(read_sink());
    FA4_RETURN_IF_ERROR(check_sizes());
    return read_options(source_, &problem_);
  }

 private:
  Status read(const DLTensor* tensor, const Expected& expected, Tensor* result) {
    FA4_RETURN_IF_ERROR(read_tensor(tensor, expected, use_, result));
    checked_.tensors.push_back(*result);
    return {};
  }

  // [B+1] of int32; B is unknown until q or the first of them has been read.
  Status read_cu_seqlens(const DLTensor* source, const char* name, VectorView* view,
                         int64_t* batch) {
    Tensor tensor;
    FA4_RETURN_IF_ERROR(read(
        source, {.name = name, .layout = "[B+1]", .integer = true, .any_stride = true}, &tensor));
    if (tensor.shape[0] == 0) return invalid_argument("{} has no entry; it must be [B+1]", name);
    if (*batch != kAny) FA4_RETURN_IF_ERROR(require_shape(tensor, {*batch + 1}, "[B+1]"));
    *batch = tensor.shape[0] - 1;
    *view = vector_view(tensor);
    return {};
  }

  Status read_query() {
    Tensor q;
    problem_.batch = kAny;
    if (problem_.packed_q) {
      FA4_RETURN_IF_ERROR(read(source_.q, {.name = "q", .layout = "[total_q,H,D]"}, &q));
      FA4_RETURN_IF_ERROR(read_cu_seqlens(source_.cu_seqlens_q, "cu_seqlens_q",
                                          &problem_.cu_seqlens_q, &problem_.batch));
      problem_.q = rows_view(q, -1, 0, 1);
      problem_.total_q = q.shape[0];
      FA4_RETURN_IF_ERROR(
          read_bound(source_.max_seq_q, "max_seq_q", problem_.total_q, &problem_.seq_q));
    } else {
      FA4_RETURN_IF_ERROR(read(source_.q, {.name = "q", .layout = "[B,Sq,H,D]"}, &q));
      problem_.q = rows_view(q, 0, 1, 2);
      problem_.batch = q.shape[0];
      problem_.seq_q = q.shape[1];
      FA4_RETURN_IF_ERROR(refuse_bound(source_.max_seq_q, "max_seq_q", "q", "cu_seqlens_q"));
    }
    problem_.heads = q.shape[q.ndim - 2];
    problem_.head_dim = q.shape[q.ndim - 1];
    return {};
  }

  Status read_bound(int64_t bound, const char* name, int64_t total, int64_t* seq) {
    if (bound < 0) {
      return invalid_argument("{} is {}; it must be 0 (unknown) or the longest length", name,
                              bound);
    }
    *seq = bound == 0 ? total : std::min(bound, total);
    return {};
  }

  Status refuse_bound(int64_t bound, const char* name, const char* tensor, const char* cu_seqlens) {
    if (bound == 0) return {};
    return invalid_argument("{} is {}, but {} is not packed ({} is null); it must be 0", name,
                            bound, tensor, cu_seqlens);
  }

  Status read_keys() {
    if (problem_.packed_k) return read_packed_keys();
    FA4_RETURN_IF_ERROR(refuse_bound(source_.max_seq_k, "max_seq_k", "k", "cu_seqlens_k"));
    return problem_.paged ? read_paged_keys() : read_dense_keys();
  }

  Status read_packed_keys() {
    Tensor k, v;
    const int64_t d = problem_.head_dim;
    FA4_RETURN_IF_ERROR(read(source_.k, {.name = "k", .layout = "[total_k,Hk,D]"}, &k));
    FA4_RETURN_IF_ERROR(require_shape(k, {kAny, kAny, d}, "[total_k,Hk,D]"));
    FA4_RETURN_IF_ERROR(read(source_.v, {.name = "v", .layout = "[total_k,Hk,Dv]"}, &v));
    FA4_RETURN_IF_ERROR(require_shape(v, {k.shape[0], k.shape[1], kAny}, "[total_k,Hk,Dv]"));
    FA4_RETURN_IF_ERROR(read_cu_seqlens(source_.cu_seqlens_k, "cu_seqlens_k",
                                        &problem_.cu_seqlens_k, &problem_.batch));
    problem_.k = rows_view(k, -1, 0, 1);
    problem_.v = rows_view(v, -1, 0, 1);
    problem_.total_k = k.shape[0];
    FA4_RETURN_IF_ERROR(
        read_bound(source_.max_seq_k, "max_seq_k", problem_.total_k, &problem_.seq_k));
    return set_key_dims(k, v);
  }

  Status read_dense_keys() {
    Tensor k, v;
    FA4_RETURN_IF_ERROR(read(source_.k, {.name = "k", .layout = "[B,Sk,Hk,D]"}, &k));
    FA4_RETURN_IF_ERROR(
        require_shape(k, {problem_.batch, kAny, kAny, problem_.head_dim}, "[B,Sk,Hk,D]"));
    FA4_RETURN_IF_ERROR(read(source_.v, {.name = "v", .layout = "[B,Sk,Hk,Dv]"}, &v));
    FA4_RETURN_IF_ERROR(
        require_shape(v, {problem_.batch, k.shape[1], k.shape[2], kAny}, "[B,Sk,Hk,Dv]"));
    problem_.k = rows_view(k, 0, 1, 2);
    problem_.v = rows_view(v, 0, 1, 2);
    problem_.seq_k = k.shape[1];
    return set_key_dims(k, v);
  }

  Status read_paged_keys() {
    Tensor k, v, table;
    FA4_RETURN_IF_ERROR(read(source_.k, {.name = "k", .layout = "[pages,page_size,Hk,D]"}, &k));
    FA4_RETURN_IF_ERROR(
        require_shape(k, {kAny, kAny, kAny, problem_.head_dim}, "[pages,page_size,Hk,D]"));
    FA4_RETURN_IF_ERROR(read(source_.v, {.name = "v", .layout = "[pages,page_size,Hk,Dv]"}, &v));
    FA4_RETURN_IF_ERROR(
        require_shape(v, {k.shape[0], k.shape[1], k.shape[2], kAny}, "[pages,page_size,Hk,Dv]"));
    FA4_RETURN_IF_ERROR(read(source_.page_table,
                             {.name = "page_table", .layout = "[B,n]", .integer = true}, &table));
    FA4_RETURN_IF_ERROR(require_shape(table, {problem_.batch, kAny}, "[B,n]"));
    problem_.k = rows_view(k, 0, 1, 2);
    problem_.v = rows_view(v, 0, 1, 2);
    problem_.num_pages = k.shape[0];
    problem_.page_size = k.shape[1];
    if (problem_.page_size == 0)
      return invalid_argument("page_size of k is 0; it must be at least 1");
    problem_.page_table = {.data = table.data};
    problem_.page_table_stride = table.strides[0];
    problem_.page_table_columns = table.shape[1];
    const Wide seq_k = Wide{table.shape[1]} * problem_.page_size;
    if (seq_k > kMaxExtent) {
      return unsupported(
          "page_table has {} columns of {} rows each; a sequence may have at most {} rows",
          table.shape[1], problem_.page_size, kMaxExtent);
    }
    problem_.seq_k = static_cast<int64_t>(seq_k);
    return set_key_dims(k, v);
  }

  Status set_key_dims(const Tensor& k, const Tensor& v) {
    FA4_RETURN_IF_ERROR(same_type(k));
    FA4_RETURN_IF_ERROR(same_type(v));
    problem_.kv_heads = k.shape[k.ndim - 2];
    problem_.value_dim = v.shape[v.ndim - 1];
    return {};
  }

  Status same_type(const Tensor& tensor) {
    if (tensor.dtype == problem_.q.dtype) return {};
    return invalid_argument("{} has dtype {}; it must be {}, the dtype of q", tensor.name,
                            name_of(tensor.dtype), name_of(problem_.q.dtype));
  }

  Status read_lengths() {
    FA4_RETURN_IF_ERROR(read_length(source_.query_lengths, "query_lengths", &problem_.query_lengths,
                                    &problem_.has_query_lengths));
    return read_length(source_.key_lengths, "key_lengths", &problem_.key_lengths,
                       &problem_.has_key_lengths);
  }

  Status read_length(const DLTensor* source, const char* name, VectorView* view, bool* present) {
    *present = source != nullptr;
    if (!*present) return {};
    Tensor tensor;
    FA4_RETURN_IF_ERROR(read(
        source, {.name = name, .layout = "[B]", .integer = true, .any_stride = true}, &tensor));
    FA4_RETURN_IF_ERROR(require_shape(tensor, {problem_.batch}, "[B]"));
    *view = vector_view(tensor);
    return {};
  }

  Status read_sink() {
    problem_.has_sink = source_.sink != nullptr;
    if (!problem_.has_sink) return {};
    Tensor sink;
    FA4_RETURN_IF_ERROR(
        read(source_.sink, {.name = "sink", .layout = "[H]", .any_stride = true}, &sink));
    FA4_RETURN_IF_ERROR(require_shape(sink, {problem_.heads}, "[H]"));
    FA4_RETURN_IF_ERROR(require_dtype(sink, {Dtype::Float32, problem_.q.dtype}));
    problem_.sink = vector_view(sink);
    return {};
  }

  Status check_sizes() {
    if (!problem_.packed_q) problem_.total_q = problem_.batch * problem_.seq_q;
    if (!problem_.packed_k) {
      problem_.total_k = problem_.paged ? problem_.num_pages * problem_.page_size
                                        : problem_.batch * problem_.seq_k;
    }
    FA4_RETURN_IF_ERROR(check_heads());
    struct Row {
      const char* name;
      int64_t value;
    };
    const Row rows[] = {{"B", problem_.batch},
                        {"Sq", problem_.seq_q},
                        {"Sk", problem_.seq_k},
                        {"H", problem_.heads}};
    for (const Row& row : rows) {
      if (row.value > kMaxExtent) {
        return unsupported("{} is {}; at most {} is served", row.name, row.value, kMaxExtent);
      }
    }
    return check_products();
  }

  Status check_heads() {
    const int64_t heads = problem_.heads, kv_heads = problem_.kv_heads;
    if (heads < 1) return invalid_argument("q has 0 heads; it must have at least 1");
    if (kv_heads < 1) return invalid_argument("k has 0 heads; it must have at least 1");
    if (heads % kv_heads != 0) {
      return invalid_argument("q has {} heads and k has {}; H must be a multiple of Hk", heads,
                              kv_heads);
    }
    for (const auto& [name, dim] : {std::pair{"D, the head dim of q and k,", problem_.head_dim},
                                    std::pair{"Dv, the head dim of v,", problem_.value_dim}}) {
      if (dim < 1) return invalid_argument("{} is 0; it must be at least 1", name);
      if (dim > kMaxHeadDim)
        return unsupported("{} is {}; at most {} is served", name, dim, kMaxHeadDim);
    }
    return {};
  }

  Status check_products() {
    const int64_t dim = std::max(problem_.head_dim, problem_.value_dim);
    const Wide query_rows =
        std::max<Wide>(problem_.packed_q ? problem_.total_q : Wide{problem_.batch} * problem_.seq_q,
                       problem_.batch);
    const Wide key_rows =
        std::max<Wide>(problem_.packed_k ? problem_.total_k : Wide{problem_.batch} * problem_.seq_k,
                       problem_.batch);
    if (query_rows * problem_.heads > kMaxQueryElements / dim) {
      return unsupported(
          "B, Sq, H and D of q multiply to more than 2^46 elements, more than an output can have");
    }
    if (key_rows * problem_.kv_heads > kMaxKeyElements / dim) {
      return unsupported(
          "B, Sk, Hk and D of k multiply to more than 2^58 elements; at most that is served");
    }
    return {};
  }

  const fa4_problem& source_;
  Use use_;
  CheckedProblem& checked_;
  Problem& problem_;
};

std::string name_or_auto(const char* name) {
  return name == nullptr || *name == '\0' ? "auto" : name;
}

}  // namespace

Status check_problem(const fa4_problem* source, Pass pass, Use use, CheckedProblem* checked) {
  fa4_problem known;
  FA4_RETURN_IF_ERROR(read_struct(source, "problem", &known));
  FA4_RETURN_IF_ERROR(refuse_unserved(known));
  *checked = {};
  FA4_RETURN_IF_ERROR(Builder(known, use, checked).build(pass));
  checked->request = {.backend = name_or_auto(known.backend), .kernel = name_or_auto(known.kernel)};
  return {};
}

}  // namespace fa4::api
