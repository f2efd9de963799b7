// SPDX-License-Identifier: Apache-2.0
// The forward of a tile: panels of queries against blocks of keys, in the transposed form.
//
// Queries are lanes, so the softmax is vertical: S^T = K Q^T, then row maximum, e^x and row sum are
// vector operations without shuffles, and O^T += V^T P^T takes the same lanes. Per tile:
//
//   Q of every panel -> Q^T                                   once
//   for each block of kForwardKeys keys:
//     K, V -> scratch (converted, contiguous, zero beyond the end)
//     for each panel that sees the block:
//       scores     S^T = scale K Q^T, block maximum in the epilogue; mask and softcap where they apply
//       maximum    new maximum where it grew by more than the threshold
//       exponents  P^T = e^(S^T - maximum), row sums
//       values     O^T = O^T * e^(old - new maximum) + V^T P^T
//   O^T -> out, lse (or a partial result)

#if defined(FA4_CPU_FORWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_FORWARD_INL_H_
#undef FA4_CPU_FORWARD_INL_H_
#else
#define FA4_CPU_FORWARD_INL_H_
#endif

#include <cmath>
#include <limits>

#include "cpu/panel-inl.h"
#include "cpu/row_result-inl.h"
#include "cpu/tile_product-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

// Where a tile's data lives. Strides are in elements.
template <class Operand>
struct ForwardScratch {
  using Element = typename Operand::Element;

  ForwardScratch(const Problem& problem, int64_t num_panels, Arena* arena)
      : depth((problem.head_dim + Operand::kDepth - 1) / Operand::kDepth),
        k_stride(round_up(depth, 4)),
        v_columns(round_up(problem.value_dim, 4)),
        panels(arena->take<Panel>(num_panels)),
        started(arena->take<bool>(num_panels)),
        row_max(arena->take<float>(num_panels * kPanelRows)),
        row_sum(arena->take<float>(num_panels * kPanelRows)),
        q_lanes(arena->take<Element>(num_panels * k_stride * kPanelRows)),
        out_lanes(arena->take<float>(num_panels * v_columns * kPanelRows)),
        k_rows(arena->take<Element>(kForwardKeys * k_stride)),
        v_rows(arena->take<Element>(kForwardKeys * v_columns)),
        scores(arena->take<float>(kForwardKeys * kPanelRows)),
        staging(arena->take<float>(
            std::max(kPanelRows, Operand::kDepth == 1 ? 0 : kForwardKeys / Operand::kDepth) *
            std::max(k_stride, v_columns))) {}

  int64_t depth;      // elements of a q or k row
  int64_t k_stride;   // of k_rows; Q^T has as many rows
  int64_t v_columns;  // value_dim up to whole register blocks
  Panel* panels;
  bool* started;   // [panel]: whether what follows has been set by a block
  float* row_max;  // [panel][kPanelRows]
  float* row_sum;
  Element* q_lanes;  // Q^T [panel][k_stride][kPanelRows]
  float* out_lanes;  // O^T [panel][v_columns][kPanelRows]
  Element* k_rows;   // [kForwardKeys][k_stride]
  Element* v_rows;   // [kForwardKeys / kDepth][v_columns]
  float* scores;     // S^T [key][kPanelRows]; then P^T as elements, in the same place
  float* staging;    // rows on their way in or out
};

// One panel against one block of keys.
template <class Operand>
class ForwardBlock {
  using Element = typename Operand::Element;

