// SPDX-License-Identifier: Apache-2.0
// The backward of one panel of queries against one block of kBackwardKeys keys of a chunk, whose data lies in a scratch.
//
//   S^T = scale K Q^T       dP^T = V dO^T
//   P^T = e^(S^T - lse)     dS^T = P^T * (dP^T - delta)
//   dV += P^T dO    dK += dS^T Q    dQ^T += K^T dS^T

#if defined(FA4_CPU_BACKWARD_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_BACKWARD_BLOCK_INL_H_
#undef FA4_CPU_BACKWARD_BLOCK_INL_H_
#else
#define FA4_CPU_BACKWARD_BLOCK_INL_H_
#endif

#include <algorithm>

#include "cpu/dot-inl.h"
#include "cpu/panel-inl.h"
#include "cpu/tile_product-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

// Where a chunk's data lives. `d` is for head_dim, `v` for value_dim; strides are in elements.
template <class Operand>
struct BackwardScratch {
  using Element = typename Operand::Element;
  static constexpr int64_t kDepth = Operand::kDepth;
  static constexpr int64_t kRowElements = kPanelRows / kDepth;  // of a key's row of P^T or dS^T

  BackwardScratch(const Problem& problem, int64_t chunk_keys, Arena* arena)
      : d_depth((problem.head_dim + kDepth - 1) / kDepth),
        v_depth((problem.value_dim + kDepth - 1) / kDepth),
        d_stride(round_up(d_depth, 4)),
        v_stride(round_up(v_depth, 4)),
        d_rows(round_up(problem.head_dim, 4)),
        d_lanes(round_up(problem.head_dim, kLanes)),
        v_lanes(round_up(problem.value_dim, kLanes)),
        k_rows(arena->take<Element>(chunk_keys * d_stride)),
        k_pairs(kDepth == 1 ? k_rows : arena->take<Element>(chunk_keys / kDepth * d_rows)),
        v_rows(arena->take<Element>(chunk_keys * v_stride)),
        dk(arena->take<float>(chunk_keys * d_lanes)),
        dv(arena->take<float>(chunk_keys * v_lanes)),
        q_lanes(arena->take<Element>(d_stride * kPanelRows)),
        dout_lanes(arena->take<Element>(v_stride * kPanelRows)),
        q_rows(arena->take<Element>(kRowElements * d_lanes)),
        dout_rows(arena->take<Element>(kRowElements * v_lanes)),
        dq_lanes(arena->take<float>(d_rows * kPanelRows)),
        lse(arena->take<float>(kPanelRows)),
        delta(arena->take<float>(kPanelRows)),
        scores(arena->take<float>(kBackwardKeys * kPanelRows)),
        gradients(arena->take<float>(kBackwardKeys * kPanelRows)),
        staging(
            arena->take<float>(kPanelRows * std::max(round_up(d_lanes, 8), round_up(v_lanes, 8)))) {
    if constexpr (kDepth == 1) {
      p_rows = scores;
      ds_rows = ds_lanes = gradients;
    } else {
      p_rows = arena->take<Element>(kBackwardKeys * kRowElements);
      ds_rows = arena->take<Element>(kBackwardKeys * kRowElements);
      ds_lanes = arena->take<Element>(kBackwardKeys / kDepth * kPanelRows);
    }
  }

  int64_t d_depth, v_depth;
  int64_t d_stride, v_stride;
  int64_t d_rows;            // of dQ^T: head_dim up to whole register blocks
  int64_t d_lanes, v_lanes;  // columns of dK and dV: up to whole vectors
  Element* k_rows;           // [chunk][d_stride]
  Element* k_pairs;          // [chunk / kDepth][d_rows]: elements along the keys
  Element* v_rows;           // [chunk][v_stride]
  float* dk;                 // [chunk][d_lanes]
  float* dv;                 // [chunk][v_lanes]
  Element* q_lanes;          // Q^T [d_stride][kPanelRows]
  Element* dout_lanes;       // dO^T [v_stride][kPanelRows]
  Element* q_rows;           // Q [kRowElements][d_lanes]: elements along the queries
  Element* dout_rows;        // dO [kRowElements][v_lanes]
  float* dq_lanes;           // dQ^T [d_rows][kPanelRows], of this chunk
  float* lse;                // [kPanelRows]
  float* delta;              // [kPanelRows]
  float* scores;             // S^T [kBackwardKeys][kPanelRows]
  float* gradients;          // dP^T, likewise
  float* staging;            // rows on their way in or out
  Element* p_rows;           // P^T [kBackwardKeys][kRowElements]: elements along the queries
  Element* ds_rows;          // dS^T, likewise
  Element* ds_lanes;         // dS^T [kBackwardKeys / kDepth][kPanelRows]: elements along the keys
};

