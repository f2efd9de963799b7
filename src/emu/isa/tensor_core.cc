// SPDX-License-Identifier: Apache-2.0
// The plain form of the exact models: one output after another, in 64-bit integers.
#include "emu/isa/tensor_core.h"

#include <algorithm>
#include <array>
#include <bit>

#include "emu/isa/fragments.h"
#include "emu/isa/tensor_rounding.h"

namespace fa4::emu::isa {
namespace {

constexpr int kTensorZeroExponent = -133;

struct TensorFormat {
  int mantissa_bits;
  int bias;
  uint32_t infinity;  // what is above is NaN
  uint32_t sign;
  bool has_infinity = true;  // else it is the largest number
};
constexpr TensorFormat kTensorF16 = {10, 15, 0x7c00, 0x8000};
constexpr TensorFormat kTensorBF16 = {7, 127, 0x7f80, 0x8000};
constexpr TensorFormat kTensorE4M3 = {3, 7, 0x7e, 0x80, false};
constexpr TensorFormat kTensorE5M2 = {2, 15, 0x7c, 0x80};
constexpr TensorFormat kTensorE2M3 = {3, 1, 0x1f, 0x20, false};
constexpr TensorFormat kTensorE3M2 = {2, 3, 0x1f, 0x20, false};
constexpr TensorFormat kTensorE2M1 = {1, 1, 0x7, 0x8, false};
// Without the low bits.
constexpr TensorFormat kTensorTF32 = {10, 127, 0x7f800000 >> 13, 0x80000000 >> 13};
constexpr TensorFormat kTensorF32 = {23, 127, 0x7f800000, 0x80000000};

const TensorFormat& tensor_format(TensorElement element) {
  switch (element) {
    case TensorElement::F16:
      return kTensorF16;
    case TensorElement::BF16:
      return kTensorBF16;
    case TensorElement::E4M3:
      return kTensorE4M3;
    case TensorElement::E5M2:
      return kTensorE5M2;
    case TensorElement::E2M3:
      return kTensorE2M3;
    case TensorElement::E3M2:
      return kTensorE3M2;
    case TensorElement::E2M1:
      return kTensorE2M1;
    case TensorElement::TF32:
      break;
  }
  return kTensorTF32;
}

// significand * 2^(exponent - mantissa_bits); a denormal number has the exponent of the smallest normal one.
struct TensorNumber {
  int64_t significand = 0;
  int exponent = kTensorZeroExponent;
  bool negative = false;
  bool infinite = false;
  bool nan = false;
};

TensorNumber tensor_number(uint32_t bits, const TensorFormat& format) {
  const uint32_t magnitude = bits & (format.sign - 1);
  TensorNumber number;
  number.negative = (bits & format.sign) != 0;
  number.infinite = format.has_infinity && magnitude == format.infinity;
  number.nan = magnitude > format.infinity;
  if (magnitude == 0) return number;
  const int field = static_cast<int>(magnitude >> format.mantissa_bits);
  const uint32_t hidden = uint32_t{1} << format.mantissa_bits;
  const uint32_t significand = (magnitude & (hidden - 1)) | (field == 0 ? 0 : hidden);
  number.significand =
      number.negative ? -static_cast<int64_t>(significand) : static_cast<int64_t>(significand);
  number.exponent = std::max(field, 1) - format.bias;
  return number;
}

// What becomes of infinities and NaN among the terms.
struct TensorSpecials {
  bool nan = false, plus = false, minus = false;

