// SPDX-License-Identifier: Apache-2.0
// What becomes of a row at the end: sink, normalisation, lse; or a partial result; or several of those
// combined.

#if defined(FA4_CPU_ROW_RESULT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_ROW_RESULT_INL_H_
#undef FA4_CPU_ROW_RESULT_INL_H_
#else
#define FA4_CPU_ROW_RESULT_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/panel-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

struct PanelResult {
  const Panel* panel;
  float* row_max;    // [kPanelRows]; kNoKeys where nothing was visible
  float* row_sum;    // [kPanelRows]
  float* out_lanes;  // O^T [columns][kPanelRows], unnormalised
  int64_t columns;   // value_dim, padded
  float* staging;    // [kPanelRows][columns]
};

HWY_INLINE void clear_panel(const PanelResult& result) {
  for (int64_t lane = 0; lane < kPanelRows; ++lane) {
    result.row_max[lane] = kNoKeys;
    result.row_sum[lane] = 0;
  }
  fill_zero(result.out_lanes, result.columns * kPanelRows);
}

// A row of NaN scores has no maximum either, but its sum is NaN.
inline bool saw_no_keys(float row_max, float row_sum) { return row_max == kNoKeys && row_sum == 0; }

struct Normalisation {
  float factor;  // what O is multiplied with; 0 where no key was visible
  float lse;
};

// In double precision, since every probability of the backward has the error of lse.
inline Normalisation normalise(const Problem& problem, int64_t head, float row_max, float row_sum) {
  const double sink =
      problem.has_sink ? problem.sink.real(head) : -std::numeric_limits<double>::infinity();
  if (saw_no_keys(row_max, row_sum)) return {0, static_cast<float>(sink)};
  const double lse = static_cast<double>(row_max) + std::log(static_cast<double>(row_sum));
  if (!problem.has_sink) return {1 / row_sum, static_cast<float>(lse)};
  const double top = std::max(lse, sink);
  const double all = top + std::log(std::exp(lse - top) + std::exp(sink - top));
  return {static_cast<float>(std::exp(lse - all)) / row_sum, static_cast<float>(all)};
}

HWY_INLINE void store_lse(const ForwardTensors& tensors, const Sequence& sequence, int64_t head,
                          int64_t query, float lse) {
  if (!tensors.has_lse) return;
  std::memcpy(tensors.lse.at(sequence.q_batch, head, sequence.q_begin + query), &lse, sizeof(lse));
}

HWY_INLINE void store_out(const ForwardTensors& tensors, const Sequence& sequence, int64_t head,
                          int64_t query, const float* row, int64_t value_dim) {
  store_row(row, value_dim, tensors.out.dtype,
            tensors.out.at(sequence.q_batch, sequence.q_begin + query, head));
}

HWY_INLINE void store_panel(const ForwardContext& context, const Sequence& sequence,
                            const PanelResult& result) {
  const Panel& panel = *result.panel;
  HWY_ALIGN float factor[kPanelRows];
  for (int64_t lane = 0; lane < kPanelRows; ++lane) {
    const Normalisation n =
        normalise(*context.problem, panel.head[lane], result.row_max[lane], result.row_sum[lane]);
    factor[lane] = n.factor;
    if (lane >= panel.num_rows) continue;
    store_lse(*context.tensors, sequence, panel.head[lane], panel.query[lane], n.lse);
  }
  for (int64_t lane = 0; lane < kPanelRows; lane += kLanes) {
    const FloatVector factors = hn::Load(kFloats, factor + lane);
    const auto is_zero =
        hn::Eq(factors, hn::Zero(kFloats));  // then O may be NaN and still counts for 0
    for (int64_t column = 0; column < result.columns; ++column) {
      float* at = result.out_lanes + column * kPanelRows + lane;
      const FloatVector product = hn::Mul(hn::LoadU(kFloats, at), factors);
      hn::StoreU(hn::IfThenZeroElse(is_zero, product), kFloats, at);
    }
  }
  transpose_to_rows(result.out_lanes, result.columns, result.staging);
  for (int64_t lane = 0; lane < panel.num_rows; ++lane) {
    store_out(*context.tensors, sequence, panel.head[lane], panel.query[lane],
              result.staging + lane * result.columns, context.problem->value_dim);
  }
}

HWY_INLINE void store_partial(const ForwardContext& context, int64_t slot, float row_max,
                              float row_sum, const float* out) {
  const PartialResults& partials = context.partials;
  const int64_t value_dim = context.problem->value_dim;
  partials.row_max[slot] = row_max;
  partials.row_sum[slot] = row_sum;
  std::memcpy(partials.out + slot * value_dim, out, static_cast<size_t>(value_dim) * sizeof(float));
}

HWY_INLINE void store_partial_panel(const ForwardContext& context, const PanelResult& result,
                                    int64_t first_slot) {
  transpose_to_rows(result.out_lanes, result.columns, result.staging);
  for (int64_t lane = 0; lane < result.panel->num_rows; ++lane) {
    store_partial(context, first_slot + lane, result.row_max[lane], result.row_sum[lane],
                  result.staging + lane * result.columns);
  }
}

// A row's partial results in key order: out = sum e^(m_s - m) O_s, and its sum likewise.
inline void combine(const ForwardContext& context, const CombineTask& task, Arena arena) {
  const Problem& problem = *context.problem;
  const PartialResults& partials = context.partials;
  const int64_t head = problem.head_of(task.row, task.kv_head);
  const int64_t query = problem.query_of(task.row);
  const Sequence sequence = sequence_of(problem, task.batch);
  float* out = arena.take<float>(problem.value_dim);
  fill_zero(out, problem.value_dim);

  float maximum = kNoKeys;
  float sum = 0;
  for (int64_t i = 0; i < task.num_partials; ++i) {
    maximum = std::max(maximum, partials.row_max[task.first_partial + i * task.partial_stride]);
  }
  for (int64_t i = 0; i < task.num_partials; ++i) {
    const int64_t slot = task.first_partial + i * task.partial_stride;
    if (saw_no_keys(partials.row_max[slot], partials.row_sum[slot])) continue;
    const float weight =
        hn::GetLane(probability<6>(hn::Set(kFloats, partials.row_max[slot] - maximum)));
    const float* partial = partials.out + slot * problem.value_dim;
    sum += weight * partials.row_sum[slot];
    for (int64_t d = 0; d < problem.value_dim; ++d) out[d] += weight * partial[d];
  }
  const Normalisation n = normalise(problem, head, maximum, sum);
  scale_in_place(out, problem.value_dim, n.factor);
  store_out(*context.tensors, sequence, head, query, out, problem.value_dim);
  store_lse(*context.tensors, sequence, head, query, n.lse);
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
