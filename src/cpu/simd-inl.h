// SPDX-License-Identifier: Apache-2.0
// Per target: vector types, the two kinds of operands that a matrix product may have, 2^x and tanh.

// Compiled once per target: this guard toggles instead of closing.
#if defined(FA4_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_SIMD_INL_H_
#undef FA4_CPU_SIMD_INL_H_
#else
#define FA4_CPU_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "cpu/kernel.h"

// Debian 12's Highway emulates the bf16 dot product, so the 512-bit pass is compiled with the instruction
// enabled and uses it directly; only kernels that asked the CPU for it do (Kernel::bfloat16_dot). Remove
// when the oldest supported Highway is 1.2, which has targets with the instruction.
#undef FA4_HAVE_BFLOAT16_DOT
#undef FA4_BEFORE_NAMESPACE
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3
#define FA4_HAVE_BFLOAT16_DOT 1
#define FA4_BEFORE_NAMESPACE() \
  HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512bf16") static_assert(true, "semicolon")
#else
#define FA4_HAVE_BFLOAT16_DOT 0
#define FA4_BEFORE_NAMESPACE() HWY_BEFORE_NAMESPACE()
#endif

// Loops over a register block must unroll whole, or its vectors live in memory.
#undef FA4_UNROLL
#if defined(__clang__)
#define FA4_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FA4_UNROLL _Pragma("GCC unroll 16")
#endif

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using WordTag = hn::ScalableTag<uint32_t>;
using FloatVector = hn::Vec<FloatTag>;
using WordVector = hn::Vec<WordTag>;

constexpr FloatTag kFloats;
constexpr WordTag kWords;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(kFloats));

// A register block is 4 rows by kPanelVectors vectors: with 32 registers 16 accumulators, with 16
// registers 12, and in both cases one broadcast and the vectors that it multiplies.
constexpr int kBlockRows = 4;
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2
constexpr int kPanelVectors = 3;
#else
constexpr int kPanelVectors = 4;
#endif
constexpr int64_t kPanelRows = kPanelVectors * kLanes;
static_assert(kPanelRows <= kMaxPanelRows);

// Operands of a product are 4-byte elements: a float, or two bfloat16 that lie next to each other along
// the dimension that is summed over.
struct Float32 {
  using Element = float;
  static constexpr int64_t kDepth = 1;  // summed values in an element
  static constexpr int kExp2Degree = 6;

  static HWY_INLINE FloatVector load(const float* p) { return hn::LoadU(kFloats, p); }
  static HWY_INLINE FloatVector broadcast(const float* p) { return hn::Set(kFloats, *p); }
  static HWY_INLINE FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector sum) {
    return hn::MulAdd(a, b, sum);
  }
};

#if FA4_HAVE_BFLOAT16_DOT
struct BFloat16Pair {
  using Element = uint32_t;
  static constexpr int64_t kDepth = 2;
  static constexpr int kExp2Degree = 4;  // P is rounded to 8 bits; the sum of the row is not

  static HWY_INLINE WordVector load(const uint32_t* p) { return hn::LoadU(kWords, p); }
  static HWY_INLINE WordVector broadcast(const uint32_t* p) { return hn::Set(kWords, *p); }
  static HWY_INLINE FloatVector multiply_add(WordVector a, WordVector b, FloatVector sum) {
    return FloatVector{_mm512_dpbf16_ps(sum.raw, (__m512bh)a.raw, (__m512bh)b.raw)};
  }

  // Rounds two vectors to bf16 and puts lane n of both into word n, `low` first.
  static HWY_INLINE WordVector pack(FloatVector low, FloatVector high) {
    alignas(64) static constexpr uint16_t kInterleave[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(high.raw, low.raw);
    return WordVector{_mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves)};
  }
  // Rounds a vector to 16 consecutive bf16.
  static HWY_INLINE void store_row(FloatVector values, uint16_t* row) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row), (__m256i)_mm512_cvtneps_pbh(values.raw));
  }
};
#endif

