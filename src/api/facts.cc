// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "api/problem.h"

namespace fa4::api {
namespace {

struct ViewNames {
  const char *batch, *row, *head;
};

void add_strides(std::vector<Fact>* facts, const RowsView& view, const ViewNames& names) {
  facts->push_back({names.batch, view.batch_stride});
  facts->push_back({names.row, view.row_stride});
  facts->push_back({names.head, view.head_stride});
}

// Loads of a device kernel, emulated ones too, are as wide as the alignment allows; the host's do not care.
void add_alignment(std::vector<Fact>* facts, const CheckedProblem& checked) {
  const Problem& problem = checked.problem;
  const bool emulated = checked.request.backend.starts_with("emulated:");
  if (problem.place.kind == Place::Kind::Host && !emulated) return;
  facts->push_back({"the alignment of q in bytes", int64_t{problem.q.alignment}, true});
  facts->push_back({"the alignment of k in bytes", int64_t{problem.k.alignment}, true});
  facts->push_back({"the alignment of v in bytes", int64_t{problem.v.alignment}, true});
}

std::string text_of(const Fact& fact) {
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, fact.value);
}

}  // namespace

std::vector<Fact> facts_of(const CheckedProblem& checked) {
  const Problem& problem = checked.problem;
  std::vector<Fact> facts = {{"the kind of device (0: host, 1: CUDA, 2: not here)",
                              static_cast<int64_t>(problem.place.kind)},
                             {"the index of the device", int64_t{problem.place.index}},
                             {"the dtype of q", name_of(problem.q.dtype)},
                             {"B", problem.batch},
                             {"H", problem.heads},
                             {"Hk", problem.kv_heads},
                             {"D", problem.head_dim},
                             {"Dv", problem.value_dim},
                             {"Sq", problem.seq_q},
                             {"Sk", problem.seq_k},
                             {"the number of rows of q", problem.total_q},
                             {"the number of rows of k", problem.total_k},
                             {"the presence of cu_seqlens_q", int64_t{problem.packed_q}},
                             {"the presence of cu_seqlens_k", int64_t{problem.packed_k}},
                             {"the presence of query_lengths", int64_t{problem.has_query_lengths}},
                             {"the presence of key_lengths", int64_t{problem.has_key_lengths}},
                             {"the presence of page_table", int64_t{problem.paged}},
                             {"the presence of sink", int64_t{problem.has_sink}},
                             {"the page size of k", problem.page_size},
                             {"the number of columns of page_table", problem.page_table_columns},
                             {"the row stride of page_table", problem.page_table_stride},
                             {"the dtype of sink", name_of(problem.sink.dtype)},
                             {"the stride of sink", problem.sink.stride},
                             {"the stride of cu_seqlens_q", problem.cu_seqlens_q.stride},
                             {"the stride of cu_seqlens_k", problem.cu_seqlens_k.stride},
                             {"the stride of query_lengths", problem.query_lengths.stride},
                             {"the stride of key_lengths", problem.key_lengths.stride},
                             {"scale", problem.scale},
                             {"softcap", problem.softcap},
                             {"window_left", problem.window_left},
                             {"window_right (or causal)", problem.window_right},
                             {"num_splits", int64_t{problem.num_splits}},
                             {"num_threads", int64_t{problem.num_threads}},
                             {"deterministic", int64_t{problem.deterministic}},
                             {"batch_invariant", int64_t{problem.batch_invariant}}};
  add_strides(&facts, problem.q,
              {"the batch stride of q", "the row stride of q", "the head stride of q"});
  add_strides(&facts, problem.k,
              {"the batch stride of k", "the row stride of k", "the head stride of k"});
  add_strides(&facts, problem.v,
              {"the batch stride of v", "the row stride of v", "the head stride of v"});
  add_alignment(&facts, checked);
  return facts;
}

Status require_same_facts(const std::vector<Fact>& planned, const std::vector<Fact>& now) {
  for (size_t i = 0; i < planned.size() && i < now.size(); ++i) {
    if (planned[i] == now[i]) continue;
    if (now[i].at_least && planned[i].value < now[i].value) continue;
    return invalid_argument("{} is {}, but the plan was made for {}{}", now[i].name,
                            text_of(now[i]), text_of(planned[i]),
                            now[i].at_least ? " (or more)" : "");
  }
  return {};
}

}  // namespace fa4::api
