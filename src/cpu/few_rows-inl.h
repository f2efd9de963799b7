// SPDX-License-Identifier: Apache-2.0
// The forward of a few query rows (decode): bound by reading K and V, so rows are vectors and nothing is
// copied. One task is one split of the keys; each row runs over it alone, the first from memory, the
// others from the cache.

#if defined(FA4_CPU_FEW_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_FEW_ROWS_INL_H_
#undef FA4_CPU_FEW_ROWS_INL_H_
#else
#define FA4_CPU_FEW_ROWS_INL_H_
#endif

#include <algorithm>

#include "cpu/dot-inl.h"
#include "cpu/row_result-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

template <class Row>
class FewRows {
  using Stored = typename Row::Stored;

 public:
  FewRows(const ForwardContext& context, const ForwardTask& task, Arena* arena)
      : context_(context),
        problem_(*context.problem),
        task_(task),
        sequence_(sequence_of(problem_, task.batch)),
        scale_(score_scale(problem_)),
        query_(arena->take<float>(round_up(problem_.head_dim, kLanes))),
        out_(arena->take<float>(round_up(problem_.value_dim, kLanes))),
        scores_(arena->take<float>(round_up(task.key_end - task.key_begin, kLanes))) {}

  void run() {
    for (int64_t row = task_.row_begin; row < task_.row_end; ++row) {
      const int64_t query = problem_.query_of(row);
      const int64_t head = problem_.head_of(row, task_.kv_head);
      KeyRange keys = visible_keys(problem_, sequence_, query);
      keys.begin = std::clamp(keys.begin, task_.key_begin, task_.key_end);
      keys.end = std::clamp(keys.end, keys.begin, task_.key_end);
      attend(query, head, keys);
      finish(row, query, head);
    }
  }

 private:
  void attend(int64_t query, int64_t head, KeyRange keys) {
    row_max_ = kNoKeys;
    row_sum_ = 0;
    fill_zero(out_, round_up(problem_.value_dim, kLanes));
    if (keys.begin == keys.end) return;
    load_row(problem_.q.at(sequence_.q_batch, sequence_.q_begin + query, head), problem_.q.dtype,
             problem_.head_dim, round_up(problem_.head_dim, kLanes), query_);
    const int64_t count = keys.end - keys.begin;
    score(keys.begin, count);
    exponents(count);
    values(keys.begin, count);
  }

  // Rows of K or V, one after the other where there are no pages.
  class Keys {
   public:
    Keys(const FewRows& rows, const RowsView& view)
        : rows_(rows),
          view_(view),
          first_(rows.problem_.paged ? nullptr : rows.row(view, 0)),
          stride_(view.row_stride * size_of(view.dtype)) {}

    HWY_INLINE const Stored* operator[](int64_t key) const {
      return reinterpret_cast<const Stored*>(first_ ? first_ + key * stride_
                                                    : rows_.row(view_, key));
    }

   private:
    const FewRows& rows_;
    const RowsView& view_;
    const char* first_;
    int64_t stride_;  // bytes
  };

  const char* row(const RowsView& view, int64_t key) const {
    return key_row(problem_, view, task_.batch, sequence_, key, task_.kv_head);
  }

  void score(int64_t first, int64_t count) {
    const Keys keys(*this, problem_.k);
    for (int64_t i = 0; i < count; i += 4) {
      const Stored* k[4];
      for (int64_t n = 0; n < 4; ++n) {
        k[n] = keys[first + std::min(i + n, count - 1)];
        prefetch(k[n], problem_.head_dim);
      }
      float score[4];
      four_scores<Row>(query_, k, problem_.head_dim, scale_.scale, score);
      for (int64_t n = 0; n < std::min<int64_t>(4, count - i); ++n) scores_[i + n] = score[n];
    }
  }

  // The maximum of the scores, and e^(score - maximum) in their place.
  void exponents(int64_t count) {
    const FloatVector minus_infinity = hn::Set(kFloats, -std::numeric_limits<float>::infinity());
    FloatVector maximum = minus_infinity;
    for (int64_t i = count; i < round_up(count, kLanes); ++i) scores_[i] = 0;
    for (int64_t i = 0; i < count; i += kLanes) {
      FloatVector score = hn::Load(kFloats, scores_ + i);
      if (scale_.softcap > 0) score = scale_.capped(score);
      score = hn::IfThenElse(in_range(i, count), score, minus_infinity);
      maximum = hn::Max(maximum, score);
      hn::Store(score, kFloats, scores_ + i);
    }
    row_max_ = std::max(kNoKeys, hn::GetLane(hn::MaxOfLanes(kFloats, maximum)));
    const FloatVector top = hn::Set(kFloats, row_max_);
    FloatVector sum = hn::Zero(kFloats);
    for (int64_t i = 0; i < count; i += kLanes) {
      const FloatVector p = probability<6>(hn::Sub(hn::Load(kFloats, scores_ + i), top));
      sum = hn::Add(sum, p);
      hn::Store(p, kFloats, scores_ + i);
    }
    row_sum_ = hn::GetLane(hn::SumOfLanes(kFloats, sum));
  }

