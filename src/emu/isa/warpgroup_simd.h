// SPDX-License-Identifier: Apache-2.0
// The vector form of a warpgroup's product; included as tensor_simd.h is. A vector holds eight lanes of a register of
// D: of two rows the four columns 0 2 4 6, or 1 3 5 7, of eight. So A is spread, each number four times, and B's four
// numbers serve both halves.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

FA4_EMU_INLINE void warpgroup_twice(const float* four, Float8& both) {
  Float4 half;
  std::memcpy(&half, four, sizeof half);
  both = FA4_EMU_JOIN(half, half);
}
FA4_EMU_INLINE void warpgroup_twice(const int32_t* four, Int8& both) {
  Int4 half;
  std::memcpy(&half, four, sizeof half);
  both = FA4_EMU_JOIN(half, half);
}

// One k. `a`: the numbers of four vectors; `b`: of the even and the odd columns.
FA4_EMU_INLINE void warpgroup_add(const float* a, const float* b, Wide (&even)[4], Wide (&odd)[4]) {
  Wide b_even, b_odd, numbers[4];
  tensor_repeat(b, b_even);
  tensor_repeat(b + 4, b_odd);
  FA4_EMU_UNROLL(4)
  for (size_t j = 0; j < 4; ++j) std::memcpy(&numbers[j], a + j * kWide, sizeof numbers[j]);
  FA4_EMU_UNROLL(4)
  for (size_t j = 0; j < 4; ++j) {
    even[j] = FA4_EMU_FMA(numbers[j], b_even, even[j]);
    odd[j] = FA4_EMU_FMA(numbers[j], b_odd, odd[j]);
  }
}

// In f32, k after k: sixteen rows of eight columns, four vectors of even and of odd columns at a time.
template <bool kHalf, int kK>
FA4_EMU_INLINE void warpgroup_tile_fast(const WarpgroupNumbers<kK>& numbers, size_t eight,
                                        Row* const* d, bool accumulate) {
  FA4_EMU_UNROLL(2)
  for (size_t first = 0; first < 2 * kLanes; first += 4 * kWide) {
    const auto rows8_of = [&](size_t j) { return (first + j * kWide) / kLanes; };
    const auto lane_of = [&](size_t j) { return (first + j * kWide) % kLanes; };
    Wide even[4], odd[4];
    FA4_EMU_UNROLL(4)
    for (size_t j = 0; j < 4; ++j) {
      even[j] = odd[j] = Wide{};
      if (accumulate) tensor_load_wide<kHalf>(d, rows8_of(j), lane_of(j), even[j], odd[j]);
    }
    const float* a = &numbers.a[0][0][0] + first;
    const float* b = numbers.b[eight][0];
    asm("" : "+r"(a), "+r"(b));  // one address each, and no sums of them kept in memory
    for (size_t k = 0; k < kK; k += 8, a += size_t{8} * 2 * kLanes, b += 8 * 8) {
      FA4_EMU_UNROLL(8)
      for (size_t i = 0; i < 8; ++i) warpgroup_add(a + i * 2 * kLanes, b + i * 8, even, odd);
    }
    FA4_EMU_UNROLL(4)
    for (size_t j = 0; j < 4; ++j) {
      tensor_store_wide<kHalf>(d, rows8_of(j), lane_of(j), even[j], odd[j]);
    }
  }
}

// What C's exponents begin the comparison with; biased as products are.
template <bool kHalf, int kBias>
FA4_EMU_INLINE void warpgroup_exponents_of_c(const Float8& c, Int8& largest, Int8& bad) {
  // A denormal f16 has the exponent of the smallest normal one, though as an f32 it is normal.
  const Int8 smallest = Int8{} + (kHalf ? -14 : -126);
  const Int8 bits = reinterpret_cast<Int8>(c) & 0x7fffffff;
  const Int8 field = (bits >> 23) - 127;
  bad |= field > kTensorMost;
  largest = bits == 0 ? Int8{} + kTensorNone : (field > smallest ? field : smallest) + kBias;
}

