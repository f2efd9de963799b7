// SPDX-License-Identifier: Apache-2.0
// A warpgroup's operands as f32, with their exponents, for warpgroup_simd.h; included as tensor_simd.h is.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

template <int kK>
struct WarpgroupNumbers {
  alignas(64) float a[kK][16][4];  // of one warp: k, row
  alignas(32) int32_t a_exponent[kK][16][4];
  alignas(32) float b[kWarpgroupMostColumns / 8][kK][8];  // eight columns, k
  alignas(32) int32_t b_exponent[kWarpgroupMostColumns / 8][kK][8];
};

// Largest biased exponents; 255: infinity or NaN, of any format.
struct WarpgroupRange {
  Int8 a = Int8{};
  Int8 b[kWarpgroupMostColumns / 8];
};

constexpr int warpgroup_bias(TensorElement element) {
  return element == TensorElement::E4M3 ? 7 : element == TensorElement::BF16 ? 127 : 15;
}

constexpr bool warpgroup_narrow(TensorElement element) {
  return element == TensorElement::E4M3 || element == TensorElement::E5M2;
}

// Elements `kPart` of eight words of 8-bit numbers, as f16: e5m2 is its upper byte; e4m3 has another bias, and is NaN
// where all bits are set.
template <TensorElement kElement, int kPart, bool kExponents>
FA4_EMU_INLINE void warpgroup_bytes(const Int8& words, Float8& floats, Int8& exponents,
                                    Int8& most) {
  constexpr bool kWide = kElement == TensorElement::E5M2;
  const Int8 byte = (words >> (8 * kPart)) & 0xff;
  const Int8 magnitude = byte & 0x7f;
  const Int8 half = kWide ? byte << 8 : magnitude << 7 | (byte & 0x80) << 8;
  tensor_floats<TensorElement::F16, false>(half, floats);
  if constexpr (!kWide) floats *= 256.0f;
  if constexpr (kExponents) {
    const Int8 field = magnitude >> (kWide ? 2 : 3);
    const Int8 one = Int8{} + 1;
    const Int8 zero = magnitude == 0;
    exponents = zero ? Int8{} + kTensorNone : (field > one ? field : one);
    const Int8 special = (magnitude > (kWide ? 0x7b : 0x7e)) & 255;
    most = most > special ? most : special;
  } else if constexpr (kWide) {
    tensor_restore_specials(floats);
  } else {
    const Int8 nan = (magnitude == 0x7f) & 0x7fffffff;
    floats = reinterpret_cast<Float8>(reinterpret_cast<Int8>(floats) | nan);
  }
}

// Elements `kPart` of eight words, with their exponents if they are asked for.
template <TensorElement kElement, int kPart, bool kExponents>
FA4_EMU_INLINE void warpgroup_load(const Int8& words, Float8& floats, Int8& exponents, Int8& most) {
  if constexpr (warpgroup_narrow(kElement)) {
    warpgroup_bytes<kElement, kPart, kExponents>(words, floats, exponents, most);
  } else {
    tensor_floats<kElement, kPart == 1>(words, floats);
    if constexpr (kExponents) {
      TensorRange range;
      tensor_exponents<kElement, kPart == 1>(words, floats, exponents, range);
      if constexpr (kElement == TensorElement::F16) range.most |= (range.most > 30) & 255;
      most = most > range.most ? most : range.most;
    } else if constexpr (kElement == TensorElement::F16) {
      tensor_restore_specials(floats);
    }
  }
}

// Word kM of two rows: each number four times.
template <int kM, int kK, class Eight, class Numbers>
FA4_EMU_INLINE void warpgroup_spread(const Eight& numbers, size_t k, size_t row, Numbers& to) {
  const Eight spread =
      FA4_EMU_MIX(numbers, numbers, kM, kM, kM, kM, 4 + kM, 4 + kM, 4 + kM, 4 + kM);
  std::memcpy(to[k + kM * (kK / 8)][row], &spread, sizeof spread);
}

// Elements kPart of eight lanes of a register: of two rows four words, which begin with the k of `first`.
template <TensorElement kElement, int kPart, bool kExponents, int kK>
FA4_EMU_INLINE void warpgroup_store_a(const Int8& words, const Int8& sign, size_t first, size_t row,
                                      WarpgroupNumbers<kK>& numbers, Int8& most) {
  Float8 floats;
  Int8 exponents;
  warpgroup_load<kElement, kPart, kExponents>(words, floats, exponents, most);
  floats = reinterpret_cast<Float8>(reinterpret_cast<Int8>(floats) ^ sign);
  const size_t k = first + kPart;
  warpgroup_spread<0, kK>(floats, k, row, numbers.a);
  warpgroup_spread<1, kK>(floats, k, row, numbers.a);
  warpgroup_spread<2, kK>(floats, k, row, numbers.a);
  warpgroup_spread<3, kK>(floats, k, row, numbers.a);
  if constexpr (kExponents) {
    warpgroup_spread<0, kK>(exponents, k, row, numbers.a_exponent);
    warpgroup_spread<1, kK>(exponents, k, row, numbers.a_exponent);
    warpgroup_spread<2, kK>(exponents, k, row, numbers.a_exponent);
    warpgroup_spread<3, kK>(exponents, k, row, numbers.a_exponent);
  }
}