// out [rows][stride] += A B for `num_vectors` vectors of columns.
template <class Operand>
HWY_INLINE void add_columns(const typename Operand::Element* a, int64_t a_stride,
                            const typename Operand::Element* b, int64_t b_stride, int64_t depth,
                            float* out, int64_t out_stride, int64_t num_vectors) {
  int64_t vector = 0;
  for (; vector + kPanelVectors <= num_vectors; vector += kPanelVectors) {
    tile_product<Operand, Order::RowMajor, kPanelVectors>(
        a, a_stride, b + vector * kLanes, b_stride, depth,
        AddSum{out + vector * kLanes, out_stride});
  }
  for (; vector < num_vectors; ++vector) {
    tile_product<Operand, Order::RowMajor, 1>(a, a_stride, b + vector * kLanes, b_stride, depth,
                                              AddSum{out + vector * kLanes, out_stride});
  }
}

// The panel in `panel` against one block of the chunk's keys.
template <class Operand>
class BackwardBlock {
  using Element = typename Operand::Element;
  using Scratch = BackwardScratch<Operand>;

 public:
  BackwardBlock(const Scratch& scratch, const ScoreScale& scale, const Panel& panel, bool few_rows,
                int64_t chunk_begin, int64_t block_begin, int64_t block_keys)
      : s_(scratch),
        scale_(scale),
        panel_(panel),
        few_rows_(few_rows),
        block_begin_(block_begin),
        first_key_(block_begin - chunk_begin),
        begin_(std::max<int64_t>(0, panel.some.begin - block_begin) / kBlockRows * kBlockRows),
        end_(round_up(std::min(block_keys, panel.some.end - block_begin), kBlockRows)),
        mask_(panel, block_begin, block_keys) {}

  HWY_INLINE void run() {
    scores();
    score_gradients();
    add_key_gradients();
    add_query_gradient();
  }

 private:
  HWY_INLINE void scores() {
    if (Operand::kDepth == 1 && few_rows_) {
      scores_of_few_rows();
    } else {
      for (int64_t key = begin_; key < end_; key += kBlockRows) {
        score_product<Operand, false>(s_.k_rows + (first_key_ + key) * s_.d_stride, s_.d_stride,
                                      s_.q_lanes, s_.d_depth, scale_.scale,
                                      s_.scores + key * kPanelRows, nullptr);
      }
    }
    for (int64_t key = begin_; key < end_; key += kBlockRows) {
      score_product<Operand, false>(s_.v_rows + (first_key_ + key) * s_.v_stride, s_.v_stride,
                                    s_.dout_lanes, s_.v_depth, 1.0f,
                                    s_.gradients + key * kPanelRows, nullptr);
    }
  }

  // As the forward of few rows computed them; lanes without a row have score 0.
  HWY_INLINE void scores_of_few_rows() {
    if constexpr (Operand::kDepth == 1) {
      for (int64_t key = begin_; key < end_; key += kBlockRows) {
        const float* k[kBlockRows];
        for (int n = 0; n < kBlockRows; ++n)
          k[n] = s_.k_rows + (first_key_ + key + n) * s_.d_stride;
        float* scores = s_.scores + key * kPanelRows;
        fill_zero(scores, kBlockRows * kPanelRows);
        for (int64_t lane = 0; lane < panel_.num_rows; ++lane) {
          float score[kBlockRows];
          four_scores<Float32Row>(s_.q_rows + lane * s_.d_lanes, k, s_.d_depth, scale_.scale,
                                  score);
          for (int n = 0; n < kBlockRows; ++n) scores[n * kPanelRows + lane] = score[n];
        }
      }
    }
  }

  struct Pair {
    FloatVector p, ds;
  };

