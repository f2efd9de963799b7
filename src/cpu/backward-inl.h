// SPDX-License-Identifier: Apache-2.0
// The backward of one chunk of keys: dK and dV of the chunk stay here, panels of queries pass by.
//
//   K, V of the chunk -> scratch                                  once
//   for each panel that sees the chunk, last panel first:
//     Q, dO -> rows and lanes
//     for each block of kBackwardKeys keys that it sees (backward_block-inl.h):
//       dV += P^T dO    dK += dS^T Q    dQ^T += K^T dS^T
//     dQ^T of the panel += this chunk's, when every earlier chunk has added its own
//   dK, dV -> out
//
// Panels go from last to first because under a causal mask every chunk sees the last ones: chunks that
// run side by side then follow each other at a distance of one panel.

#if defined(FA4_CPU_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_BACKWARD_INL_H_
#undef FA4_CPU_BACKWARD_INL_H_
#else
#define FA4_CPU_BACKWARD_INL_H_
#endif

#include <algorithm>
#include <thread>

#include "cpu/backward_block-inl.h"
#include "cpu/panel-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

template <class Operand>
class BackwardChunk {
  using Element = typename Operand::Element;

 public:
  BackwardChunk(const BackwardContext& context, const Group& group, int64_t chunk_idx,
                const QueryGradient& dq, Arena* arena)
      : context_(context),
        problem_(*context.problem),
        tensors_(*context.tensors),
        group_(group),
        chunk_idx_(chunk_idx),
        begin_(chunk_idx * context.chunk_keys),
        end_(std::min(begin_ + context.chunk_keys, group.sequence.k_length)),
        dq_(dq),
        scale_(score_scale(problem_)),
        s_(problem_, context.chunk_keys, arena) {}

  void run() {
    load_chunk();
    const int64_t num_panels = (group_.num_rows + kPanelRows - 1) / kPanelRows;
    for (int64_t panel_idx = num_panels - 1; panel_idx >= 0; --panel_idx) {
      set_panel(problem_, group_.sequence, group_.kv_head, panel_idx * kPanelRows, group_.num_rows,
                {0, group_.sequence.k_length}, &panel_);
      if (panel_.sees(begin_, end_)) run_panel(panel_idx);
    }
    store_chunk();
  }

 private:
  void load_chunk() {
    const int64_t count = end_ - begin_;
    const int64_t padded = round_up(count, kBlockRows);
    load_keys(problem_, problem_.k, group_.batch, group_.sequence, group_.kv_head, begin_, count,
              problem_.head_dim, s_.d_stride, s_.k_rows);
    load_keys(problem_, problem_.v, group_.batch, group_.sequence, group_.kv_head, begin_, count,
              problem_.value_dim, s_.v_stride, s_.v_rows);
    if constexpr (Operand::kDepth == 2) {
      pair_all_rows(s_.k_rows, padded, s_.d_stride, problem_.head_dim, s_.d_rows, s_.k_pairs);
    }
    fill_zero(s_.dk, padded * s_.d_lanes);
    fill_zero(s_.dv, padded * s_.v_lanes);
  }

  void run_panel(int64_t panel_idx) {
    load_panel_rows(panel_idx);
    fill_zero(s_.dq_lanes, s_.d_rows * kPanelRows);
    for (int64_t block = begin_; block < end_; block += kBackwardKeys) {
      const int64_t count = std::min(kBackwardKeys, end_ - block);
      if (!panel_.sees(block, block + count)) continue;
      BackwardBlock<Operand>(s_, scale_, panel_, group_.num_rows <= kFewRows, begin_, block, count)
          .run();
    }
    add_query_gradient(panel_idx);
  }

  void load_panel_rows(int64_t panel_idx) {
    load_operand(problem_.q, problem_.head_dim, s_.d_stride, s_.d_lanes, s_.q_rows, s_.q_lanes);
    load_operand(tensors_.dout, problem_.value_dim, s_.v_stride, s_.v_lanes, s_.dout_rows,
                 s_.dout_lanes);
    const int64_t first = group_.first_row + panel_idx * kPanelRows;
    for (int64_t lane = 0; lane < kPanelRows; ++lane) {
      const bool is_row = lane < panel_.num_rows;
      s_.lse[lane] = is_row ? context_.lse[first + lane] : 0;
      s_.delta[lane] = is_row ? context_.delta[first + lane] : 0;
    }
  }

