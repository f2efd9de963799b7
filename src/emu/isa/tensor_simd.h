// SPDX-License-Identifier: Apache-2.0
// The vector form of tensor cores, in a namespace for each instruction set: tensor_simd.cc includes this file once
// for the baseline and once for AVX2. All of it must be compiled for its target, since a compiler splits a vector
// that the target does not have before it inlines anything.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

FA4_EMU_INLINE bool tensor_any(const Int8& mask) {
  int64_t words[4];
  std::memcpy(words, &mask, sizeof mask);
  return (words[0] | words[1] | words[2] | words[3]) != 0;
}

// Numbers are eight words of two; `high` takes the upper halves.
template <TensorElement kElement, bool kHigh>
FA4_EMU_INLINE void tensor_floats(const Int8& words, Float8& floats) {
  constexpr int kUpper = static_cast<int>(0xffff0000);
  if constexpr (kElement == TensorElement::BF16) {
    floats = reinterpret_cast<Float8>(kHigh ? words & kUpper : words << 16);
  } else {
    constexpr int kMask = static_cast<int>(0x8fffe000);  // sign, exponent, significand
    const Int8 bits = ((kHigh ? words : words << 16) >> 3) & kMask;
    floats = reinterpret_cast<Float8>(bits) * 0x1p112f;
  }
}

// Infinities and NaN of f16, which tensor_floats makes finite.
FA4_EMU_INLINE void tensor_restore_specials(Float8& floats) {
  const Int8 bits = reinterpret_cast<Int8>(floats);
  const Int8 special = ((bits & 0x7fffffff) >= 0x47800000) & 0x7f800000;
  floats = reinterpret_cast<Float8>(bits | special);
}

// The least and the largest exponent among numbers that are not 0.
struct TensorRange {
  Int8 least = Int8{} + 255;
  Int8 most = Int8{};
};

// Their biased exponents; kTensorNone for a zero.
template <TensorElement kElement, bool kHigh>
FA4_EMU_INLINE void tensor_exponents(const Int8& words, const Float8& floats, Int8& exponents,
                                     TensorRange& range) {
  constexpr int kBits = kElement == TensorElement::F16 ? 10 : 7;
  constexpr int kField = kElement == TensorElement::F16 ? 31 : 255;
  const Int8 field = (words >> (kBits + (kHigh ? 16 : 0))) & kField;
  range.most = range.most > field ? range.most : field;
  const Int8 one = Int8{} + 1;
  const Int8 exponent = field > one ? field : one;
  const Int8 zero = floats == 0.0f;
  exponents = zero ? Int8{} + kTensorNone : exponent;
  if constexpr (kElement == TensorElement::BF16) {
    const Int8 counted = zero ? Int8{} + 255 : field;
    range.least = range.least < counted ? range.least : counted;
  }
}

template <TensorElement kElement, bool kHigh, bool kExponents>
FA4_EMU_INLINE void tensor_load_half(const Int8& words, Float8& floats, Int8& exponents,
                                     TensorRange& range) {
  tensor_floats<kElement, kHigh>(words, floats);
  if constexpr (kExponents) {
    tensor_exponents<kElement, kHigh>(words, floats, exponents, range);
  } else if constexpr (kElement == TensorElement::F16) {
    tensor_restore_specials(floats);
  }
}

template <TensorElement kElement, bool kExponents>
FA4_EMU_INLINE void tensor_load(const TensorKind& kind, const TensorOperands& operands,
                                TensorNumbers& numbers, TensorRange& range) {
  for (size_t reg = 0; reg < static_cast<size_t>(kind.num_a()); ++reg) {
    for (size_t eight = 0; eight < kLanes / 8; ++eight) {
      Int8 words;
      std::memcpy(&words, &operands.a[reg]->lane[8 * eight], sizeof words);
      tensor_load_half<kElement, false, kExponents>(
          words, numbers.a[reg][0].vector[eight], numbers.a_exponent[reg][0].vector[eight], range);
      tensor_load_half<kElement, true, kExponents>(words, numbers.a[reg][1].vector[eight],
                                                   numbers.a_exponent[reg][1].vector[eight], range);
    }
  }
  for (int pair = 0; pair < kind.k / 2; ++pair) {
    const uint32_t* lane = operands.b[static_cast<size_t>(pair / 4)]->lane + pair % 4;
    const auto word = [lane](int column) { return static_cast<int32_t>(lane[4 * column]); };
    const Int8 words = {word(0), word(2), word(4), word(6), word(1), word(3), word(5), word(7)};
    tensor_load_half<kElement, false, kExponents>(words, numbers.b[2 * pair],
                                                  numbers.b_exponent[2 * pair], range);
    tensor_load_half<kElement, true, kExponents>(words, numbers.b[2 * pair + 1],
                                                 numbers.b_exponent[2 * pair + 1], range);
  }
}