template <int kBias, int kFraction>
FA4_EMU_INLINE void warpgroup_scale(const Int8& largest, Float8& scale, Float8& unit, Int8& bad) {
  const Int8 least = Int8{} + (kTensorLeast + kBias);
  bad |= (largest < least) & (largest > kTensorNone / 2);
  const Int8 field = 127 + kFraction + kBias - (largest > least ? largest : least);
  scale = reinterpret_cast<Float8>(field << 23);
  unit = reinterpret_cast<Float8>((254 - field) << 23);
}

template <bool kHalf, bool kNarrow>
FA4_EMU_INLINE void warpgroup_round(const Int8& sum, const Int8& more, const Float8& unit,
                                    Float8& rounded) {
  if constexpr (kNarrow && !kHalf) {
    // Below 2^24, so that f32 holds it.
    const Int8 bits = reinterpret_cast<Int8>(__builtin_convertvector(sum, Float8)) & ~0x3ff;
    rounded = reinterpret_cast<Float8>(bits) * unit;
  } else {
    Float4 low, high;
    tensor_round<kHalf>(FA4_EMU_LOW(sum), FA4_EMU_LOW(more), FA4_EMU_LOW(unit), low);
    tensor_round<kHalf>(FA4_EMU_HIGH(sum), FA4_EMU_HIGH(more), FA4_EMU_HIGH(unit), high);
    rounded = FA4_EMU_JOIN(low, high);
  }
}

// False: the plain form must do it, and D is as it was.
template <TensorElement kA, TensorElement kB, bool kHalf, int kK>
FA4_EMU_INLINE bool warpgroup_tile_exact(const WarpgroupNumbers<kK>& numbers, size_t eight,
                                         Row* const* d, bool accumulate) {
  constexpr bool kNarrow = warpgroup_narrow(kA);
  constexpr int kBias = warpgroup_bias(kA) + warpgroup_bias(kB);
  constexpr int kFraction = kNarrow ? 13 : 25;
  Float8 even[2][4], odd[2][4];
  Int8 bad = {};
  for (size_t rows8 = 0; rows8 < 2; ++rows8) {
    for (size_t j = 0; j < 4; ++j) {
      const size_t row = 8 * rows8 + 2 * j;
      Float8 c[2] = {};
      Int8 largest[2];
      if (accumulate) tensor_load_lanes<kHalf>(d, rows8, 8 * j, c[0], c[1]);
      warpgroup_exponents_of_c<kHalf, kBias>(c[0], largest[0], bad);
      warpgroup_exponents_of_c<kHalf, kBias>(c[1], largest[1], bad);
      FA4_EMU_UNROLL(4)
      for (size_t k = 0; k < kK; ++k) {
        Int8 a, b_even, b_odd;
        std::memcpy(&a, numbers.a_exponent[k][row], sizeof a);
        warpgroup_twice(numbers.b_exponent[eight][k], b_even);
        warpgroup_twice(numbers.b_exponent[eight][k] + 4, b_odd);
        const Int8 first = a + b_even, second = a + b_odd;
        largest[0] = largest[0] > first ? largest[0] : first;
        largest[1] = largest[1] > second ? largest[1] : second;
      }
      Float8 scale[2], unit[2];
      warpgroup_scale<kBias, kFraction>(largest[0], scale[0], unit[0], bad);
      warpgroup_scale<kBias, kFraction>(largest[1], scale[1], unit[1], bad);
      // Eight terms of 25 fraction bits lie below 2^30, and with C they fit; 32 of 13 do too.
      Int8 sums[2] = {__builtin_convertvector(c[0] * scale[0], Int8),
                      __builtin_convertvector(c[1] * scale[1], Int8)};
      Int8 firsts[2] = {Int8{}, Int8{}};
      for (size_t part = 0; part < (kNarrow ? 1 : 2); ++part) {
        FA4_EMU_UNROLL(4)
        for (size_t i = 0; i < (kNarrow ? kK : 8); ++i) {
          const size_t k = 8 * part + i;
          Float8 a, b_even, b_odd;
          std::memcpy(&a, numbers.a[k][row], sizeof a);
          warpgroup_twice(numbers.b[eight][k], b_even);
          warpgroup_twice(numbers.b[eight][k] + 4, b_odd);
          sums[0] += __builtin_convertvector(a * b_even * scale[0], Int8);
          sums[1] += __builtin_convertvector(a * b_odd * scale[1], Int8);
        }
        if (!kNarrow && part == 0) {
          firsts[0] = sums[0];
          firsts[1] = sums[1];
          sums[0] = sums[1] = Int8{};
        }
      }
      warpgroup_round<kHalf, kNarrow>(sums[0], firsts[0], unit[0], even[rows8][j]);
      warpgroup_round<kHalf, kNarrow>(sums[1], firsts[1], unit[1], odd[rows8][j]);
    }
  }
  if (tensor_any(bad)) return false;
  for (size_t rows8 = 0; rows8 < 2; ++rows8) {
    for (size_t j = 0; j < 4; ++j) {
      tensor_store_lanes<kHalf>(d, rows8, 8 * j, even[rows8][j], odd[rows8][j]);
    }
  }
  return true;
}