  // A panel of a tensor, both as rows (elements along the queries) and as lanes (along the dimension).
  void load_operand(const RowsView& view, int64_t dim, int64_t stride, int64_t row_lanes,
                    Element* rows, Element* lanes) {
    if constexpr (Operand::kDepth == 1) {
      load_panel(view, group_.sequence, panel_, dim, row_lanes, rows);
      transpose_to_lanes(rows, row_lanes, stride, lanes);
    } else {
      auto* natural = reinterpret_cast<Element*>(s_.staging);
      load_panel(view, group_.sequence, panel_, dim, stride, natural);
      pair_all_rows(natural, kPanelRows, stride, dim, row_lanes, rows);
      transpose_to_lanes(natural, stride, stride, lanes);
    }
  }

  // Adds the chunk's dQ^T of the panel after those of all earlier chunks; the last one writes dq.
  void add_query_gradient(int64_t panel_idx) {
    const int64_t size = s_.d_rows * kPanelRows;
    float* sum = dq_.panels + panel_idx * size;
    const int64_t first_chunk = panel_.some.begin / context_.chunk_keys;
    const int64_t last_chunk = (panel_.some.end - 1) / context_.chunk_keys;
    const auto earlier = static_cast<int32_t>(chunk_idx_ - first_chunk);
    std::atomic<int32_t>& added = dq_.chunks_added[panel_idx];
    while (added.load(std::memory_order_acquire) != earlier) std::this_thread::yield();
    if (earlier > 0) {
      for (int64_t i = 0; i < size; ++i) s_.dq_lanes[i] += sum[i];
    }
    if (chunk_idx_ == last_chunk) {
      store_query_gradient();
    } else {
      std::memcpy(sum, s_.dq_lanes, static_cast<size_t>(size) * sizeof(float));
    }
    added.store(earlier + 1, std::memory_order_release);
  }

  void store_query_gradient() {
    scale_in_place(s_.dq_lanes, s_.d_rows * kPanelRows, static_cast<float>(problem_.scale));
    transpose_to_rows(s_.dq_lanes, s_.d_rows, s_.staging);
    for (int64_t lane = 0; lane < panel_.num_rows; ++lane) {
      const Sequence& sequence = group_.sequence;
      fa4::cpu::HWY_NAMESPACE::store_row(
          s_.staging + lane * s_.d_rows, problem_.head_dim, tensors_.dq.dtype,
          tensors_.dq.at(sequence.q_batch, sequence.q_begin + panel_.query[lane],
                         panel_.head[lane]));
    }
  }

  void store_chunk() {
    scale_in_place(s_.dk, (end_ - begin_) * s_.d_lanes, static_cast<float>(problem_.scale));
    for (int64_t key = begin_; key < end_; ++key) {
      store_key(tensors_.dk, key, s_.dk + (key - begin_) * s_.d_lanes, problem_.head_dim);
      store_key(tensors_.dv, key, s_.dv + (key - begin_) * s_.v_lanes, problem_.value_dim);
    }
  }

  void store_key(const RowsView& view, int64_t key, const float* row, int64_t dim) {
    const Sequence& sequence = group_.sequence;
    fa4::cpu::HWY_NAMESPACE::store_row(
        row, dim, view.dtype, view.at(sequence.k_batch, sequence.k_begin + key, group_.kv_head));
  }

  const BackwardContext& context_;
  const Problem& problem_;
  const BackwardTensors& tensors_;
  const Group& group_;
  int64_t chunk_idx_;
  int64_t begin_, end_;  // keys of the chunk
  QueryGradient dq_;
  ScoreScale scale_;
  BackwardScratch<Operand> s_;
  Panel panel_;
};

template <class Operand>
void backward_chunk(const BackwardContext& context, const Group& group, int64_t chunk_idx,
                    const QueryGradient& dq, Arena arena) {
  BackwardChunk<Operand>(context, group, chunk_idx, dq, &arena).run();
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