 public:
  ForwardBlock(const ForwardScratch<Operand>& scratch, const ScoreScale& scale, int64_t panel_idx,
               int64_t block_begin, int64_t block_keys)
      : s_(scratch),
        scale_(scale),
        panel_(scratch.panels[panel_idx]),
        started_(scratch.started[panel_idx]),
        block_begin_(block_begin),
        q_lanes_(scratch.q_lanes + panel_idx * scratch.k_stride * kPanelRows),
        out_(scratch.out_lanes + panel_idx * scratch.v_columns * kPanelRows),
        row_max_(scratch.row_max + panel_idx * kPanelRows),
        row_sum_(scratch.row_sum + panel_idx * kPanelRows),
        begin_(std::max<int64_t>(0, panel_.some.begin - block_begin) / kBlockRows * kBlockRows),
        end_(round_up(std::min(block_keys, panel_.some.end - block_begin), kBlockRows)),
        mask_(panel_, block_begin, block_keys) {}

  HWY_INLINE void run() {
    FloatVector block_max[kPanelVectors];
    scores(block_max);
    const bool first = !started_;
    started_ = true;
    FloatVector rescale[kPanelVectors];
    const bool grown = new_maximum(block_max, first, rescale);
    exponents();
    values(first, grown, rescale);
  }

 private:
  struct RescaleOut {
    float* out;
    const FloatVector* rescale;
    HWY_INLINE void operator()(int row, int vector, FloatVector sum) const {
      float* at = out + row * kPanelRows + vector * kLanes;
      hn::StoreU(hn::MulAdd(hn::LoadU(kFloats, at), rescale[vector], sum), kFloats, at);
    }
  };

  // S^T of the block, and its maximum per lane.
  HWY_INLINE void scores(FloatVector* block_max) {
    FA4_UNROLL
    for (int j = 0; j < kPanelVectors; ++j) {
      block_max[j] = hn::Set(kFloats, -std::numeric_limits<float>::infinity());
    }
    for (int64_t key = begin_; key < end_; key += kBlockRows) {
      const Element* k_rows = s_.k_rows + key * s_.k_stride;
      float* out = s_.scores + key * kPanelRows;
      const int64_t first = block_begin_ + key;
      const bool visible = panel_.all.begin <= first && first + kBlockRows <= panel_.all.end;
      if (visible && scale_.softcap == 0) {
        score_product<Operand, true>(k_rows, s_.k_stride, q_lanes_, s_.depth, scale_.scale, out,
                                     block_max);
      } else {
        score_product<Operand, false>(k_rows, s_.k_stride, q_lanes_, s_.depth, scale_.scale, out,
                                      nullptr);
        for (int64_t i = key; i < key + kBlockRows; ++i) rescore(i, visible, block_max);
      }
    }
  }

  // One key's scores again: softcap, then the mask.
  HWY_INLINE void rescore(int64_t key, bool visible, FloatVector* maximum) {
    float* row = s_.scores + key * kPanelRows;
    FA4_UNROLL
    for (int j = 0; j < kPanelVectors; ++j) {
      FloatVector score = hn::LoadU(kFloats, row + j * kLanes);
      if (scale_.softcap > 0) score = scale_.capped(score);
      if (!visible) {
        score = hn::IfThenElse(mask_.visible(key, j), score,
                               hn::Set(kFloats, -std::numeric_limits<float>::infinity()));
      }
      maximum[j] = hn::Max(maximum[j], score);
      hn::StoreU(score, kFloats, row + j * kLanes);
    }
  }

  // Whether any lane takes a new maximum; `rescale` is what its O and sum are multiplied with.
  HWY_INLINE bool new_maximum(const FloatVector* block_max, bool first, FloatVector* rescale) {
    bool grown = false;
    const FloatVector threshold = hn::Set(kFloats, kRescaleThreshold);
    FA4_UNROLL
    for (int j = 0; j < kPanelVectors; ++j) {
      const FloatVector old =
          first ? hn::Set(kFloats, kNoKeys) : hn::LoadU(kFloats, row_max_ + j * kLanes);
      const FloatVector sum = first ? hn::Zero(kFloats) : hn::LoadU(kFloats, row_sum_ + j * kLanes);
      const auto grows = hn::Gt(block_max[j], hn::Add(old, threshold));
      const FloatVector maximum = hn::IfThenElse(grows, block_max[j], old);
      rescale[j] = probability<6>(hn::Sub(old, maximum));
      hn::StoreU(maximum, kFloats, row_max_ + j * kLanes);
      hn::StoreU(hn::Mul(sum, rescale[j]), kFloats, row_sum_ + j * kLanes);
      grown |= !hn::AllFalse(kFloats, grows);
    }
    return grown;
  }