// Whether f32 holds the products: no infinity, no NaN, and nothing from 2^127 on.
template <TensorElement kElement>
FA4_EMU_INLINE bool warpgroup_serves(const Int8& a, const Int8& b) {
  if (tensor_any((a > 254) | (b > 254))) return false;
  if constexpr (kElement != TensorElement::BF16) return true;
  int32_t most_a = 0, most_b = 0;
  for (int i = 0; i < 8; ++i) {
    most_a = a[i] > most_a ? a[i] : most_a;
    most_b = b[i] > most_b ? b[i] : most_b;
  }
  return most_a + most_b <= 254 + kTensorMost;
}

template <TensorElement kA, TensorElement kB, bool kHalf, bool kExact>
void warpgroup_product(const WarpgroupProduct& product) {
  constexpr int kK = warpgroup_narrow(kA) ? 32 : 16;
  WarpgroupNumbers<kK> numbers;
  WarpgroupRange range;
  warpgroup_load_b<kB, kExact>(product, numbers, range);
  for (size_t warp = 0; warp < 4; ++warp) {
    warpgroup_load_a<kA, kExact>(product, warp, numbers, range.a);
    for (size_t eight = 0; eight < product.n / 8; ++eight) {
      Row* const* d = product.d[warp] + (kHalf ? 2 : 4) * eight;
      if constexpr (!kExact) {
        warpgroup_tile_fast<kHalf>(numbers, eight, d, product.accumulate);
      } else if (!warpgroup_serves<kA>(range.a, range.b[eight]) ||
                 !warpgroup_tile_exact<kA, kB, kHalf>(numbers, eight, d, product.accumulate)) {
        warpgroup_tile_plain(product, static_cast<uint32_t>(warp), static_cast<uint32_t>(eight));
      }
    }
  }
}

template <TensorElement kA, TensorElement kB>
WarpgroupFn warpgroup_pick(const WarpgroupKind& kind) {
  if (kind.half_accumulator) {
    return kind.exact ? warpgroup_product<kA, kB, true, true>
                      : warpgroup_product<kA, kB, true, false>;
  }
  return kind.exact ? warpgroup_product<kA, kB, false, true>
                    : warpgroup_product<kA, kB, false, false>;
}

WarpgroupFn warpgroup_function(const WarpgroupKind& kind) {
  switch (kind.a) {
    case TensorElement::F16:
      return warpgroup_pick<TensorElement::F16, TensorElement::F16>(kind);
    case TensorElement::BF16:
      return warpgroup_pick<TensorElement::BF16, TensorElement::BF16>(kind);
    case TensorElement::E4M3:
      return kind.b == TensorElement::E4M3
                 ? warpgroup_pick<TensorElement::E4M3, TensorElement::E4M3>(kind)
                 : warpgroup_pick<TensorElement::E4M3, TensorElement::E5M2>(kind);
    default:
      break;
  }
  return kind.b == TensorElement::E4M3
             ? warpgroup_pick<TensorElement::E5M2, TensorElement::E4M3>(kind)
             : warpgroup_pick<TensorElement::E5M2, TensorElement::E5M2>(kind);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
