// SPDX-License-Identifier: Apache-2.0
#include "emu/tcgen05_twin.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace fa4::emu::test {
namespace {

struct TwinFormat {
  int exponent_bits, fraction_bits;
  bool infinity, nan;
};

TwinFormat twin_format(TwinType type) {
  switch (type) {
    case TwinType::F16:
      return {5, 10, true, true};
    case TwinType::BF16:
      return {8, 7, true, true};
    case TwinType::TF32:
      return {8, 10, true, true};
    case TwinType::E4M3:
      return {4, 3, false, true};
    case TwinType::E5M2:
      return {5, 2, true, true};
    case TwinType::E2M3:
      return {2, 3, false, false};
    case TwinType::E3M2:
      return {3, 2, false, false};
    case TwinType::E2M1:
      break;
  }
  return {2, 1, false, false};
}

TwinNumber twin_decode(uint32_t bits, const TwinFormat& format) {
  const int fraction_bits = format.fraction_bits;
  const uint32_t fraction = bits & ((1u << fraction_bits) - 1);
  const uint32_t top = (1u << format.exponent_bits) - 1;
  const uint32_t field = bits >> fraction_bits & top;
  const double sign = (bits >> (fraction_bits + format.exponent_bits) & 1) != 0 ? -1 : 1;
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  TwinNumber number;
  number.exponent = std::max<int>(static_cast<int>(field), 1) - bias;
  const bool all_ones = fraction == (1u << fraction_bits) - 1;
  if (format.infinity && field == top) {
    number.value = fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                                 : std::numeric_limits<double>::quiet_NaN();
  } else if (!format.infinity && format.nan && field == top && all_ones) {
    number.value = std::numeric_limits<double>::quiet_NaN();
  } else {
    const double significand =
        (field == 0 ? 0.0 : 1.0) + std::ldexp(static_cast<double>(fraction), -fraction_bits);
    number.value = sign * std::ldexp(significand, number.exponent);
  }
  return number;
}

// Toward zero, to a multiple of 2^last.
double twin_cut(double value, int last) {
  return std::ldexp(std::trunc(std::ldexp(value, -last)), last);
}

uint32_t twin_f32(double value) {
  if (value == 0) return 0;
  const int exponent = std::ilogb(value);
  const double cut = twin_cut(value, std::max(exponent - 23, -149));
  if (cut == 0) return 0;
  if (std::abs(cut) >= 0x1p128) return value < 0 ? 0xff800000 : 0x7f800000;
  return std::bit_cast<uint32_t>(static_cast<float>(cut));
}

uint32_t twin_f16(double value) {
  const uint32_t sign = value < 0 ? 0x8000 : 0;
  const double size = std::abs(value);
  if (size == 0) return 0;
  const int last = std::max(std::ilogb(size) - 10, -24);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(size, -last)), last);
  if (rounded == 0) return 0;
  if (rounded >= 65536) return sign | 0x7c00;
  const int exponent = std::ilogb(rounded);
  if (exponent < -14) return sign | static_cast<uint32_t>(std::ldexp(rounded, 24));
  return sign | static_cast<uint32_t>(exponent + 15) << 10 |
         static_cast<uint32_t>(std::ldexp(rounded, 10 - exponent) - 1024);
}

}  // namespace

uint32_t twin_code(TwinType type) {
  constexpr uint32_t kCodes[] = {0, 1, 2, 0, 1, 3, 4, 5};
  return kCodes[static_cast<size_t>(type)];
}

uint32_t twin_bits(TwinType type) {
  const TwinFormat format = twin_format(type);
  return type == TwinType::TF32
             ? 32
             : static_cast<uint32_t>(1 + format.exponent_bits + format.fraction_bits);
}

TwinNumber twin_number(TwinType type, uint32_t bits) {
  return twin_decode(type == TwinType::TF32 ? bits >> 13 : bits, twin_format(type));
}

TwinNumber twin_float(uint32_t bits) { return twin_decode(bits, {8, 23, true, true}); }

