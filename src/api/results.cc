// SPDX-License-Identifier: Apache-2.0
#include "api/results.h"

#include "api/structs.h"

namespace fa4::api {
namespace {

// What the rows of a result are like: out and dout, dq, dk, dv.
struct Rows {
  bool query;
  bool value_dim;
  const char *dense, *packed;  // layouts
};
constexpr Rows kLikeOut{true, true, "[B,Sq,H,Dv]", "[total_q,H,Dv]"};
constexpr Rows kLikeQ{true, false, "[B,Sq,H,D]", "[total_q,H,D]"};
constexpr Rows kLikeK{false, false, "[B,Sk,Hk,D]", "[total_k,Hk,D]"};
constexpr Rows kLikeV{false, true, "[B,Sk,Hk,Dv]", "[total_k,Hk,Dv]"};

class Reader {
 public:
  explicit Reader(const Problem& problem) : problem_(problem) {}

  Status rows(const DLTensor* source, const char* name, const Rows& like, std::vector<Tensor>* list,
              RowsView* view) const {
    const bool packed = like.query ? problem_.packed_q : problem_.packed_k;
    const char* layout = packed ? like.packed : like.dense;
    Tensor tensor;
    FA4_RETURN_IF_ERROR(read_tensor(source, {.name = name, .layout = layout}, Use::Run, &tensor));
    FA4_RETURN_IF_ERROR(require_dtype(tensor, {problem_.q.dtype}));
    const int64_t dim = like.value_dim ? problem_.value_dim : problem_.head_dim;
    const int64_t heads = like.query ? problem_.heads : problem_.kv_heads;
    if (packed) {
      const int64_t total = like.query ? problem_.total_q : problem_.total_k;
      FA4_RETURN_IF_ERROR(require_shape(tensor, {total, heads, dim}, layout));
      *view = rows_view(tensor, -1, 0, 1);
    } else {
      const int64_t seq = like.query ? problem_.seq_q : problem_.seq_k;
      FA4_RETURN_IF_ERROR(require_shape(tensor, {problem_.batch, seq, heads, dim}, layout));
      *view = rows_view(tensor, 0, 1, 2);
    }
    list->push_back(tensor);
    return {};
  }

  Status lse(const DLTensor* source, const char* name, std::vector<Tensor>* list,
             LseView* view) const {
    const char* layout = problem_.packed_q ? "[H,total_q]" : "[B,H,Sq]";
    Tensor tensor;
    FA4_RETURN_IF_ERROR(read_tensor(source, {.name = name, .layout = layout}, Use::Run, &tensor));
    FA4_RETURN_IF_ERROR(require_dtype(tensor, {wide_type()}));
    if (problem_.packed_q) {
      FA4_RETURN_IF_ERROR(require_shape(tensor, {problem_.heads, problem_.total_q}, layout));
      *view = lse_view(tensor, -1, 0, 1);
    } else {
      FA4_RETURN_IF_ERROR(
          require_shape(tensor, {problem_.batch, problem_.heads, problem_.seq_q}, layout));
      *view = lse_view(tensor, 0, 1, 2);
    }
    list->push_back(tensor);
    return {};
  }

  Status dsink(const DLTensor* source, std::vector<Tensor>* list, VectorView* view) const {
    if (!problem_.has_sink) {
      return invalid_argument(
          "dsink is set, but sink is null; there is no sink to have a gradient");
    }
    Tensor tensor;
    const Expected expected{.name = "dsink", .layout = "[H]", .any_stride = true};
    FA4_RETURN_IF_ERROR(read_tensor(source, expected, Use::Run, &tensor));
    FA4_RETURN_IF_ERROR(require_dtype(tensor, {wide_type()}));
    FA4_RETURN_IF_ERROR(require_shape(tensor, {problem_.heads}, "[H]"));
    *view = vector_view(tensor);
    list->push_back(tensor);
    return {};
  }

 private:
  Dtype wide_type() const {
    return problem_.q.dtype == Dtype::Float64 ? Dtype::Float64 : Dtype::Float32;
  }

  const Problem& problem_;
};

// Results must be where q is.
DLTensor somewhere_in(const Place& place) {
  return {nullptr, device_of(place), 0, {}, nullptr, nullptr, 0};
}

}  // namespace

Status check_forward(const fa4_forward_tensors* source, const CheckedProblem& problem,
                     CheckedForward* checked) {
  fa4_forward_tensors known;
  FA4_RETURN_IF_ERROR(read_struct(source, "tensors", &known));
  Place place;
  const DLTensor q = somewhere_in(problem.problem.place);
  FA4_RETURN_IF_ERROR(check_devices({{"q", &q}, {"out", known.out}, {"lse", known.lse}}, &place));
  const Reader reader(problem.problem);
  ForwardTensors& views = checked->views;
  FA4_RETURN_IF_ERROR(reader.rows(known.out, "out", kLikeOut, &checked->outputs, &views.out));
  views.has_lse = known.lse != nullptr;
  if (views.has_lse)
    FA4_RETURN_IF_ERROR(reader.lse(known.lse, "lse", &checked->outputs, &views.lse));
  return {};
}

Status check_backward(const fa4_backward_tensors* source, const CheckedProblem& problem,
                      CheckedBackward* checked) {
  fa4_backward_tensors known;
  FA4_RETURN_IF_ERROR(read_struct(source, "tensors", &known));
  Place place;
  const DLTensor q = somewhere_in(problem.problem.place);
  FA4_RETURN_IF_ERROR(check_devices({{"q", &q},
                                     {"dout", known.dout},
                                     {"out", known.out},
                                     {"lse", known.lse},
                                     {"dlse", known.dlse},
                                     {"dq", known.dq},
                                     {"dk", known.dk},
                                     {"dv", known.dv},
                                     {"dsink", known.dsink}},
                                    &place));
  const Reader reader(problem.problem);
  BackwardTensors& views = checked->views;
  std::vector<Tensor>*inputs = &checked->inputs, *outputs = &checked->outputs;
  FA4_RETURN_IF_ERROR(reader.rows(known.dout, "dout", kLikeOut, inputs, &views.dout));
  FA4_RETURN_IF_ERROR(reader.rows(known.out, "out", kLikeOut, inputs, &views.out));
  FA4_RETURN_IF_ERROR(reader.lse(known.lse, "lse", inputs, &views.lse));
  views.has_dlse = known.dlse != nullptr;
  if (views.has_dlse) FA4_RETURN_IF_ERROR(reader.lse(known.dlse, "dlse", inputs, &views.dlse));
  FA4_RETURN_IF_ERROR(reader.rows(known.dq, "dq", kLikeQ, outputs, &views.dq));
  FA4_RETURN_IF_ERROR(reader.rows(known.dk, "dk", kLikeK, outputs, &views.dk));
  FA4_RETURN_IF_ERROR(reader.rows(known.dv, "dv", kLikeV, outputs, &views.dv));
  views.has_dsink = known.dsink != nullptr;
  if (views.has_dsink) FA4_RETURN_IF_ERROR(reader.dsink(known.dsink, outputs, &views.dsink));
  return {};
}

}  // namespace fa4::api
