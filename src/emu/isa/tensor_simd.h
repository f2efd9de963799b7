// SPDX-License-Identifier: Apache-2.0
// The vector form of tensor cores, in a namespace for each instruction set (each_target.h). All of it must be compiled
// for its target, since a compiler splits a vector that the target does not have before it inlines anything.

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

template <TensorElement kElement, bool kExponents, size_t kK>
FA4_EMU_INLINE void tensor_load_a(const TensorOperands& operands, TensorNumbers& numbers,
                                  TensorRange& range) {
  FA4_EMU_UNROLL(4)
  for (size_t reg = 0; reg < kK / 4; ++reg) {
    for (size_t eight = 0; eight < kLanes / 8; ++eight) {
      Int8 words;
      tensor_words(&operands.a[reg]->lane[8 * eight], words);
      tensor_load_half<kElement, false, kExponents>(
          words, numbers.a[reg][0].vector[eight], numbers.a_exponent[reg][0].vector[eight], range);
      tensor_load_half<kElement, true, kExponents>(words, numbers.a[reg][1].vector[eight],
                                                   numbers.a_exponent[reg][1].vector[eight], range);
    }
  }
}

template <TensorElement kElement, bool kExponents, size_t kK>
FA4_EMU_INLINE void tensor_load_b(const TensorOperands& operands, TensorNumbers& numbers,
                                  TensorRange& range) {
  FA4_EMU_UNROLL(2)
  for (size_t reg = 0; reg < kK / 8; ++reg) {
    // A lane holds the pair lane % 4 of column lane / 4: in each half of a vector four by four are transposed.
    Int8 two[4];  // columns 0 1, 2 3, 4 5, 6 7
    FA4_EMU_UNROLL(4)
    for (size_t at = 0; at < 4; ++at) tensor_words(&operands.b[reg]->lane[8 * at], two[at]);
    const Int8 low01 = FA4_EMU_MIX(two[0], two[1], 0, 8, 1, 9, 4, 12, 5, 13);
    const Int8 low23 = FA4_EMU_MIX(two[2], two[3], 0, 8, 1, 9, 4, 12, 5, 13);
    const Int8 high01 = FA4_EMU_MIX(two[0], two[1], 2, 10, 3, 11, 6, 14, 7, 15);
    const Int8 high23 = FA4_EMU_MIX(two[2], two[3], 2, 10, 3, 11, 6, 14, 7, 15);
    const Int8 columns[4] = {FA4_EMU_MIX(low01, low23, 0, 1, 8, 9, 4, 5, 12, 13),
                             FA4_EMU_MIX(low01, low23, 2, 3, 10, 11, 6, 7, 14, 15),
                             FA4_EMU_MIX(high01, high23, 0, 1, 8, 9, 4, 5, 12, 13),
                             FA4_EMU_MIX(high01, high23, 2, 3, 10, 11, 6, 7, 14, 15)};
    for (size_t pair = 0; pair < 4; ++pair) {
      const size_t k = 8 * reg + 2 * pair;
      const Int8& words = columns[pair];
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
  FA4_EMU_UNROLL(4)
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
  FA4_EMU_UNROLL(4)
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

// A row of D. Where kHalf, the numbers are those of f16.
template <bool kHalf>
FA4_EMU_INLINE void tensor_store_row(const Float8& numbers, size_t row,
                                     const TensorOperands& operands) {
  const size_t lane = 4 * (row % 8);
  const Int8 bits = reinterpret_cast<Int8>(numbers);
  if constexpr (kHalf) {
    Int8 half;
    tensor_half_bits(numbers, half);
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

template <bool kHalf>
FA4_EMU_INLINE void tensor_store(const TensorNumbers& numbers, const TensorOperands& operands) {
  for (size_t row = 0; row < 16; ++row) tensor_store_row<kHalf>(numbers.sum[row], row, operands);
}

// kStep: eights of k that are added at once.
template <TensorElement kElement, bool kHalf, size_t kK, size_t kStep>
void tensor_exact(const TensorKind& kind, const TensorOperands& rows) {
  const TensorOperands operands = rows;  // where no store can reach it
  TensorNumbers numbers;
  TensorRange range;
  tensor_load_a<kElement, true, kK>(operands, numbers, range);
  tensor_load_b<kElement, true, kK>(operands, numbers, range);
  tensor_load_c<kHalf>(operands, numbers);
  tensor_leave_in_memory(numbers);
  bool plain = !tensor_serves<kElement>(range);
  const int fraction_bits = kind.model == TensorModel::Ampere ? 24 : 25;
  FA4_EMU_UNROLL(2)
  for (size_t first = 0; first < kK / 8 && !plain; first += kStep) {
    Int8 bad = {};
    tensor_align<kElement, kHalf>(numbers, first, first + kStep, bad);
    plain = tensor_any(bad);
    if (!plain) tensor_add<kHalf>(numbers, first, first + kStep, fraction_bits);
  }
  if (plain) {
    tensor_exact_plain(kind, operands);
  } else {
    tensor_store<kHalf>(numbers, operands);
  }
}

constexpr size_t kTensorVectors = kLanes / kWide;

// A's numbers: register, half of its words, lanes.
template <size_t kK>
using TensorFastA = Wide[kK / 4][2][kTensorVectors];

template <TensorElement kElement, size_t kK>
FA4_EMU_INLINE void tensor_load_fast_a(const TensorOperands& operands, TensorFastA<kK>& a) {
  FA4_EMU_UNROLL(4)
  for (size_t reg = 0; reg < kK / 4; ++reg) {
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTensorVectors; ++v) {
      WideBits words;
      std::memcpy(&words, &operands.a[reg]->lane[kWide * v], sizeof words);
      tensor_floats<kElement, false>(words, a[reg][0][v]);
      tensor_floats<kElement, true>(words, a[reg][1][v]);
      if constexpr (kElement == TensorElement::F16) {
        tensor_restore_specials(a[reg][0][v]);
        tensor_restore_specials(a[reg][1][v]);
      }
    }
  }
}

// Sums in f32 as the registers of C hold them: of rows 0 to 7 and 8 to 15 the even columns, and the odd ones.
struct TensorSums {
  Wide even[2][kTensorVectors], odd[2][kTensorVectors];
};

// Eights of rows that are summed together: as many sums as hide the latency of an addition, and no more than there are
// registers.
constexpr size_t kTensorEights = kWide / 8;

// The pair kPair of eight of k.
template <int kPair, size_t kK>
FA4_EMU_INLINE void tensor_add_pair(const TensorFastA<kK>& a, const Float8* b_of_k, size_t first,
                                    size_t eight, TensorSums& sums) {
  const float* const b = reinterpret_cast<const float*>(b_of_k + 8 * eight + 2 * kPair);
  FA4_EMU_UNROLL(2)
  for (size_t half = 0; half < 2; ++half) {
    Wide b_even, b_odd;
    tensor_repeat(b + 8 * half, b_even);
    tensor_repeat(b + 8 * half + 4, b_odd);
    FA4_EMU_UNROLL(2)
    for (size_t rows8 = first; rows8 < first + kTensorEights; ++rows8) {
      FA4_EMU_UNROLL(4)
      for (size_t v = 0; v < kTensorVectors; ++v) {
        Wide four;
        tensor_spread<kPair>(a[rows8 + 2 * eight][half][v], four);
        sums.even[rows8][v] = FA4_EMU_FMA(four, b_even, sums.even[rows8][v]);
        sums.odd[rows8][v] = FA4_EMU_FMA(four, b_odd, sums.odd[rows8][v]);
      }
    }
  }
}

// In f32, k after k: four lanes are a row, and have of A what the row has.
template <TensorElement kElement, bool kHalf, size_t kK>
void tensor_fast(const TensorKind&, const TensorOperands& rows) {
  const TensorOperands operands = rows;  // where no store can reach it
  TensorNumbers numbers;
  TensorFastA<kK> a;
  TensorSums sums;
  TensorRange unused;
  tensor_load_b<kElement, false, kK>(operands, numbers, unused);
  tensor_leave_in_memory(numbers.b);
  tensor_load_fast_a<kElement, kK>(operands, a);
  if constexpr (kWide == 8) tensor_leave_in_memory(a);  // there are not enough registers
  FA4_EMU_UNROLL(2)
  for (size_t rows8 = 0; rows8 < 2; ++rows8) {
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTensorVectors; ++v) {
      tensor_load_wide<kHalf>(operands.c.data(), rows8, kWide * v, sums.even[rows8][v],
                              sums.odd[rows8][v]);
    }
  }
  FA4_EMU_UNROLL(2)
  for (size_t first = 0; first < 2; first += kTensorEights) {
    FA4_EMU_UNROLL(2)
    for (size_t eight = 0; eight < kK / 8; ++eight) {
      tensor_add_pair<0, kK>(a, numbers.b, first, eight, sums);
      tensor_add_pair<1, kK>(a, numbers.b, first, eight, sums);
      tensor_add_pair<2, kK>(a, numbers.b, first, eight, sums);
      tensor_add_pair<3, kK>(a, numbers.b, first, eight, sums);
    }
  }
  FA4_EMU_UNROLL(2)
  for (size_t rows8 = 0; rows8 < 2; ++rows8) {
    FA4_EMU_UNROLL(4)
    for (size_t v = 0; v < kTensorVectors; ++v) {
      tensor_store_wide<kHalf>(operands.d.data(), rows8, kWide * v, sums.even[rows8][v],
                               sums.odd[rows8][v]);
    }
  }
}

// The function of a model, with so many k.
template <TensorElement kElement, bool kHalf, size_t kK>
TensorFn tensor_pick_k(TensorModel model) {
  if (model == TensorModel::Fast) return tensor_fast<kElement, kHalf, kK>;
  return model == TensorModel::Ampere ? tensor_exact<kElement, kHalf, kK, 1>
                                      : tensor_exact<kElement, kHalf, kK, kK / 8>;
}

template <TensorElement kElement, bool kHalf>
TensorFn tensor_pick(const TensorKind& kind) {
  return kind.k == 16 ? tensor_pick_k<kElement, kHalf, 16>(kind.model)
                      : tensor_pick_k<kElement, kHalf, 8>(kind.model);
}

TensorFn tensor_function(const TensorKind& kind) {
  if (kind.element == TensorElement::BF16) return tensor_pick<TensorElement::BF16, false>(kind);
  return kind.half_accumulator ? tensor_pick<TensorElement::F16, true>(kind)
                               : tensor_pick<TensorElement::F16, false>(kind);
}

}  // namespace FA4_EMU_TARGET
}  // namespace
}  // namespace fa4::emu::isa