uint32_t twin_sum(const std::vector<std::array<TwinNumber, 2>>& factors, TwinNumber c, int c_shift,
                  bool half) {
  double specials = c.value * 0;  // NaN if there is one
  double infinite = std::isinf(c.value) ? c.value : 0;
  int largest = c.value == 0 ? -133 : c.exponent - c_shift;
  specials = 0;
  if (std::isnan(c.value)) specials = c.value;
  for (const auto& [a, b] : factors) {
    const double product = a.value * b.value;
    if (std::isnan(product)) specials = product;
    if (std::isinf(product)) infinite += product;
    if (product != 0) largest = std::max(largest, a.exponent + b.exponent);
  }
  if (std::isnan(specials) || std::isnan(infinite)) return half ? 0x7fff : 0x7fffffff;
  if (infinite != 0) {
    return half ? (infinite < 0 ? 0xfc00 : 0x7c00) : (infinite < 0 ? 0xff800000 : 0x7f800000);
  }
  const int last = largest - 25;
  double sum = twin_cut(std::ldexp(c.value, -c_shift), last);
  for (const auto& [a, b] : factors) sum += twin_cut(a.value * b.value, last);
  return half ? twin_f16(sum) : twin_f32(sum);
}

uint64_t TwinMatrix::descriptor() const {
  return uint64_t{start >> 4} | uint64_t{leading >> 4} << 16 | uint64_t{stride >> 4} << 32 |
         uint64_t{1} << 46 | uint64_t{base} << 49 | static_cast<uint64_t>(swizzle) << 61;
}

// 9.7.16.5: canonical layouts, in bytes.
std::array<uint32_t, 2> TwinMatrix::place(uint32_t row, uint32_t k) const {
  const uint32_t stored =
      std::max(8u, twin_bits(type));  // a place, in bits: smaller ones share 16 of them
  const uint32_t bytes = stored / 8, in_unit = 16 / bytes;
  const uint32_t span = swizzle == TwinSwizzle::None  ? 16
                        : swizzle == TwinSwizzle::B32 ? 32
                        : swizzle == TwinSwizzle::B64 ? 64
                                                      : 128;
  uint32_t at = start;
  if (!mn_major) {
    const uint32_t along = k * bytes;
    at += swizzle == TwinSwizzle::None
              ? row % 8 * 16 + row / 8 * stride + along / 16 * leading + along % 16
              : row % 8 * span + row / 8 * stride + along;
  } else if (swizzle == TwinSwizzle::None) {
    at += row % in_unit * bytes + row / in_unit * stride + k % 8 * 16 + k / 8 * leading;
  } else {
    const uint32_t in_span = span / bytes, deep = swizzle == TwinSwizzle::B128Atom32 ? 4 : 8;
    at += row % in_span * bytes + row / in_span * leading + k % deep * span + k / deep * stride;
  }
  const uint32_t line = (at >> 7) - base;
  switch (swizzle) {
    case TwinSwizzle::None:
      break;
    case TwinSwizzle::B128Atom32:
      at ^= (line & 3) << 5;
      break;
    case TwinSwizzle::B128:
      at ^= (line & 7) << 4;
      break;
    case TwinSwizzle::B64:
      at ^= (line & 3) << 4;
      break;
    case TwinSwizzle::B32:
      at ^= (line & 1) << 4;
      break;
  }
  const uint32_t in_place = at % 16 / bytes;
  return {at - at % 16, in_place * (stored > twin_bits(type) ? twin_bits(type) : stored)};
}

void TwinMatrix::write(std::vector<uint8_t>* shared, uint32_t row, uint32_t k,
                       uint32_t code) const {
  const auto [unit, bit] = place(row, k);
  for (uint32_t i = 0; i < twin_bits(type); ++i) {
    uint8_t& byte = (*shared)[unit + (bit + i) / 8];
    const auto mask = static_cast<uint8_t>(1u << (bit + i) % 8);
    byte = static_cast<uint8_t>((code >> i & 1) != 0 ? byte | mask : byte & ~mask);
  }
}

uint32_t TwinMatrix::read(const std::vector<uint8_t>& shared, uint32_t row, uint32_t k) const {
  const auto [unit, bit] = place(row, k);
  uint32_t code = 0;
  for (uint32_t i = 0; i < twin_bits(type); ++i) {
    code |= static_cast<uint32_t>(shared[unit + (bit + i) / 8] >> (bit + i) % 8 & 1) << i;
  }
  return code;
}

