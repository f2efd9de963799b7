// SPDX-License-Identifier: Apache-2.0
// What the backward needs of each row before its chunks run: delta and lse.

#if defined(FA4_CPU_DELTA_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_DELTA_INL_H_
#undef FA4_CPU_DELTA_INL_H_
#else
#define FA4_CPU_DELTA_INL_H_
#endif

#include <algorithm>

#include "cpu/panel-inl.h"
#include "cpu/tile_product-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

// Where the rows of a panel are prepared.
template <class Operand>
struct RowScratch {
  using Element = typename Operand::Element;

  RowScratch(const Problem& problem, Arena* arena)
      : depth((problem.value_dim + Operand::kDepth - 1) / Operand::kDepth),
        stride(round_up(depth, 4)),
        rows(arena->take<Element>(kPanelRows * stride)),
        dout_lanes(arena->take<Element>(kPanelRows * stride)),
        out_lanes(arena->take<Element>(kPanelRows * stride)),
        zeros(arena->take<float>(problem.head_dim)) {}

  int64_t depth;  // elements of a row
  int64_t stride;
  Element* rows;        // [kPanelRows][stride]
  Element* dout_lanes;  // [stride][kPanelRows]
  Element* out_lanes;
  float* zeros;  // [head_dim]
};

// delta = rowsum(dout * out), by the operations of dP in their order: where one key has all of the
// probability, out is its value and dP - delta is exactly 0.
template <class Operand>
HWY_INLINE void row_deltas(const BackwardTensors& tensors, const Sequence& sequence,
                           const Panel& panel, int64_t value_dim, const RowScratch<Operand>& s,
                           float* deltas) {
  load_panel(tensors.dout, sequence, panel, value_dim, s.stride, s.rows);
  transpose_to_lanes(s.rows, s.stride, s.stride, s.dout_lanes);
  load_panel(tensors.out, sequence, panel, value_dim, s.stride, s.rows);
  transpose_to_lanes(s.rows, s.stride, s.stride, s.out_lanes);
  const int64_t part_depth = score_part<Operand>(s.depth);
  for (int64_t lane = 0; lane < kPanelRows; lane += kLanes) {
    FloatVector delta = hn::Zero(kFloats);
    for (int64_t part = 0; part < s.depth; part += part_depth) {
      FloatVector sum = hn::Zero(kFloats);
      for (int64_t d = part; d < std::min(part + part_depth, s.depth); ++d) {
        const int64_t at = d * kPanelRows + lane;
        sum = Operand::multiply_add(Operand::load(s.out_lanes + at),
                                    Operand::load(s.dout_lanes + at), sum);
      }
      delta = hn::Add(delta, sum);
    }
    hn::StoreU(delta, kFloats, deltas + lane);
  }
}

// Delta and lse of one panel's rows. A panel none of whose rows sees a key is met by no
// chunk: its dq becomes 0 here.
template <class Operand>
void prepare_panel(const BackwardContext& context, const Group& group, int64_t first_row,
                   Arena arena) {
  const Problem& problem = *context.problem;
  const BackwardTensors& tensors = *context.tensors;
  const Sequence& sequence = group.sequence;
  const RowScratch<Operand> s(problem, &arena);
  Panel panel;
  set_panel(problem, sequence, group.kv_head, first_row, group.num_rows, {0, sequence.k_length},
            &panel);
  HWY_ALIGN float deltas[kPanelRows];
  row_deltas(tensors, sequence, panel, problem.value_dim, s, deltas);
  for (int64_t lane = 0; lane < panel.num_rows; ++lane) {
    const int64_t row = sequence.q_begin + panel.query[lane];
    const int64_t head = panel.head[lane];
    const int64_t at = group.first_row + first_row + lane;
    context.delta[at] = deltas[lane];
    if (tensors.has_dlse) {
      context.delta[at] -= static_cast<float>(
          load_element(tensors.dlse.at(sequence.q_batch, head, row), tensors.dlse.dtype));
    }
    const bool sees_keys = panel.keys[lane].begin < panel.keys[lane].end;
    context.lse[at] = sees_keys
                          ? static_cast<float>(load_element(
                                tensors.lse.at(sequence.q_batch, head, row), tensors.lse.dtype))
                          : 0;
  }
  if (panel.some.begin < panel.some.end) return;
  fill_zero(s.zeros, problem.head_dim);
  for (int64_t lane = 0; lane < panel.num_rows; ++lane) {
    store_row(
        s.zeros, problem.head_dim, tensors.dq.dtype,
        tensors.dq.at(sequence.q_batch, sequence.q_begin + panel.query[lane], panel.head[lane]));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
