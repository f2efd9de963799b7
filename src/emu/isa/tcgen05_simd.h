// SPDX-License-Identifier: Apache-2.0
// The vector form of tcgen05's exact product, in a namespace for each instruction set; tcgen05_simd.cc includes it. Sixteen
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
  FA4_EMU_UNROLL(8)
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
    FA4_EMU_UNROLL(8)
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

// Lanes whose D stays, all bits set.
using Tcgen05Disabled = std::array<uint32_t, kTcgen05Lanes>;

inline bool tcgen05_any_disabled(const Tcgen05Product& product, Tcgen05Disabled& disabled) {
  uint32_t any = 0;
  for (const uint32_t word : product.disabled) any |= word;
  if (any == 0) return false;
  for (uint32_t lane = 0; lane < kTcgen05Lanes; ++lane) {
    disabled[lane] = 0u - (product.disabled[lane / 32] >> lane % 32 & 1);
  }
  return true;
}

template <bool kHalf, uint32_t kK>
void tcgen05_exact_product(const Tcgen05Product& product) {
  Tcgen05Disabled disabled;
  const bool any = tcgen05_any_disabled(product, disabled);
  for (uint32_t column = 0; column < product.columns; column += 4) {
    for (uint32_t lane = 0; lane < kTcgen05Lanes; lane += 16) {
      if ((product.sixteens >> lane / 16 & 1) == 0) continue;
      tcgen05_exact_tile<kHalf, kK>(product, lane, product.first_column + column,
                                    any ? &disabled[lane] : nullptr,
                                    product.d + column * kTcgen05Lanes + lane);
    }
  }
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