// 2^(a*b) for a*b <= 127: the nearest integer, a minimax polynomial for the fraction in [-0.5, 0.5], scale.
// The product is not rounded on its way into the fraction. Greatest relative error of the polynomial:
// degree 4 2.6e-6, degree 6 1.9e-9 (below fp32's rounding). Below -126 the result is 0 (AVX-512:
// gradual), also for -inf; NaN stays NaN.
template <int kDegree>
HWY_INLINE FloatVector exp2_product(FloatVector a, FloatVector b) {
  static_assert(kDegree == 4 || kDegree == 6);
  const FloatVector product = hn::Mul(a, b);
  const FloatVector integer = hn::Round(product);
  const FloatVector f = hn::MulSub(a, b, integer);
  FloatVector p;
  if constexpr (kDegree == 6) {
    p = hn::Set(kFloats, 1.534581206e-4f);
    p = hn::MulAdd(p, f, hn::Set(kFloats, 1.339993122e-3f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 9.618488957e-3f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 5.550328777e-2f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 2.402264689e-1f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 6.931472057e-1f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 1.0f));
  } else {
    p = hn::Set(kFloats, 9.570101909e-3f);
    p = hn::MulAdd(p, f, hn::Set(kFloats, 5.591786032e-2f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 2.402474483e-1f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 6.931218147e-1f));
    p = hn::MulAdd(p, f, hn::Set(kFloats, 9.999992614e-1f));
  }
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3
  const __mmask16 keep = _mm512_cmp_ps_mask(product.raw, _mm512_set1_ps(-200.0f), _CMP_NLT_UQ);
  return FloatVector{_mm512_maskz_scalef_ps(keep, p.raw, integer.raw)};
#else
  const hn::RebindToSigned<FloatTag> integers;
  const auto exponent = hn::Add(hn::ConvertTo(integers, integer), hn::Set(integers, 127));
  const FloatVector power = hn::BitCast(kFloats, hn::ShiftLeft<23>(exponent));
  return hn::IfThenZeroElse(hn::Lt(product, hn::Set(kFloats, -126.0f)), hn::Mul(p, power));
#endif
}

// An odd polynomial up to 0.625 (relative error 4.4e-9), beyond it 1 - u with u = 2 / (e^2|x| + 1).
// *slope, if wanted, is the derivative 1 - tanh^2 = u (2 - u), which keeps its relative precision where tanh
// itself is rounded to within 2^-24 of 1. Where it is rounded to 1, the slope is 0, like the textbook's.
HWY_INLINE FloatVector tanh(FloatVector x, FloatVector* slope = nullptr) {
  const FloatVector one = hn::Set(kFloats, 1.0f), two = hn::Set(kFloats, 2.0f);
  const FloatVector magnitude = hn::Min(hn::Set(kFloats, 20.0f), hn::Abs(x));
  const FloatVector power = exp2_product<6>(magnitude, hn::Set(kFloats, 2.885390082f));
  const FloatVector u = hn::Div(two, hn::Add(power, one));
  const FloatVector large = hn::Sub(one, u);
  const FloatVector z = hn::Mul(x, x);
  FloatVector p = hn::Set(kFloats, -5.704987123e-3f);
  p = hn::MulAdd(p, z, hn::Set(kFloats, 2.063908735e-2f));
  p = hn::MulAdd(p, z, hn::Set(kFloats, -5.373971511e-2f));
  p = hn::MulAdd(p, z, hn::Set(kFloats, 1.333144220e-1f));
  p = hn::MulAdd(p, z, hn::Set(kFloats, -3.333328194e-1f));
  const FloatVector small = hn::MulAdd(hn::Mul(p, z), x, x);
  const auto is_small = hn::Lt(magnitude, hn::Set(kFloats, 0.625f));
  if (slope) {
    const FloatVector steep = hn::NegMulAdd(small, small, one);
    const FloatVector flat = hn::IfThenZeroElse(hn::Eq(large, one), hn::Mul(u, hn::Sub(two, u)));
    *slope = hn::IfThenElse(is_small, steep, flat);
  }
  const FloatVector result = hn::IfThenElse(is_small, small, hn::CopySign(large, x));
  return hn::IfThenElse(hn::IsNaN(x), x, result);  // Min may have dropped it
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
