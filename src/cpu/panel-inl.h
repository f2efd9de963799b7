// SPDX-License-Identifier: Apache-2.0
// A panel: up to kPanelRows rows of a group as the lanes of vectors, with the keys that each lane sees.
// Masks of every kind (causal, window, lengths) are these ranges; lanes without a row see what the
// others see and are never stored.

#if defined(FA4_CPU_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_PANEL_INL_H_
#undef FA4_CPU_PANEL_INL_H_
#else
#define FA4_CPU_PANEL_INL_H_
#endif

#include <algorithm>

#include "cpu/rows-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

struct Panel {
  int64_t num_rows;
  KeyRange some;  // seen by some lane: [begin, end)
  KeyRange all;   // seen by every lane
  int64_t query[kPanelRows];
  int64_t head[kPanelRows];
  KeyRange keys[kPanelRows];

  bool sees(int64_t begin, int64_t end) const { return some.begin < end && begin < some.end; }
};

HWY_INLINE void set_panel(const Problem& problem, const Sequence& sequence, int64_t kv_head,
                          int64_t first_row, int64_t row_end, KeyRange limit, Panel* panel) {
  panel->num_rows = std::min(kPanelRows, row_end - first_row);
  panel->some = {limit.end, limit.begin};
  panel->all = limit;
  for (int64_t lane = 0; lane < panel->num_rows; ++lane) {
    const int64_t row = first_row + lane;
    panel->query[lane] = problem.query_of(row);
    panel->head[lane] = problem.head_of(row, kv_head);
    KeyRange keys = visible_keys(problem, sequence, panel->query[lane]);
    keys.begin = std::clamp(keys.begin, limit.begin, limit.end);
    keys.end = std::clamp(keys.end, keys.begin, limit.end);
    panel->keys[lane] = keys;
    panel->all.begin = std::max(panel->all.begin, keys.begin);
    panel->all.end = std::min(panel->all.end, keys.end);
    if (keys.begin < keys.end) {
      panel->some.begin = std::min(panel->some.begin, keys.begin);
      panel->some.end = std::max(panel->some.end, keys.end);
    }
  }
  panel->some.end = std::max(panel->some.begin, panel->some.end);
  for (int64_t lane = panel->num_rows; lane < kPanelRows; ++lane) {
    panel->query[lane] = panel->query[0];
    panel->head[lane] = panel->head[0];
    panel->keys[lane] = panel->some;
  }
}

// For one block of keys, the lanes that see a key as a comparison of floats (block-relative positions
// are small integers and exact).
class LaneMask {
 public:
  HWY_INLINE LaneMask(const Panel& panel, int64_t block_begin, int64_t block_keys) {
    for (int64_t lane = 0; lane < kPanelRows; ++lane) {
      const KeyRange& keys = panel.keys[lane];
      begin_[lane] =
          static_cast<float>(std::clamp<int64_t>(keys.begin - block_begin, 0, block_keys));
      end_[lane] = static_cast<float>(std::clamp<int64_t>(keys.end - block_begin, 0, block_keys));
    }
  }

  // `key` relative to the block.
  HWY_INLINE hn::Mask<FloatTag> visible(int64_t key, int vector) const {
    const FloatVector position = hn::Set(kFloats, static_cast<float>(key));
    return hn::And(hn::Ge(position, hn::Load(kFloats, begin_ + vector * kLanes)),
                   hn::Lt(position, hn::Load(kFloats, end_ + vector * kLanes)));
  }

 private:
  HWY_ALIGN float begin_[kPanelRows];
  HWY_ALIGN float end_[kPanelRows];
};

// Rows of a tensor [batch, row, head, dim] as the panel's rows, then zero rows:
// [kPanelRows][stride] of elements.
template <class Element>
HWY_INLINE void load_panel(const RowsView& view, const Sequence& sequence, const Panel& panel,
                           int64_t dim, int64_t stride, Element* rows) {
  for (int64_t lane = 0; lane < panel.num_rows; ++lane) {
    load_row(view.at(sequence.q_batch, sequence.q_begin + panel.query[lane], panel.head[lane]),
             view.dtype, dim, stride, rows + lane * stride);
  }
  for (int64_t i = panel.num_rows * stride; i < kPanelRows * stride; ++i) rows[i] = 0;
}

// Keys or values [begin, begin + count) as rows [round_up(count, 4)][stride], zero beyond the last.
template <class Element>
HWY_INLINE void load_keys(const Problem& problem, const RowsView& view, int64_t batch,
                          const Sequence& sequence, int64_t kv_head, int64_t begin, int64_t count,
                          int64_t dim, int64_t stride, Element* rows) {
  for (int64_t key = 0; key < count; ++key) {
    load_row(key_row(problem, view, batch, sequence, begin + key, kv_head), view.dtype, dim, stride,
             rows + key * stride);
  }
  for (int64_t i = count * stride; i < round_up(count, kBlockRows) * stride; ++i) rows[i] = 0;
}

// Rows [2n, 2n + 1] of load_keys or load_panel as pairs across them: [rows / 2][pair_stride].
HWY_INLINE void pair_all_rows(const uint32_t* rows, int64_t num_rows, int64_t stride, int64_t dim,
                              int64_t pair_stride, uint32_t* pairs) {
  for (int64_t row = 0; row < num_rows; row += 2) {
    uint32_t* pair = pairs + row / 2 * pair_stride;
    pair_rows(rows + row * stride, rows + (row + 1) * stride, dim, pair);
    for (int64_t i = dim; i < pair_stride; ++i) pair[i] = 0;
  }
}

// Scores are in natural units, S = scale * q.k and then softcap, each step rounded like the textbook's:
// forward and backward compute the same S to the last bit, so that their P agree where terms cancel, and a
// row whose probability is all in one key has lse = S and P = 1.
struct ScoreScale {
  float scale;
  float softcap;  // 0: none
  float softcap_inverse;

  // The score after softcap; *slope, if wanted, is its derivative 1 - tanh^2.
  HWY_INLINE FloatVector capped(FloatVector score, FloatVector* slope = nullptr) const {
    const FloatVector t = tanh(hn::Mul(score, hn::Set(kFloats, softcap_inverse)), slope);
    return hn::Mul(t, hn::Set(kFloats, softcap));
  }
};

inline ScoreScale score_scale(const Problem& problem) {
  return {static_cast<float>(problem.scale), static_cast<float>(problem.softcap),
          problem.softcap > 0 ? static_cast<float>(1 / problem.softcap) : 0.0f};
}

// e^x, the probability of a score relative to its row's maximum or lse.
template <int kDegree>
HWY_INLINE FloatVector probability(FloatVector x) {
  return exp2_product<kDegree>(x, hn::Set(kFloats, 1.442695041f));
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
