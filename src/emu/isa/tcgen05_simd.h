// SPDX-License-Identifier: Apache-2.0
// The vector form of tcgen05's product, in a namespace for each instruction set; tcgen05_simd.cc includes it. Sixteen
// lanes of four columns at a time: A's lanes are vectors, B's numbers are spread.
#include "emu/isa/tensor_parts.h"

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_load_c(const uint32_t* d, Float8& c) {
  Int8 bits;
  std::memcpy(&bits, d, sizeof bits);
  if constexpr (kHalf) {
    tensor_floats<TensorElement::F16, false>(bits, c);
    tensor_restore_specials(c);
  } else {
    c = reinterpret_cast<Float8>(bits);
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_store_d(const Float8& value, const uint32_t* disabled, uint32_t* d) {
  Int8 bits = reinterpret_cast<Int8>(value);
  if constexpr (kHalf) {
    tensor_half_bits(value, bits);
    bits |= static_cast<int32_t>(0xffff0000);
  } else {
    const Int8 canonical = Int8{} + static_cast<int32_t>(kTensorNan32);
    bits = (bits & 0x7fffffff) > 0x7f800000 ? canonical : bits;
  }
  if (disabled != nullptr) {
    Int8 keep, old;
    std::memcpy(&keep, disabled, sizeof keep);
    std::memcpy(&old, d, sizeof old);
    bits = (old & keep) | (bits & ~keep);
  }
  std::memcpy(d, &bits, sizeof bits);
}

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_begin(const Tcgen05Product& product, float factor, const uint32_t* d,
                                  Float8& sum) {
  sum = Float8{};
  if (!product.accumulate) return;
  tcgen05_load_c<kHalf>(d, sum);
  sum *= factor;
}

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_end(Float8& sum, const uint32_t* disabled, uint32_t* d) {
  if constexpr (kHalf) {
    Float4 low, high;
    tensor_round_half(__builtin_convertvector(FA4_EMU_LOW(sum), Double4), low);
    tensor_round_half(__builtin_convertvector(FA4_EMU_HIGH(sum), Double4), high);
    sum = FA4_EMU_JOIN(low, high);
  }
  tcgen05_store_d<kHalf>(sum, disabled, d);
}

// In f32, k after k: sixteen lanes of four columns. Each sum is a variable of its own: compilers keep no array in registers.
template <bool kHalf, uint32_t kK>
FA4_EMU_INLINE void tcgen05_fast(const Tcgen05Product& product, uint32_t lane, uint32_t column,
                                 const uint32_t* disabled, uint32_t* d) {
  constexpr size_t kLine = kTcgen05Lanes;
  const float factor = std::bit_cast<float>(static_cast<uint32_t>(127 - product.c_shift) << 23);
  Float8 low0, low1, low2, low3, high0, high1, high2, high3;
  tcgen05_begin<kHalf>(product, factor, d, low0);
  tcgen05_begin<kHalf>(product, factor, d + kLine, low1);
  tcgen05_begin<kHalf>(product, factor, d + 2 * kLine, low2);
  tcgen05_begin<kHalf>(product, factor, d + 3 * kLine, low3);
  tcgen05_begin<kHalf>(product, factor, d + 8, high0);
  tcgen05_begin<kHalf>(product, factor, d + kLine + 8, high1);
  tcgen05_begin<kHalf>(product, factor, d + 2 * kLine + 8, high2);
  tcgen05_begin<kHalf>(product, factor, d + 3 * kLine + 8, high3);
  const float* const b = product.b->value[column].data();
  const float* const a = &product.a->value[0][lane];
#pragma GCC unroll 4
  for (size_t k = 0; k < kK; ++k) {
    Float8 low, high;
    std::memcpy(&low, a + k * kLine, sizeof low);
    std::memcpy(&high, a + k * kLine + 8, sizeof high);
    const Float8 b0 = Float8{} + b[k], b1 = Float8{} + b[kTcgen05MostK + k];
    low0 = FA4_EMU_FMA(low, b0, low0);
    high0 = FA4_EMU_FMA(high, b0, high0);
    low1 = FA4_EMU_FMA(low, b1, low1);
    high1 = FA4_EMU_FMA(high, b1, high1);
    const Float8 b2 = Float8{} + b[2 * kTcgen05MostK + k];
    const Float8 b3 = Float8{} + b[3 * kTcgen05MostK + k];
    low2 = FA4_EMU_FMA(low, b2, low2);
    high2 = FA4_EMU_FMA(high, b2, high2);
    low3 = FA4_EMU_FMA(low, b3, low3);
    high3 = FA4_EMU_FMA(high, b3, high3);
  }
  const uint32_t* const upper = disabled == nullptr ? nullptr : disabled + 8;
  tcgen05_end<kHalf>(low0, disabled, d);
  tcgen05_end<kHalf>(low1, disabled, d + kLine);
  tcgen05_end<kHalf>(low2, disabled, d + 2 * kLine);
  tcgen05_end<kHalf>(low3, disabled, d + 3 * kLine);
  tcgen05_end<kHalf>(high0, upper, d + 8);
  tcgen05_end<kHalf>(high1, upper, d + kLine + 8);
  tcgen05_end<kHalf>(high2, upper, d + 2 * kLine + 8);
  tcgen05_end<kHalf>(high3, upper, d + 3 * kLine + 8);
}

// What the exponents of C begin the comparison with.
template <bool kHalf>
FA4_EMU_INLINE void tcgen05_exponents_of_c(const Tcgen05Product& product, const Float8& c,
                                           Int8& largest, Int8& bad) {
  // A denormal f16 has the exponent of the smallest normal one, though as an f32 it is normal.
  const Int8 smallest = Int8{} + (kHalf ? -14 : -126);
  const Int8 bits = reinterpret_cast<Int8>(c) & 0x7fffffff;
  const Int8 field = (bits >> 23) - 127;
  bad |= field > kTensorMost;
  largest =
      bits == 0 ? Int8{} + kTensorNone : (field > smallest ? field : smallest) - product.c_shift;
}

// `bad`: f32 cannot hold the scale.
FA4_EMU_INLINE void tcgen05_scale(const Int8& largest, Int8& field, Int8& bad) {
  constexpr int kFraction = 25;
  const Int8 least = Int8{} + kTensorLeast;
  bad |= (largest < least) & (largest > kTensorNone / 2);
  field = 127 + kFraction - (largest > least ? largest : least);
}

FA4_EMU_INLINE void tcgen05_widen(const Int8& sum, Double4& low, Double4& high) {
  low += __builtin_convertvector(FA4_EMU_LOW(sum), Double4);
  high += __builtin_convertvector(FA4_EMU_HIGH(sum), Double4);
}

template <bool kHalf>
FA4_EMU_INLINE void tcgen05_round(const Double4& sum, const Float4& unit, Float4& rounded) {
  if constexpr (kHalf) {
    tensor_round_half(sum * __builtin_convertvector(unit, Double4), rounded);
  } else {
    const Long4 cut = reinterpret_cast<Long4>(sum) & ~int64_t{0x1fffffff};
    rounded = __builtin_convertvector(reinterpret_cast<Double4>(cut), Float4) * unit;
  }
}

// Eight terms of 25 fraction bits lie below 2^30, and with C they fit; of more, doubles take the sums.
template <bool kHalf, uint32_t kK>
FA4_EMU_INLINE void tcgen05_exact(const Tcgen05Product& product, uint32_t lane, uint32_t column,
                                  const uint32_t* d, Float8& first, Float8& second, Int8& bad) {
  Float8 c0 = Float8{}, c1 = Float8{};
  if (product.accumulate) {
    tcgen05_load_c<kHalf>(d, c0);
    tcgen05_load_c<kHalf>(d + 8, c1);
  }
  Int8 largest0, largest1;
  tcgen05_exponents_of_c<kHalf>(product, c0, largest0, bad);
  tcgen05_exponents_of_c<kHalf>(product, c1, largest1, bad);
  const int32_t* const exponents = product.b->exponent[column].data();
#pragma GCC unroll 8
  for (size_t k = 0; k < kK; ++k) {
    Int8 a0, a1;
    std::memcpy(&a0, &product.a->exponent[k][lane], sizeof a0);
    std::memcpy(&a1, &product.a->exponent[k][lane + 8], sizeof a1);
    a0 += exponents[k];
    a1 += exponents[k];
    largest0 = largest0 > a0 ? largest0 : a0;
    largest1 = largest1 > a1 ? largest1 : a1;
  }
  Int8 field0, field1;
  tcgen05_scale(largest0, field0, bad);
  tcgen05_scale(largest1, field1, bad);
  const Float8 scale0 = reinterpret_cast<Float8>(field0 << 23);
  const Float8 scale1 = reinterpret_cast<Float8>(field1 << 23);
  Int8 sum0 = __builtin_convertvector(
      c0 * reinterpret_cast<Float8>((field0 - product.c_shift) << 23), Int8);
  Int8 sum1 = __builtin_convertvector(
      c1 * reinterpret_cast<Float8>((field1 - product.c_shift) << 23), Int8);
  Double4 low0 = Double4{}, high0 = Double4{}, low1 = Double4{}, high1 = Double4{};
  const float* const b = product.b->value[column].data();
  for (size_t eight = 0; eight < kK; eight += 8) {
#pragma GCC unroll 8
    for (size_t k = eight; k < eight + 8; ++k) {
      Float8 a0, a1;
      std::memcpy(&a0, &product.a->value[k][lane], sizeof a0);
      std::memcpy(&a1, &product.a->value[k][lane + 8], sizeof a1);
      sum0 += __builtin_convertvector(a0 * b[k] * scale0, Int8);
      sum1 += __builtin_convertvector(a1 * b[k] * scale1, Int8);
    }
    tcgen05_widen(sum0, low0, high0);
    tcgen05_widen(sum1, low1, high1);
    sum0 = Int8{};
    sum1 = Int8{};
  }
  const Float8 unit0 = reinterpret_cast<Float8>((254 - field0) << 23);
  const Float8 unit1 = reinterpret_cast<Float8>((254 - field1) << 23);
  Float4 low, high;
  tcgen05_round<kHalf>(low0, FA4_EMU_LOW(unit0), low);
  tcgen05_round<kHalf>(high0, FA4_EMU_HIGH(unit0), high);
  first = FA4_EMU_JOIN(low, high);
  tcgen05_round<kHalf>(low1, FA4_EMU_LOW(unit1), low);
  tcgen05_round<kHalf>(high1, FA4_EMU_HIGH(unit1), high);
  second = FA4_EMU_JOIN(low, high);
}

FA4_EMU_INLINE void tcgen05_plain_tile(const Tcgen05Product& product, uint32_t lane,
                                       uint32_t column, uint32_t* d) {
  for (uint32_t n = 0; n < 4; ++n) {
    for (uint32_t i = 0; i < 16; ++i) {
      uint32_t& word = d[n * kTcgen05Lanes + i];
      if ((product.disabled[(lane + i) / 32] >> (lane + i) % 32 & 1) != 0) continue;
      const uint32_t c = product.half ? word & 0xffff : word;
      const uint32_t sum = tcgen05_plain(product, lane + i, column + n, c);
      word = product.half ? sum | 0xffff0000 : sum;
    }
  }
}

// Whether f32 holds the products: no infinity, no NaN, and nothing from 2^121 on.
FA4_EMU_INLINE bool tcgen05_serves(const Tcgen05Product& product, uint32_t lane, uint32_t column) {
  const int32_t a = product.a->most[lane / 16];
  int32_t b = product.b->most[column];
  for (uint32_t n = 1; n < 4; ++n) b = std::max(b, product.b->most[column + n]);
  return a < kTcgen05Special && b < kTcgen05Special && a + b <= kTensorMost;
}

template <bool kHalf, uint32_t kK>
FA4_EMU_INLINE void tcgen05_exact_tile(const Tcgen05Product& product, uint32_t lane,
                                       uint32_t column, const uint32_t* disabled, uint32_t* d) {
  if (!tcgen05_serves(product, lane, column)) return tcgen05_plain_tile(product, lane, column, d);
  Float8 results[4][2];
  Int8 bad = {};
  for (uint32_t n = 0; n < 4; ++n) {
    Float8 first, second;
    tcgen05_exact<kHalf, kK>(product, lane, column + n, d + n * kTcgen05Lanes, first, second, bad);
    results[n][0] = first;
    results[n][1] = second;
  }
  if (tensor_any(bad)) return tcgen05_plain_tile(product, lane, column, d);
  for (size_t n = 0; n < 4; ++n) {
    uint32_t* const line = d + n * kTcgen05Lanes;
    tcgen05_store_d<kHalf>(results[n][0], disabled, line);
    tcgen05_store_d<kHalf>(results[n][1], disabled == nullptr ? nullptr : disabled + 8, line + 8);
  }
}

template <bool kHalf, bool kExact, uint32_t kK>
FA4_EMU_INLINE void tcgen05_tile(const Tcgen05Product& product, uint32_t lane, uint32_t column,
                                 const uint32_t* disabled, uint32_t* d) {
  if constexpr (kExact) {
    tcgen05_exact_tile<kHalf, kK>(product, lane, column, disabled, d);
  } else {
    tcgen05_fast<kHalf, kK>(product, lane, column, disabled, d);
  }
}

template <bool kHalf, bool kExact, uint32_t kK>
void tcgen05_product_of(const Tcgen05Product& product) {
  std::array<uint32_t, kTcgen05Lanes> disabled;
  uint32_t any = 0;
  for (uint32_t lane = 0; lane < kTcgen05Lanes; ++lane) {
    disabled[lane] = 0u - (product.disabled[lane / 32] >> lane % 32 & 1);
    any |= disabled[lane];
  }
  for (uint32_t column = 0; column < product.columns; column += 4) {
    for (uint32_t lane = 0; lane < kTcgen05Lanes; lane += 16) {
      if ((product.sixteens >> lane / 16 & 1) == 0) continue;
      tcgen05_tile<kHalf, kExact, kK>(product, lane, product.first_column + column,
                                      any == 0 ? nullptr : &disabled[lane],
                                      product.d + column * kTcgen05Lanes + lane);
    }
  }
}

template <bool kHalf, bool kExact>
void tcgen05_product_of_k(const Tcgen05Product& product) {
  if (product.k == 16) return tcgen05_product_of<kHalf, kExact, 16>(product);
  if (product.k == 32) return tcgen05_product_of<kHalf, kExact, 32>(product);
  tcgen05_product_of<kHalf, kExact, 8>(product);
}

void tcgen05_product(const Tcgen05Product& product) {
  if (product.half) {
    return product.exact ? tcgen05_product_of_k<true, true>(product)
                         : tcgen05_product_of_k<true, false>(product);
  }
  return product.exact ? tcgen05_product_of_k<false, true>(product)
                       : tcgen05_product_of_k<false, false>(product);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
