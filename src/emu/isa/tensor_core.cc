// SPDX-License-Identifier: Apache-2.0
// The plain form of the exact models: one output after another, in 64-bit integers.
#include "emu/isa/tensor_core.h"

#include <algorithm>
#include <array>

#include "emu/isa/fragments.h"
#include "emu/isa/tensor_rounding.h"

namespace fa4::emu::isa {
namespace {

constexpr int kTensorZeroExponent = -133;

struct TensorFormat {
  int mantissa_bits;
  int bias;
  uint32_t infinity;
  uint32_t sign;
};
constexpr TensorFormat kTensorF16 = {10, 15, 0x7c00, 0x8000};
constexpr TensorFormat kTensorBF16 = {7, 127, 0x7f80, 0x8000};
constexpr TensorFormat kTensorF32 = {23, 127, 0x7f800000, 0x80000000};

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
  number.infinite = magnitude == format.infinity;
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
  if (distance > 62) return 0;
  const int64_t magnitude = (term < 0 ? -term : term) << (fraction_bits - bits) >> distance;
  return term < 0 ? -magnitude : magnitude;
}

uint32_t tensor_step(const TensorKind& kind, const uint16_t* a, const uint16_t* b, int terms,
                     uint32_t c_bits) {
  const int fraction_bits = kind.model == TensorModel::Ampere ? 24 : 25;
  const TensorFormat& format = kind.element == TensorElement::F16 ? kTensorF16 : kTensorBF16;
  const TensorFormat& accumulator = kind.half_accumulator ? kTensorF16 : kTensorF32;
  const TensorNumber c = tensor_number(c_bits, accumulator);
  TensorSpecials specials;
  specials.add(c);
  int64_t products[16];
  int exponents[16];
  int largest = c.exponent;
  for (int k = 0; k < terms; ++k) {
    const TensorNumber x = tensor_number(a[k], format);
    const TensorNumber y = tensor_number(b[k], format);
    specials.add(x, y);
    products[k] = x.significand * y.significand;
    exponents[k] = products[k] == 0 ? kTensorZeroExponent : x.exponent + y.exponent;
    largest = std::max(largest, exponents[k]);
  }
  if (specials.nan || (specials.plus && specials.minus)) {
    return kind.half_accumulator ? kTensorNan16 : kTensorNan32;
  }
  if (specials.plus || specials.minus) {
    return accumulator.infinity | (specials.minus ? accumulator.sign : 0);
  }
  int64_t sum =
      tensor_cut(c.significand, accumulator.mantissa_bits, fraction_bits, largest - c.exponent);
  for (int k = 0; k < terms; ++k) {
    sum += tensor_cut(products[k], 2 * format.mantissa_bits, fraction_bits, largest - exponents[k]);
  }
  const int unit = largest - fraction_bits;
  return kind.half_accumulator ? tensor_round16(sum, unit) : tensor_truncate32(sum, unit);
}

}  // namespace

void tensor_exact_plain(const TensorKind& kind, const TensorOperands& operands) {
  const auto half = [](const auto& rows, FragmentPlace place) {
    const uint32_t word = rows[static_cast<size_t>(place.reg)]->lane[place.lane];
    return static_cast<uint16_t>(place.half == 0 ? word : word >> 16);
  };
  const int step = kind.model == TensorModel::Ampere ? 8 : 16;
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
        sum = tensor_step(kind, a.data() + k, b.data() + k, std::min(step, kind.k - k), sum);
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
