// SPDX-License-Identifier: Apache-2.0
// The vector form of tensor cores, in a namespace for each instruction set: tensor_simd.cc includes this file once
// for the baseline and once for AVX2. All of it must be compiled for its target, since a compiler splits a vector
// that the target does not have before it inlines anything.

namespace fa4::emu::isa {
namespace {
namespace FA4_EMU_TARGET {

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
  for (size_t reg = 0; reg < static_cast<size_t>(kind.num_b()); ++reg) {
    alignas(32) uint32_t columns[4][8];  // words of all columns side by side
    for (size_t column = 0; column < 8; ++column) {
      const uint32_t* lane = operands.b[reg]->lane + 4 * column;
      const size_t at = column / 2 + 4 * (column % 2);
      for (size_t pair = 0; pair < 4; ++pair) columns[pair][at] = lane[pair];
    }
    for (size_t pair = 0; pair < 4; ++pair) {
      const size_t k = 8 * reg + 2 * pair;
      Int8 words;
      std::memcpy(&words, columns[pair], sizeof words);
      tensor_load_half<kElement, false, kExponents>(words, numbers.b[k], numbers.b_exponent[k],
                                                    range);
      tensor_load_half<kElement, true, kExponents>(words, numbers.b[k + 1],
                                                   numbers.b_exponent[k + 1], range);
    }
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
    Int4 low, high;
    if constexpr (kHalf) {
      std::memcpy(&low, &operands.c[row / 8]->lane[lane], sizeof low);
      high = low >> 16;
    } else {
      std::memcpy(&low, &operands.c[2 * (row / 8)]->lane[lane], sizeof low);
      std::memcpy(&high, &operands.c[2 * (row / 8) + 1]->lane[lane], sizeof high);
    }
    const Int8 vector = FA4_EMU_JOIN(low, high);
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
    Int8 sum = __builtin_convertvector(numbers.sum[row] * scale, Int8), more = {};
    tensor_add_eight(numbers, row, first, scale, sum);
    if (first + 1 < end) tensor_add_eight(numbers, row, first + 1, scale, more);
    const Float8 unit = reinterpret_cast<Float8>((254 - field) << 23);
    Float4 low, high;
    tensor_round<kHalf>(FA4_EMU_LOW(sum), FA4_EMU_LOW(more), FA4_EMU_LOW(unit), low);
    tensor_round<kHalf>(FA4_EMU_HIGH(sum), FA4_EMU_HIGH(more), FA4_EMU_HIGH(unit), high);
    numbers.sum[row] = FA4_EMU_JOIN(low, high);
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_store(const TensorNumbers& numbers, const TensorOperands& operands) {
  for (size_t row = 0; row < 16; ++row) {
    const size_t lane = 4 * (row % 8);
    const Int8 bits = reinterpret_cast<Int8>(numbers.sum[row]);
    if constexpr (kHalf) {
      Int8 half;
      tensor_half_bits(numbers.sum[row], half);
      const Int4 low = FA4_EMU_LOW(half);
      const Int4 high = FA4_EMU_HIGH(half);
      const Int4 words = low | high << 16;
      std::memcpy(&operands.d[row / 8]->lane[lane], &words, sizeof words);
    } else {
      const Int8 nan = (bits & 0x7fffffff) > 0x7f800000;
      const Int8 result = nan ? Int8{} + static_cast<int32_t>(kTensorNan32) : bits;
      const Int4 low = FA4_EMU_LOW(result);
      const Int4 high = FA4_EMU_HIGH(result);
      std::memcpy(&operands.d[2 * (row / 8)]->lane[lane], &low, sizeof low);
      std::memcpy(&operands.d[2 * (row / 8) + 1]->lane[lane], &high, sizeof high);
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
        Float4 low, high;
        tensor_round_half(__builtin_convertvector(FA4_EMU_LOW(sums[i]), Double4), low);
        tensor_round_half(__builtin_convertvector(FA4_EMU_HIGH(sums[i]), Double4), high);
        numbers.sum[row + i] = FA4_EMU_JOIN(low, high);
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
