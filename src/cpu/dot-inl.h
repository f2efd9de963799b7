// SPDX-License-Identifier: Apache-2.0
// Scores of one query with rows as vectors: for few rows, where panels would be mostly empty. The backward
// of such rows takes its scores from here too, since forward and backward must agree to the last bit.

#if defined(FA4_CPU_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_DOT_INL_H_
#undef FA4_CPU_DOT_INL_H_
#else
#define FA4_CPU_DOT_INL_H_
#endif

#include <cstring>

#include "cpu/rows-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

// Vectors of a stored row as floats.
struct Float32Row {
  using Stored = float;
  static HWY_INLINE FloatVector load(const float* p) { return hn::LoadU(kFloats, p); }
  static float scalar(float value) { return value; }
};
struct BFloat16Row {
  using Stored = uint16_t;
  static HWY_INLINE FloatVector load(const uint16_t* p) {
    const hn::Rebind<uint16_t, WordTag> halves;
    return hn::BitCast(kFloats, hn::ShiftLeft<16>(hn::PromoteTo(kWords, hn::LoadU(halves, p))));
  }
  static float scalar(uint16_t bits) { return bfloat16_to_float(bits); }
};
struct Float16Row {
  using Stored = uint16_t;
  static HWY_INLINE FloatVector load(const uint16_t* p) {
    HWY_ALIGN float row[kLanes];
    load_float16(p, kLanes, row);
    return hn::Load(kFloats, row);
  }
  static float scalar(uint16_t bits) { return float16_to_float(bits); }
};

// sums[n] = the sum of the lanes of v[n], for four vectors at once: half the instructions of four sums.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void sums_of_lanes(const FloatVector* v, float* sums) {
  for (int n = 0; n < 4; ++n) sums[n] = hn::GetLane(v[n]);
}
#else
// Adds the 128-bit blocks of a vector up to one.
template <class Tag>
HWY_INLINE hn::Vec<hn::Full128<float>> sum_of_blocks(Tag /*tag*/, hn::Vec<Tag> v) {
  if constexpr (hn::MaxLanes(Tag()) == 4) {
    return v;
  } else {
    const hn::Half<Tag> half;
    return sum_of_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

HWY_INLINE void sums_of_lanes(const FloatVector* v, float* sums) {
  const hn::Repartition<uint64_t, FloatTag> pairs;
  const auto low = hn::BitCast(pairs, hn::Add(hn::InterleaveLower(kFloats, v[0], v[1]),
                                              hn::InterleaveUpper(kFloats, v[0], v[1])));
  const auto high = hn::BitCast(pairs, hn::Add(hn::InterleaveLower(kFloats, v[2], v[3]),
                                               hn::InterleaveUpper(kFloats, v[2], v[3])));
  const FloatVector blocks = hn::Add(hn::BitCast(kFloats, hn::InterleaveLower(pairs, low, high)),
                                     hn::BitCast(kFloats, hn::InterleaveUpper(pairs, low, high)));
  hn::StoreU(sum_of_blocks(kFloats, blocks), hn::Full128<float>(), sums);
}
#endif

// scores[n] = scale * q . k[n]. `query` is padded with zeros to whole vectors, the rows of k are not.
template <class Row>
HWY_INLINE void four_scores(const float* query, const typename Row::Stored* const* k, int64_t dim,
                            float scale, float* scores) {
  const int64_t whole = dim / kLanes * kLanes;
  FloatVector sum[4];
  FA4_UNROLL
  for (int n = 0; n < 4; ++n) sum[n] = hn::Zero(kFloats);
  for (int64_t d = 0; d < whole; d += kLanes) {
    const FloatVector q = hn::LoadU(kFloats, query + d);
    FA4_UNROLL
    for (int n = 0; n < 4; ++n) sum[n] = hn::MulAdd(q, Row::load(k[n] + d), sum[n]);
  }
  if (whole < dim) {
    const FloatVector q = hn::LoadU(kFloats, query + whole);
    FA4_UNROLL
    for (int n = 0; n < 4; ++n) {
      HWY_ALIGN float tail[kLanes] = {};
      for (int64_t d = whole; d < dim; ++d) tail[d - whole] = Row::scalar(k[n][d]);
      sum[n] = hn::MulAdd(q, hn::Load(kFloats, tail), sum[n]);
    }
  }
  sums_of_lanes(sum, scores);
  for (int n = 0; n < 4; ++n) scores[n] *= scale;
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
