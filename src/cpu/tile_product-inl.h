// SPDX-License-Identifier: Apache-2.0
// The matrix products of attention, all seven of them, from one register block.
//
// A block computes C = sum_k A(i, k) * B(k, :) for 4 rows i and up to kPanelVectors vectors of columns:
// A is broadcast element by element, B is read as vectors, C stays in registers and is handed to an
// epilogue. What the products differ in is how A lies:
//
//   product              A (broadcast)                B (vectors)           summed over
//   S^T   = K Q^T        K rows            RowMajor   Q^T  [d][query]       d
//   O^T  += V^T P^T      V                 ColMajor   P^T  [key][query]     key
//   dP^T  = V dO^T       V rows            RowMajor   dO^T [d][query]       d
//   dQ^T += K^T dS^T     K                 ColMajor   dS^T [key][query]     key
//   dV   += P^T dO       P^T rows          RowMajor   dO   [query][d]       query
//   dK   += dS^T Q       dS^T rows         RowMajor   Q    [query][d]       query

#if defined(FA4_CPU_TILE_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_TILE_PRODUCT_INL_H_
#undef FA4_CPU_TILE_PRODUCT_INL_H_
#else
#define FA4_CPU_TILE_PRODUCT_INL_H_
#endif

#include <algorithm>

#include "cpu/simd-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

enum class Order { RowMajor, ColMajor };  // A(i, k) is a[i * stride + k] or a[k * stride + i]

// Epilogue: void operator()(int row, int vector, FloatVector sum).
template <class Operand, Order kOrder, int kVectors, class Epilogue>
HWY_INLINE void tile_product(const typename Operand::Element* HWY_RESTRICT a, int64_t a_stride,
                             const typename Operand::Element* HWY_RESTRICT b, int64_t b_stride,
                             int64_t depth, Epilogue epilogue) {
  FloatVector sum[kBlockRows][kVectors];
  FA4_UNROLL
  for (int i = 0; i < kBlockRows; ++i) {
    FA4_UNROLL
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(kFloats);
  }
  const int64_t row_stride = kOrder == Order::RowMajor ? a_stride : 1;
  const int64_t depth_stride = kOrder == Order::RowMajor ? 1 : a_stride;
  for (int64_t k = 0; k < depth; ++k) {
    decltype(Operand::load(b)) columns[kVectors];
    FA4_UNROLL
    for (int j = 0; j < kVectors; ++j) columns[j] = Operand::load(b + j * kLanes);
    FA4_UNROLL
    for (int i = 0; i < kBlockRows; ++i) {
      const auto value = Operand::broadcast(a + i * row_stride);
      FA4_UNROLL
      for (int j = 0; j < kVectors; ++j) {
        sum[i][j] = Operand::multiply_add(value, columns[j], sum[i][j]);
      }
    }
    a += depth_stride;
    b += b_stride;
  }
  FA4_UNROLL
  for (int i = 0; i < kBlockRows; ++i) {
    FA4_UNROLL
    for (int j = 0; j < kVectors; ++j) epilogue(i, j, sum[i][j]);
  }
}

struct StoreSum {
  float* out;
  int64_t stride;
  HWY_INLINE void operator()(int row, int vector, FloatVector sum) const {
    hn::StoreU(sum, kFloats, out + row * stride + vector * kLanes);
  }
};

struct AddSum {
  float* out;
  int64_t stride;
  HWY_INLINE void operator()(int row, int vector, FloatVector sum) const {
    float* at = out + row * stride + vector * kLanes;
    hn::StoreU(hn::Add(hn::LoadU(kFloats, at), sum), kFloats, at);
  }
};

// Stores a sum; kAdd: added to what is there; kLast: then scaled; kMaximum: and the maximum of each column
// is kept.
template <bool kAdd, bool kLast, bool kMaximum>
struct StoreScores {
  float* scores;  // [kBlockRows][kPanelRows]
  float scale;
  FloatVector* maximum;
  HWY_INLINE void operator()(int row, int vector, FloatVector sum) const {
    float* at = scores + row * kPanelRows + vector * kLanes;
    if constexpr (kAdd) sum = hn::Add(hn::LoadU(kFloats, at), sum);
    if constexpr (kLast) sum = hn::Mul(sum, hn::Set(kFloats, scale));
    hn::StoreU(sum, kFloats, at);
    if constexpr (kMaximum) maximum[vector] = hn::Max(maximum[vector], sum);
  }
};

// In fp32 a sum over the head dim is taken in up to four parts of this many elements: that halves its
// rounding error, and so that of P, whose exponent it is.
template <class Operand>
HWY_INLINE int64_t score_part(int64_t depth) {
  return Operand::kDepth == 1 ? std::max<int64_t>(16, (depth + 3) / 4) : depth;
}

// S^T or dP^T of 4 keys: scores = scale * A B over the head dim.
template <class Operand, bool kMaximum>
HWY_INLINE void score_product(const typename Operand::Element* a, int64_t a_stride,
                              const typename Operand::Element* b, int64_t depth, float scale,
                              float* scores, FloatVector* maximum) {
  const int64_t part = score_part<Operand>(depth);
  if (part >= depth) {
    return tile_product<Operand, Order::RowMajor, kPanelVectors>(
        a, a_stride, b, kPanelRows, depth,
        StoreScores<false, true, kMaximum>{scores, scale, maximum});
  }
  tile_product<Operand, Order::RowMajor, kPanelVectors>(
      a, a_stride, b, kPanelRows, part, StoreScores<false, false, false>{scores, scale, maximum});
  int64_t begin = part;
  for (; begin + part < depth; begin += part) {
    tile_product<Operand, Order::RowMajor, kPanelVectors>(
        a + begin, a_stride, b + begin * kPanelRows, kPanelRows, part,
        StoreScores<true, false, false>{scores, scale, maximum});
  }
  tile_product<Operand, Order::RowMajor, kPanelVectors>(
      a + begin, a_stride, b + begin * kPanelRows, kPanelRows, depth - begin,
      StoreScores<true, true, kMaximum>{scores, scale, maximum});
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
