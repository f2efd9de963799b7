// SPDX-License-Identifier: Apache-2.0
// The backward of one chunk of keys: dK and dV of the chunk stay here, panels of queries pass by.
//
//   K, V of the chunk -> scratch                                  once
//   for each panel that sees the chunk, last panel first:
//     Q, dO -> rows and lanes
//     for each block of kBackwardKeys keys:
//       S^T = scale K Q^T       dP^T = V dO^T
//       P^T = e^(S^T - lse)     dS^T = P^T * (dP^T - delta)
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