  static HWY_INLINE hn::Mask<FloatTag> in_range(int64_t i, int64_t count) {
    return hn::Lt(hn::Iota(kFloats, 0),
                  hn::Set(kFloats, static_cast<float>(std::min(count - i, kLanes))));
  }

  // out_ = P V, several vectors of columns in registers at a time.
  void values(int64_t first, int64_t count) {
    const Keys keys(*this, problem_.v);
    const int64_t whole = problem_.value_dim / kLanes * kLanes;
    int64_t column = 0;
    column = columns<8>(keys, first, count, column, whole);
    column = columns<4>(keys, first, count, column, whole);
    column = columns<1>(keys, first, count, column, whole);
    if (whole == problem_.value_dim) return;
    for (int64_t i = 0; i < count; ++i) {
      const Stored* v = keys[first + i];
      for (int64_t d = whole; d < problem_.value_dim; ++d)
        out_[d] += scores_[i] * Row::scalar(v[d]);
    }
  }

  // As many times kVectors vectors of columns as fit. Eight sums are under way at once: few columns take
  // several keys side by side.
  template <int kVectors>
  int64_t columns(const Keys& keys, int64_t first, int64_t count, int64_t column, int64_t end) {
    constexpr int kKeys = 8 / kVectors;
    for (; column + kVectors * kLanes <= end; column += kVectors * kLanes) {
      FloatVector sum[kKeys][kVectors];
      FA4_UNROLL
      for (int n = 0; n < kKeys; ++n) {
        FA4_UNROLL
        for (int j = 0; j < kVectors; ++j) sum[n][j] = hn::Zero(kFloats);
      }
      int64_t i = 0;
      for (; i + kKeys <= count; i += kKeys) {
        FA4_UNROLL
        for (int n = 0; n < kKeys; ++n)
          add_row<kVectors>(keys[first + i + n] + column, i + n, sum[n]);
      }
      for (; i < count; ++i) add_row<kVectors>(keys[first + i] + column, i, sum[0]);
      FA4_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        FA4_UNROLL
        for (int n = 1; n < kKeys; ++n) sum[0][j] = hn::Add(sum[0][j], sum[n][j]);
        hn::StoreU(sum[0][j], kFloats, out_ + column + j * kLanes);
      }
    }
    return column;
  }

  // What lies ahead will be wanted soon, and hardware prefetchers stop at the end of a page.
  static HWY_INLINE void prefetch(const Stored* row, int64_t dim) {
    constexpr int64_t kAheadBytes = 4096;
    const uintptr_t ahead =
        reinterpret_cast<uintptr_t>(row) + kAheadBytes;  // it may lie beyond the tensor
    const auto bytes = dim * static_cast<int64_t>(sizeof(Stored));
    for (int64_t byte = 0; byte < bytes; byte += 64) {
      __builtin_prefetch(reinterpret_cast<const char*>(ahead + static_cast<uintptr_t>(byte)));
    }
  }

  template <int kVectors>
  HWY_INLINE void add_row(const Stored* v, int64_t i, FloatVector* sum) const {
    prefetch(v, kVectors * kLanes);
    const FloatVector p = hn::Set(kFloats, scores_[i]);
    FA4_UNROLL
    for (int j = 0; j < kVectors; ++j) sum[j] = hn::MulAdd(p, Row::load(v + j * kLanes), sum[j]);
  }

  void finish(int64_t row, int64_t query, int64_t head) {
    if (task_.partial >= 0) {
      store_partial(context_, task_.partial + row - task_.row_begin, row_max_, row_sum_, out_);
      return;
    }
    const Normalisation n = normalise(problem_, head, row_max_, row_sum_);
    scale_in_place(out_, problem_.value_dim, n.factor);
    store_out(*context_.tensors, sequence_, head, query, out_, problem_.value_dim);
    store_lse(*context_.tensors, sequence_, head, query, n.lse);
  }

  const ForwardContext& context_;
  const Problem& problem_;
  const ForwardTask& task_;
  const Sequence sequence_;
  const ScoreScale scale_;
  float* query_;
  float* out_;
  float* scores_;
  float row_max_ = kNoKeys;
  float row_sum_ = 0;
};

inline void forward_rows(const ForwardContext& context, const ForwardTask& task, Arena arena) {
  switch (context.problem->q.dtype) {
    case Dtype::BFloat16:
      return FewRows<BFloat16Row>(context, task, &arena).run();
    case Dtype::Float16:
      return FewRows<Float16Row>(context, task, &arena).run();
    default:
      return FewRows<Float32Row>(context, task, &arena).run();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