  // P^T = e^(S^T - maximum) as elements. Sums are taken over 32 keys and then added: less rounding.
  HWY_INLINE void exponents() {
    FloatVector maximum[kPanelVectors];
    FA4_UNROLL
    for (int j = 0; j < kPanelVectors; ++j) maximum[j] = hn::LoadU(kFloats, row_max_ + j * kLanes);
    for (int64_t key = begin_; key < end_; key += 32) {
      FloatVector sum[kPanelVectors];
      FA4_UNROLL
      for (int j = 0; j < kPanelVectors; ++j) sum[j] = hn::Zero(kFloats);
      const int64_t stop = std::min(end_, key + 32);
      for (int64_t i = key; i < stop; i += Operand::kDepth) {
        FA4_UNROLL
        for (int j = 0; j < kPanelVectors; ++j) {
          sum[j] = hn::Add(sum[j], exponents_at(i, j, maximum[j]));
        }
      }
      FA4_UNROLL
      for (int j = 0; j < kPanelVectors; ++j) {
        float* at = row_sum_ + j * kLanes;
        hn::StoreU(hn::Add(hn::LoadU(kFloats, at), sum[j]), kFloats, at);
      }
    }
  }

  // One element of P^T per lane (kDepth keys); gives their sum. P^T is written over S^T: an element lies
  // at or before the scores that it is made of.
  HWY_INLINE FloatVector exponents_at(int64_t key, int vector, FloatVector maximum) {
    float* score = s_.scores + key * kPanelRows + vector * kLanes;
    const FloatVector p =
        probability<Operand::kExp2Degree>(hn::Sub(hn::LoadU(kFloats, score), maximum));
    if constexpr (Operand::kDepth == 1) {
      hn::StoreU(p, kFloats, score);
      return p;
    } else {
      const FloatVector next = probability<Operand::kExp2Degree>(
          hn::Sub(hn::LoadU(kFloats, score + kPanelRows), maximum));
      Element* pairs = probabilities() + key / 2 * kPanelRows + vector * kLanes;
      hn::StoreU(Operand::pack(p, next), kWords, pairs);
      return hn::Add(p, next);
    }
  }

  HWY_INLINE Element* probabilities() { return reinterpret_cast<Element*>(s_.scores); }

  // O^T is new, kept, or rescaled while the block's product is added.
  HWY_INLINE void values(bool first, bool grown, const FloatVector* rescale) {
    for (int64_t column = 0; column < s_.v_columns; column += kBlockRows) {
      float* out = out_ + column * kPanelRows;
      if (first) {
        product(column, StoreSum{out, kPanelRows});
      } else if (grown) {
        product(column, RescaleOut{out, rescale});
      } else {
        product(column, AddSum{out, kPanelRows});
      }
    }
  }

  template <class Epilogue>
  HWY_INLINE void product(int64_t column, Epilogue epilogue) {
    const int64_t from = begin_ / Operand::kDepth;
    tile_product<Operand, Order::ColMajor, kPanelVectors>(
        s_.v_rows + from * s_.v_columns + column, s_.v_columns, probabilities() + from * kPanelRows,
        kPanelRows, (end_ - begin_) / Operand::kDepth, epilogue);
  }

  const ForwardScratch<Operand>& s_;
  const ScoreScale& scale_;
  const Panel& panel_;
  bool& started_;
  int64_t block_begin_;
  const Element* q_lanes_;
  float* out_;
  float* row_max_;
  float* row_sum_;
  int64_t begin_, end_;  // the block's keys that the panel sees, in whole register blocks
  LaneMask mask_;
};