  HWY_INLINE void score_gradients() {
    for (int64_t key = begin_; key < end_; key += Operand::kDepth) {
      FA4_UNROLL
      for (int j = 0; j < kPanelVectors; ++j) {
        const Pair low = score_gradient(key, j);
        if constexpr (Operand::kDepth == 1) {
          hn::StoreU(low.p, kFloats, s_.scores + key * kPanelRows + j * kLanes);
          hn::StoreU(low.ds, kFloats, s_.gradients + key * kPanelRows + j * kLanes);
        } else {
          const Pair high = score_gradient(key + 1, j);
          store_row(low, key, j);
          store_row(high, key + 1, j);
          hn::StoreU(Operand::pack(low.ds, high.ds), kWords,
                     s_.ds_lanes + key / 2 * kPanelRows + j * kLanes);
        }
      }
    }
  }

  HWY_INLINE void store_row(const Pair& pair, int64_t key, int vector) {
    const int64_t at = key * Scratch::kRowElements + vector * kLanes / Operand::kDepth;
    Operand::store_row(pair.p, reinterpret_cast<uint16_t*>(s_.p_rows + at));
    Operand::store_row(pair.ds, reinterpret_cast<uint16_t*>(s_.ds_rows + at));
  }

  // P and dS of one key and a vector of queries. dS is with respect to scale * q.k.
  HWY_INLINE Pair score_gradient(int64_t key, int vector) {
    const int64_t at = key * kPanelRows + vector * kLanes;
    FloatVector score = hn::LoadU(kFloats, s_.scores + at);
    FloatVector slope = hn::Set(kFloats, 1.0f);
    if (scale_.softcap > 0) score = scale_.capped(score, &slope);
    const FloatVector lse = hn::LoadU(kFloats, s_.lse + vector * kLanes);
    FloatVector p = probability<Operand::kExp2Degree>(hn::Sub(score, lse));
    const int64_t position = block_begin_ + key;
    if (position < panel_.all.begin || position >= panel_.all.end) {
      p = hn::IfThenElseZero(mask_.visible(key, vector), p);
    }
    const FloatVector delta = hn::LoadU(kFloats, s_.delta + vector * kLanes);
    FloatVector ds = hn::Mul(p, hn::Sub(hn::LoadU(kFloats, s_.gradients + at), delta));
    if (scale_.softcap > 0) ds = hn::Mul(ds, slope);
    return {p, ds};
  }

  HWY_INLINE void add_key_gradients() {
    constexpr int64_t kDepth = Scratch::kRowElements;
    for (int64_t key = begin_; key < end_; key += kBlockRows) {
      add_columns<Operand>(s_.p_rows + key * kDepth, kDepth, s_.dout_rows, s_.v_lanes, kDepth,
                           s_.dv + (first_key_ + key) * s_.v_lanes, s_.v_lanes,
                           s_.v_lanes / kLanes);
    }
    for (int64_t key = begin_; key < end_; key += kBlockRows) {
      add_columns<Operand>(s_.ds_rows + key * kDepth, kDepth, s_.q_rows, s_.d_lanes, kDepth,
                           s_.dk + (first_key_ + key) * s_.d_lanes, s_.d_lanes,
                           s_.d_lanes / kLanes);
    }
  }

  HWY_INLINE void add_query_gradient() {
    const int64_t k_from = (first_key_ + begin_) / Operand::kDepth;
    const int64_t ds_from = begin_ / Operand::kDepth;
    for (int64_t d = 0; d < s_.d_rows; d += kBlockRows) {
      tile_product<Operand, Order::ColMajor, kPanelVectors>(
          s_.k_pairs + k_from * s_.d_rows + d, s_.d_rows, s_.ds_lanes + ds_from * kPanelRows,
          kPanelRows, (end_ - begin_) / Operand::kDepth,
          AddSum{s_.dq_lanes + d * kPanelRows, kPanelRows});
    }
  }

  const Scratch& s_;
  const ScoreScale& scale_;
  const Panel& panel_;
  bool few_rows_;  // the group's: its forward took the rows one by one
  int64_t block_begin_;
  int64_t first_key_;    // of the block, relative to the chunk
  int64_t begin_, end_;  // the block's keys that the panel sees, in whole register blocks
  LaneMask mask_;
};

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
