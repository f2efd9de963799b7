// SPDX-License-Identifier: Apache-2.0
#include "device_case.h"

#include <algorithm>

#include "random.h"

namespace fa4::cli {
namespace {

constexpr int64_t kVector =
    8;  // 16-bit elements of 16 bytes, which TMA wants all strides to be multiples of

int64_t rounded_up(int64_t size) { return (size + kVector - 1) / kVector * kVector; }

void align_layout(int64_t row_length, Layout* layout) {
  layout->margin = rounded_up(layout->margin);
  layout->broadcast.clear();
  if (!layout->gaps.empty()) {
    layout->gaps.back() = rounded_up(row_length + layout->gaps.back()) - row_length;
  }
}

// Pages become sequences of one length.
void remove_pages(Case* item) {
  item->page_size = item->num_pages = 0;
  item->page_table.clear();
  item->packed_q = false;
  item->cu_seqlens_q.clear();
  item->options.max_seq_q = 0;
  if (!item->inputs.q.order.empty()) {  // drawn for other ranks
    Layout* const layouts[] = {&item->inputs.q, &item->inputs.dout, &item->results.out,
                               &item->results.lse, &item->results.dq};
    for (Layout* layout : layouts) layout->order.clear(), layout->gaps.clear();
  }
}

// There is at least one key.
void add_a_key(Case* item) {
  item->shape.seq_k = std::max<int64_t>(item->shape.seq_k, 1);
  if (!item->packed_k || item->cu_seqlens_k.back() > item->cu_seqlens_k.front()) return;
  ++item->cu_seqlens_k.back();
}

void fit_to_sm100(Case* item) {
  constexpr int64_t kMostHeadDim = 192, kMostValueDim = 128;
  DenseShape& shape = item->shape;
  shape.head_dim = std::min(rounded_up(shape.head_dim), kMostHeadDim);
  shape.value_dim = std::min({rounded_up(shape.value_dim), shape.head_dim, kMostValueDim});
  if (item->page_size > 0) remove_pages(item);
  add_a_key(item);
  item->options.num_splits = 0;
  align_layout(shape.head_dim, &item->inputs.q);
  align_layout(shape.head_dim, &item->inputs.k);
  align_layout(shape.value_dim, &item->inputs.v);
}

}  // namespace

void fit_to_device(Case* item) {
  constexpr int64_t kMost = 256;
  if (item->type == ElementType::Float32) item->type = ElementType::BFloat16;
  if (item->backward) {
    for (int64_t* dim : {&item->shape.head_dim, &item->shape.value_dim}) {
      *dim = std::min(rounded_up(*dim), kMost);
    }
  }
  item->options.deterministic = item->check_threads;
}

void fit_to_blackwell(Case* item) {
  const bool named = item->options.kernel == "sm100";
  if (named) item->backward = item->dlse = false;
  constexpr uint64_t kStream = 0xb1ac;
  if (named || Random(item->seed + kStream, item->index).chance(0.6)) fit_to_sm100(item);
}

}  // namespace fa4::cli