template <TensorElement kElement, bool kExponents, int kK>
FA4_EMU_INLINE void warpgroup_load_a(const WarpgroupProduct& product, size_t warp,
                                     WarpgroupNumbers<kK>& numbers, Int8& most) {
  const Int8 sign = Int8{} + static_cast<int32_t>(product.negate ? 0x80000000 : 0);
  most = Int8{};
  for (size_t reg = 0; reg < 4; ++reg) {
    const size_t first = reg / 2 * (kK / 2);
    for (size_t lane = 0; lane < kLanes; lane += 8) {
      const size_t row = reg % 2 * 8 + lane / 4;
      Int8 words;
      std::memcpy(&words, &product.a->word[warp][reg][lane], sizeof words);
      warpgroup_store_a<kElement, 0, kExponents>(words, sign, first, row, numbers, most);
      warpgroup_store_a<kElement, 1, kExponents>(words, sign, first, row, numbers, most);
      if constexpr (warpgroup_narrow(kElement)) {
        warpgroup_store_a<kElement, 2, kExponents>(words, sign, first, row, numbers, most);
        warpgroup_store_a<kElement, 3, kExponents>(words, sign, first, row, numbers, most);
      }
    }
  }
}

// The words of eight columns, in the order of warpgroup_column.
FA4_EMU_INLINE void warpgroup_words_of_b(const WarpgroupProduct& product, size_t eight,
                                         Int8 (&words)[8]) {
  const std::byte* const bytes = product.b->bytes.data();
  if (!product.b->mn_major) {
    const std::byte* const columns = bytes + 8 * eight * kWarpgroupKBytes;
    FA4_EMU_UNROLL(8)
    for (uint32_t column = 0; column < 8; ++column) {
      std::memcpy(&words[warpgroup_column(column)], columns + size_t{column} * kWarpgroupKBytes,
                  sizeof words[0]);
    }
    return tensor_transpose(words);
  }
  using Halves [[gnu::vector_size(16)]] = uint16_t;
  const size_t line = product.n * sizeof(uint16_t);
  FA4_EMU_UNROLL(8)
  for (size_t m = 0; m < 8; ++m) {
    Halves low, high;
    std::memcpy(&low, bytes + 2 * m * line + eight * sizeof low, sizeof low);
    std::memcpy(&high, bytes + (2 * m + 1) * line + eight * sizeof high, sizeof high);
    const Int8 both = __builtin_convertvector(low, Int8) | __builtin_convertvector(high, Int8)
                                                               << 16;
    words[m] = FA4_EMU_MIX(both, both, 0, 2, 4, 6, 1, 3, 5, 7);
  }
}

template <TensorElement kElement, int kPart, bool kExponents, int kK>
FA4_EMU_INLINE void warpgroup_store_b(const Int8& words, size_t eight, size_t m,
                                      WarpgroupNumbers<kK>& numbers, Int8& most) {
  Float8 floats;
  Int8 exponents;
  warpgroup_load<kElement, kPart, kExponents>(words, floats, exponents, most);
  const size_t k = kK / 8 * m + kPart;
  std::memcpy(numbers.b[eight][k], &floats, sizeof floats);
  if constexpr (kExponents) std::memcpy(numbers.b_exponent[eight][k], &exponents, sizeof exponents);
}

template <TensorElement kElement, bool kExponents, int kK>
FA4_EMU_INLINE void warpgroup_load_b(const WarpgroupProduct& product, WarpgroupNumbers<kK>& numbers,
                                     WarpgroupRange& range) {
  for (size_t eight = 0; eight < product.n / 8; ++eight) {
    Int8 most = {};
    Int8 words[8];
    warpgroup_words_of_b(product, eight, words);
    FA4_EMU_UNROLL(8)
    for (size_t m = 0; m < 8; ++m) {
      warpgroup_store_b<kElement, 0, kExponents>(words[m], eight, m, numbers, most);
      warpgroup_store_b<kElement, 1, kExponents>(words[m], eight, m, numbers, most);
      if constexpr (warpgroup_narrow(kElement)) {
        warpgroup_store_b<kElement, 2, kExponents>(words[m], eight, m, numbers, most);
        warpgroup_store_b<kElement, 3, kExponents>(words[m], eight, m, numbers, most);
      }
    }
    range.b[eight] = most;
  }
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