template <class Operand>
void load_queries(const ForwardContext& context, const Sequence& sequence, const Panel& panel,
                  const ForwardScratch<Operand>& s, typename Operand::Element* q_lanes) {
  auto* rows = reinterpret_cast<typename Operand::Element*>(s.staging);
  load_panel(context.problem->q, sequence, panel, context.problem->head_dim, s.k_stride, rows);
  transpose_to_lanes(rows, s.k_stride, s.k_stride, q_lanes);
}

template <class Operand>
void load_block(const ForwardContext& context, const ForwardTask& task, const Sequence& sequence,
                int64_t begin, int64_t count, const ForwardScratch<Operand>& s) {
  const Problem& p = *context.problem;
  load_keys(p, p.k, task.batch, sequence, task.kv_head, begin, count, p.head_dim, s.k_stride,
            s.k_rows);
  if constexpr (Operand::kDepth == 1) {
    load_keys(p, p.v, task.batch, sequence, task.kv_head, begin, count, p.value_dim, s.v_columns,
              s.v_rows);
  } else {
    auto* rows = reinterpret_cast<typename Operand::Element*>(s.staging);
    const int64_t stride = s.v_columns / 2;
    load_keys(p, p.v, task.batch, sequence, task.kv_head, begin, count, p.value_dim, stride, rows);
    pair_all_rows(rows, round_up(count, kBlockRows), stride, p.value_dim, s.v_columns, s.v_rows);
  }
}

template <class Operand>
void forward_tile(const ForwardContext& context, const ForwardTask& task, Arena arena) {
  const Problem& problem = *context.problem;
  const Sequence sequence = sequence_of(problem, task.batch);
  const ScoreScale scale = score_scale(problem);
  const int64_t num_panels = (task.row_end - task.row_begin + kPanelRows - 1) / kPanelRows;
  const ForwardScratch<Operand> s(problem, num_panels, &arena);

  KeyRange keys{task.key_end, task.key_begin};
  for (int64_t i = 0; i < num_panels; ++i) {
    set_panel(problem, sequence, task.kv_head, task.row_begin + i * kPanelRows, task.row_end,
              {task.key_begin, task.key_end}, &s.panels[i]);
    if (s.panels[i].some.begin == s.panels[i].some.end) continue;
    keys.begin = std::min(keys.begin, s.panels[i].some.begin);
    keys.end = std::max(keys.end, s.panels[i].some.end);
    s.started[i] = false;
    load_queries<Operand>(context, sequence, s.panels[i], s,
                          s.q_lanes + i * s.k_stride * kPanelRows);
  }
  // Blocks lie on a grid that does not depend on the tile, so that a row's result does not either.
  for (int64_t begin = keys.begin / kForwardKeys * kForwardKeys; begin < keys.end;
       begin += kForwardKeys) {
    const int64_t first = std::max(begin, task.key_begin);
    const int64_t count = std::min(begin + kForwardKeys, task.key_end) - first;
    load_block<Operand>(context, task, sequence, first, count, s);
    for (int64_t i = 0; i < num_panels; ++i) {
      if (s.panels[i].sees(first, first + count)) {
        ForwardBlock<Operand>(s, scale, i, first, count).run();
      }
    }
  }
  for (int64_t i = 0; i < num_panels; ++i) {
    const PanelResult result{&s.panels[i],
                             s.row_max + i * kPanelRows,
                             s.row_sum + i * kPanelRows,
                             s.out_lanes + i * s.v_columns * kPanelRows,
                             s.v_columns,
                             s.staging};
    if (s.panels[i].some.begin == s.panels[i].some.end) clear_panel(result);
    if (task.partial >= 0) {
      store_partial_panel(context, result, task.partial + i * kPanelRows);
    } else {
      store_panel(context, sequence, result);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