// Whether f32 serves for A and B.
template <TensorElement kElement>
FA4_EMU_INLINE bool tensor_serves(const TensorRange& range) {
  if constexpr (kElement == TensorElement::F16) return !tensor_any(range.most > 30);
  return !tensor_any((range.most > 127 + kTensorFactor) | (range.least < 127 - kTensorFactor));
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_load_c(const TensorOperands& operands, TensorNumbers& numbers) {
  for (size_t row = 0; row < 16; ++row) {
    const size_t lane = 4 * (row % 8);
    int32_t words[8];
    if constexpr (kHalf) {
      std::memcpy(words, &operands.c[row / 8]->lane[lane], 16);
      for (int i = 0; i < 4; ++i) words[4 + i] = words[i] >> 16;
    } else {
      std::memcpy(words, &operands.c[2 * (row / 8)]->lane[lane], 16);
      std::memcpy(words + 4, &operands.c[2 * (row / 8) + 1]->lane[lane], 16);
    }
    Int8 vector;
    std::memcpy(&vector, words, sizeof vector);
    if constexpr (kHalf) {
      tensor_floats<TensorElement::F16, false>(vector, numbers.sum[row]);
      tensor_restore_specials(numbers.sum[row]);
    } else {
      numbers.sum[row] = reinterpret_cast<Float8>(vector);
    }
  }
}

// The largest exponent of each output's terms, of eight of k from `eight` * 8 on.
FA4_EMU_INLINE void tensor_align_eight(const TensorNumbers& numbers, size_t row, size_t eight,
                                       Int8& largest) {
  const size_t reg = row / 8 + 2 * eight;
  const int32_t* low = numbers.a_exponent[reg][0].number + 4 * (row % 8);
  const int32_t* high = numbers.a_exponent[reg][1].number + 4 * (row % 8);
  const Int8* b = numbers.b_exponent + 8 * eight;
#pragma GCC unroll 4
  for (int pair = 0; pair < 4; ++pair) {
    const Int8 first = b[2 * pair] + low[pair];
    largest = largest > first ? largest : first;
    const Int8 second = b[2 * pair + 1] + high[pair];
    largest = largest > second ? largest : second;
  }
}

// Of a step's terms, eights of k from `first` to `end`, and of C.
template <TensorElement kElement, bool kHalf>
FA4_EMU_INLINE void tensor_align(TensorNumbers& numbers, size_t first, size_t end, Int8& bad) {
  // A denormal f16 has the exponent of the smallest normal one, though as an f32 it is normal.
  constexpr int kSmallest = kHalf ? -14 : -126;
  constexpr int kBias = kElement == TensorElement::F16 ? 30 : 254;  // of a product
  for (size_t row = 0; row < 16; ++row) {
    const Int8 bits = reinterpret_cast<Int8>(numbers.sum[row]) & 0x7fffffff;
    const Int8 field = (bits >> 23) - 127;
    bad |= field > kTensorMost;
    const Int8 smallest = Int8{} + kSmallest;
    const Int8 exponent = (field > smallest ? field : smallest) + kBias;
    Int8 largest = bits == 0 ? Int8{} + kTensorNone : exponent;
    for (size_t eight = first; eight < end; ++eight) {
      tensor_align_eight(numbers, row, eight, largest);
    }
    largest -= kBias;
    const Int8 least = Int8{} + kTensorLeast;
    bad |= (largest < least) & (largest > kTensorNone / 2);
    numbers.largest[row] = largest > least ? largest : least;
  }
}

// Eight sums to the nearest f16, as f32; ties to even.
FA4_EMU_INLINE void tensor_round_half(const Double8& sum, Float8& rounded) {
  const Long8 exponent = ((reinterpret_cast<Long8>(sum) >> 52) & 0x7ff) - 1023;
  Long8 last = exponent < -14 ? Long8{} - 24 : exponent - 10;
  last = last > 20 ? Long8{} + 20 : last;  // infinite in any case
  // 1.5 * 2^(52 + last): what is added to it keeps no bits below 2^last.
  const Double8 ruler = reinterpret_cast<Double8>(((last + 1075) << 52) | (int64_t{1} << 51));
  const Double8 result = (sum + ruler) - ruler;  // +0 where a negative sum has become 0
  const Long8 sign = reinterpret_cast<Long8>(sum) & std::numeric_limits<int64_t>::min();
  const Long8 bits = reinterpret_cast<Long8>(result) | sign;
  rounded = __builtin_convertvector(reinterpret_cast<Double8>(bits), Float8);
}

// Eight terms lie below 2^30, and with C they fit.
FA4_EMU_INLINE void tensor_add_eight(const TensorNumbers& numbers, size_t row, size_t eight,
                                     const Float8& scale, Int8& sum) {
  const size_t reg = row / 8 + 2 * eight;
  const float* low = numbers.a[reg][0].number + 4 * (row % 8);
  const float* high = numbers.a[reg][1].number + 4 * (row % 8);
  const Float8* b = numbers.b + 8 * eight;
#pragma GCC unroll 4
  for (int pair = 0; pair < 4; ++pair) {
    sum += __builtin_convertvector(b[2 * pair] * low[pair] * scale, Int8);
    sum += __builtin_convertvector(b[2 * pair + 1] * high[pair] * scale, Int8);
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_add(TensorNumbers& numbers, size_t first, size_t end,
                               int fraction_bits) {
  for (size_t row = 0; row < 16; ++row) {
    const Int8 field = 127 + fraction_bits - numbers.largest[row];
    const Float8 scale = reinterpret_cast<Float8>(field << 23);
    // A term lies below 2^27; eight of them, and C, fit.
    Int8 eight = __builtin_convertvector(numbers.sum[row] * scale, Int8);
    tensor_add_eight(numbers, row, first, scale, eight);
    Double8 sum = __builtin_convertvector(eight, Double8);
    for (size_t next = first + 1; next < end; ++next) {
      eight = Int8{};
      tensor_add_eight(numbers, row, next, scale, eight);
      sum += __builtin_convertvector(eight, Double8);
    }
    const Float8 unit = reinterpret_cast<Float8>((254 - field) << 23);
    if constexpr (kHalf) {
      tensor_round_half(sum * __builtin_convertvector(unit, Double8), numbers.sum[row]);
      // Beyond the largest f16 lies infinity.
      const Int8 bits = reinterpret_cast<Int8>(numbers.sum[row]);
      const Int8 infinite = (bits & 0x7fffffff) >= 0x47800000;
      numbers.sum[row] =
          reinterpret_cast<Float8>(infinite ? (bits | 0x7f800000) & ~0x7fffff : bits);
    } else {
      const Long8 cut = reinterpret_cast<Long8>(sum) & ~int64_t{0x1fffffff};
      numbers.sum[row] = __builtin_convertvector(reinterpret_cast<Double8>(cut), Float8) * unit;
    }
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_store(const TensorNumbers& numbers, const TensorOperands& operands) {
  for (int row = 0; row < 16; ++row) {
    const int lane = 4 * (row % 8);
    const Int8 bits = reinterpret_cast<Int8>(numbers.sum[row]);
    const Int8 magnitude = bits & 0x7fffffff;
    const Int8 nan = magnitude > 0x7f800000;
    int32_t words[8];
    if constexpr (kHalf) {
      // What is below 2^-14 has 24 bits behind the point; the rest loses the low bits of its significand, which are 0.
      const Float8 small = reinterpret_cast<Float8>(magnitude) * 0x1p24f;
      const Int8 denormal = __builtin_convertvector(
          reinterpret_cast<Float8>(magnitude < 0x38800000 ? reinterpret_cast<Int8>(small) : Int8{}),
          Int8);
      const Int8 normal = (magnitude - (112 << 23)) >> 13;
      Int8 half = magnitude < 0x38800000 ? denormal : normal;
      half = magnitude >= 0x47800000 ? Int8{} + 0x7c00 : half;
      half = nan ? Int8{} + static_cast<int32_t>(kTensorNan16) : (half | ((bits >> 16) & 0x8000));
      std::memcpy(words, &half, sizeof half);
      for (int i = 0; i < 4; ++i) {
        words[i] = static_cast<int32_t>(static_cast<uint32_t>(words[i]) |
                                        static_cast<uint32_t>(words[4 + i]) << 16);
      }
      std::memcpy(&operands.d[static_cast<size_t>(row / 8)]->lane[lane], words, 16);
    } else {
      const Int8 result = nan ? Int8{} + static_cast<int32_t>(kTensorNan32) : bits;
      std::memcpy(words, &result, sizeof result);
      const auto reg = static_cast<size_t>(2 * (row / 8));
      std::memcpy(&operands.d[reg]->lane[lane], words, 16);
      std::memcpy(&operands.d[reg + 1]->lane[lane], words + 4, 16);
    }
  }
}

template <TensorElement kElement, bool kHalf>
void tensor_exact(const TensorKind& kind, const TensorOperands& operands) {
  TensorNumbers numbers;
  TensorRange range;
  tensor_load<kElement, true>(kind, operands, numbers, range);
  tensor_load_c<kHalf>(operands, numbers);
  bool plain = !tensor_serves<kElement>(range);
  const auto eights = static_cast<size_t>(kind.k / 8);
  const size_t step = kind.model == TensorModel::Ampere ? 1 : eights;
  const int fraction_bits = kind.model == TensorModel::Ampere ? 24 : 25;
  for (size_t first = 0; first < eights && !plain; first += step) {
    Int8 bad = {};
    tensor_align<kElement, kHalf>(numbers, first, first + step, bad);
    plain = tensor_any(bad);
    if (!plain) tensor_add<kHalf>(numbers, first, first + step, fraction_bits);
  }
  if (plain) {
    tensor_exact_plain(kind, operands);
  } else {
    tensor_store<kHalf>(numbers, operands);
  }
}

// In f32, k after k, four rows at a time.
template <TensorElement kElement, bool kHalf>
void tensor_fast(const TensorKind& kind, const TensorOperands& operands) {
  TensorNumbers numbers;
  TensorRange unused;
  tensor_load<kElement, false>(kind, operands, numbers, unused);
  tensor_load_c<kHalf>(operands, numbers);
  for (size_t row = 0; row < 16; row += 4) {
    Float8 sum0 = numbers.sum[row], sum1 = numbers.sum[row + 1];
    Float8 sum2 = numbers.sum[row + 2], sum3 = numbers.sum[row + 3];
    for (size_t eight = 0; eight < static_cast<size_t>(kind.k / 8); ++eight) {
      const size_t reg = row / 8 + 2 * eight;
      const float* low = numbers.a[reg][0].number + 4 * (row % 8);
      const float* high = numbers.a[reg][1].number + 4 * (row % 8);
#pragma GCC unroll 4
      for (size_t pair = 0; pair < 4; ++pair) {
        const Float8 first = numbers.b[8 * eight + 2 * pair];
        const Float8 second = numbers.b[8 * eight + 2 * pair + 1];
        sum0 += first * low[pair];
        sum1 += first * low[pair + 4];
        sum2 += first * low[pair + 8];
        sum3 += first * low[pair + 12];
        sum0 += second * high[pair];
        sum1 += second * high[pair + 4];
        sum2 += second * high[pair + 8];
        sum3 += second * high[pair + 12];
      }
    }
    const Float8 sums[4] = {sum0, sum1, sum2, sum3};
    for (size_t i = 0; i < 4; ++i) {
      if constexpr (kHalf) {
        tensor_round_half(__builtin_convertvector(sums[i], Double8), numbers.sum[row + i]);
      } else {
        numbers.sum[row + i] = sums[i];
      }
    }
  }
  tensor_store<kHalf>(numbers, operands);
}

template <TensorElement kElement, bool kHalf>
TensorFn tensor_pick(const TensorKind& kind) {
  return kind.model == TensorModel::Fast ? tensor_fast<kElement, kHalf>
                                         : tensor_exact<kElement, kHalf>;
}

TensorFn tensor_function(const TensorKind& kind) {
  if (kind.element == TensorElement::BF16) return tensor_pick<TensorElement::BF16, false>(kind);
  return kind.half_accumulator ? tensor_pick<TensorElement::F16, true>(kind)
                               : tensor_pick<TensorElement::F16, false>(kind);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