  void add_infinity(bool negative) { (negative ? minus : plus) = true; }
  void add(const TensorNumber& c) {
    nan |= c.nan;
    if (c.infinite) add_infinity(c.negative);
  }
  void add(const TensorNumber& a, const TensorNumber& b) {
    nan |= a.nan || b.nan;
    if (!a.infinite && !b.infinite) return;
    nan |= (!a.infinite && a.significand == 0) || (!b.infinite && b.significand == 0);
    add_infinity(a.negative != b.negative);
  }
};

// A term with `bits` fraction bits, cut toward zero to `fraction_bits` of them at 2^(exponent + distance).
int64_t tensor_cut(int64_t term, int bits, int fraction_bits, int distance) {
  const int shift = distance + bits - fraction_bits;
  if (shift > 62) return 0;
  const int64_t size = term < 0 ? -term : term;
  const int64_t magnitude = shift > 0 ? size >> shift : size << -shift;
  return term < 0 ? -magnitude : magnitude;
}

// A sum whose significand keeps so many bits behind its first.
int64_t tensor_shorten(int64_t sum, int bits) {
  const uint64_t magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  const int surplus = std::bit_width(magnitude) - 1 - bits;
  if (surplus <= 0) return sum;
  const auto cut = static_cast<int64_t>(magnitude >> surplus << surplus);
  return sum < 0 ? -cut : cut;
}

}  // namespace

template <class Code>
uint32_t tensor_step(const TensorRules& rules, const Code* a, const Code* b, int terms,
                     uint32_t c_bits) {
  const auto code = [](TensorElement element, Code bits) -> uint32_t {
    return element == TensorElement::TF32 ? uint32_t{bits} >> 13 : bits;
  };
  const TensorFormat& format_a = tensor_format(rules.a);
  const TensorFormat& format_b = tensor_format(rules.b);
  const TensorFormat& accumulator = rules.half_accumulator ? kTensorF16 : kTensorF32;
  TensorNumber c = tensor_number(c_bits, accumulator);
  if (c.significand != 0) c.exponent -= rules.c_shift;
  TensorSpecials specials;
  specials.add(c);
  int64_t products[kTensorMostTerms];
  int exponents[kTensorMostTerms];
  int largest = c.exponent;
  for (int k = 0; k < terms; ++k) {
    const TensorNumber x = tensor_number(code(rules.a, a[k]), format_a);
    const TensorNumber y = tensor_number(code(rules.b, b[k]), format_b);
    specials.add(x, y);
    products[k] = x.significand * y.significand;
    exponents[k] = products[k] == 0 ? kTensorZeroExponent : x.exponent + y.exponent;
    largest = std::max(largest, exponents[k]);
  }
  if (specials.nan || (specials.plus && specials.minus)) {
    return rules.half_accumulator ? kTensorNan16 : kTensorNan32;
  }
  if (specials.plus || specials.minus) {
    return accumulator.infinity | (specials.minus ? accumulator.sign : 0);
  }
  int64_t sum = tensor_cut(c.significand, accumulator.mantissa_bits, rules.fraction_bits,
                           largest - c.exponent);
  const int bits = format_a.mantissa_bits + format_b.mantissa_bits;
  for (int k = 0; k < terms; ++k) {
    sum += tensor_cut(products[k], bits, rules.fraction_bits, largest - exponents[k]);
  }
  const int unit = largest - rules.fraction_bits;
  if (rules.half_accumulator) return tensor_round16(sum, unit);
  return tensor_truncate32(tensor_shorten(sum, rules.result_bits), unit);
}

template uint32_t tensor_step(const TensorRules&, const uint16_t*, const uint16_t*, int, uint32_t);
template uint32_t tensor_step(const TensorRules&, const uint32_t*, const uint32_t*, int, uint32_t);

void tensor_exact_plain(const TensorKind& kind, const TensorOperands& operands) {
  const auto half = [](const auto& rows, FragmentPlace place) {
    const uint32_t word = rows[static_cast<size_t>(place.reg)]->lane[place.lane];
    return static_cast<uint16_t>(place.half == 0 ? word : word >> 16);
  };
  const bool ampere = kind.model == TensorModel::Ampere;
  const int step = ampere ? 8 : 16;
  const TensorRules rules = {kind.element, kind.element, kind.half_accumulator, ampere ? 24 : 25};
  std::array<Row, 4> d{};
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      std::array<uint16_t, 16> a{}, b{};
      for (int k = 0; k < kind.k; ++k) {
        a[static_cast<size_t>(k)] = half(operands.a, fragment_of_a(row, k));
        b[static_cast<size_t>(k)] = half(operands.b, fragment_of_b(k, column));
      }
      const FragmentPlace place =
          kind.half_accumulator ? fragment_of_c16(row, column) : fragment_of_c32(row, column);
      const auto reg = static_cast<size_t>(place.reg);
      uint32_t sum =
          kind.half_accumulator ? half(operands.c, place) : operands.c[reg]->lane[place.lane];
      for (int k = 0; k < kind.k; k += step) {
        sum = tensor_step(rules, a.data() + k, b.data() + k, std::min(step, kind.k - k), sum);
      }
      d[reg].lane[place.lane] |= sum << (16 * place.half);
    }
  }
  for (int reg = 0; reg < kind.num_c(); ++reg) {
    *operands.d[static_cast<size_t>(reg)] = d[static_cast<size_t>(reg)];
  }
}

TensorModel tensor_model(uint32_t arch, bool exact) {
  if (!exact) return TensorModel::Fast;
  return arch < 90 ? TensorModel::Ampere : TensorModel::Hopper;
}

}  // namespace fa4::emu::isa