uint32_t TwinMma::k() const { return 32 / std::max(1u, twin_bits(a.type) / 8); }

uint32_t TwinMma::instruction() const {
  return (half ? 0u : 1u) << 4 | twin_code(a.type) << 7 | twin_code(b.type) << 10 |
         (negate_a ? 1u : 0u) << 13 | (negate_b ? 1u : 0u) << 14 | (a.mn_major ? 1u : 0u) << 15 |
         (b.mn_major ? 1u : 0u) << 16 | n / 8 << 17 | m / 16 << 24;
}

uint32_t TwinMma::d_columns() const { return group == 2 && m == 128 ? n / 2 : n; }

std::array<uint32_t, 3> TwinMma::place_of_d(uint32_t row, uint32_t column) const {
  if (group == 2 && m == 256) return {row / 128, row % 128, column};
  if (group == 2) return {row / 64, row % 64 + (column >= n / 2 ? 64u : 0u), column % (n / 2)};
  if (m == 128) return {0, row, column};
  return {0, row / 16 * 32 + row % 16 + lane, column};
}

std::vector<uint32_t> TwinMma::run(const std::vector<std::vector<uint8_t>>& shared,
                                   const std::vector<std::vector<uint32_t>>& tensor) const {
  const uint32_t columns = d_columns();
  std::vector<uint32_t> d(size_t{group} * 128 * columns);
  const auto old = [&](uint32_t cta, uint32_t at_lane, uint32_t column) {
    return tensor[cta][at_lane * 512 + column];
  };
  for (uint32_t cta = 0; cta < group; ++cta) {
    for (uint32_t at = 0; at < 128 * columns; ++at) {
      d[cta * 128 * columns + at] = old(cta, at / columns, d_column + at % columns);
    }
  }
  const uint32_t rows_of_cta = m / group, columns_of_cta = n / group, terms = k();
  const auto number = [&](TwinType type, uint32_t code, bool negate) {
    TwinNumber value = twin_number(type, code);
    if (negate) value.value = -value.value;
    return value;
  };
  std::vector<TwinNumber> of_b;
  for (uint32_t column = 0; column < n; ++column) {
    const uint32_t owner = column / columns_of_cta;
    for (uint32_t i = 0; i < terms; ++i) {
      of_b.push_back(
          number(b.type, b.read(shared[owner], column - owner * columns_of_cta, i), negate_b));
    }
  }
  // The row in a lane of tensor memory.
  const auto tensor_code = [&](uint32_t cta, uint32_t at_lane, uint32_t i) {
    const uint32_t bytes = 32 / terms, from = shifted && at_lane < 127 ? at_lane + 1 : at_lane;
    const uint32_t word = old(cta, from, a_column + i * bytes / 4);
    uint32_t code = bytes == 4 ? word : word >> (i * bytes % 4 * 8) & ((1u << 8 * bytes) - 1);
    if (a.type == TwinType::E2M1) code = code >> 2 & 0xf;
    return twin_bits(a.type) == 6 ? code & 0x3f : code;
  };
  std::vector<std::array<TwinNumber, 2>> factors(terms);
  for (uint32_t row = 0; row < m; ++row) {
    for (uint32_t column = 0; column < n; ++column) {
      const auto [cta, at_lane, at_column] = place_of_d(row, column);
      if ((disabled[4 * cta + at_lane / 32] >> at_lane % 32 & 1) != 0) continue;
      for (uint32_t i = 0; i < terms; ++i) {
        if (column == 0 || tensor_a) {
          const uint32_t code = tensor_a ? tensor_code(cta, at_lane, i)
                                         : a.read(shared[cta], row - cta * rows_of_cta, i);
          factors[i][0] = number(a.type, code, negate_a);
        }
        factors[i][1] = of_b[column * terms + i];
      }
      uint32_t& word = d[(cta * 128 + at_lane) * columns + at_column];
      TwinNumber c;
      if (accumulate) c = half ? twin_number(TwinType::F16, word & 0xffff) : twin_float(word);
      const uint32_t sum = twin_sum(factors, c, c_shift, half);
      word = half ? sum | 0xffff0000 : sum;  // the machine's freedom: the upper half is ones
    }
  }
  return d;
}

}  // namespace fa4::emu::test
