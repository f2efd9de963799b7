// SPDX-License-Identifier: Apache-2.0
// Tensor cores against a twin in doubles and 128-bit integers, against what the GPU answered, and their layouts.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "emu/golden.h"
#include "emu/isa/fragments.h"
#include "emu/isa/tensor_core.h"

namespace fa4::emu::isa {
namespace {

constexpr TensorKind kTensorKinds[] = {
    {TensorElement::F16, false, 16, TensorModel::Fast},
    {TensorElement::F16, false, 8, TensorModel::Fast},
    {TensorElement::F16, true, 16, TensorModel::Fast},
    {TensorElement::F16, true, 8, TensorModel::Fast},
    {TensorElement::BF16, false, 16, TensorModel::Fast},
    {TensorElement::BF16, false, 8, TensorModel::Fast},
};

TensorKind with(TensorKind kind, TensorModel model) {
  kind.model = model;
  return kind;
}

std::string name_of(const TensorKind& kind) {
  return std::string(kind.element == TensorElement::F16 ? "f16" : "bf16") +
         (kind.half_accumulator ? " f16" : " f32") + (kind.k == 16 ? " k16" : " k8") +
         (kind.model == TensorModel::Fast     ? " fast"
          : kind.model == TensorModel::Ampere ? " ampere"
                                              : " hopper");
}

// The registers of one product.
struct Registers {
  Row a[4], b[2], c[4], d[4];

  TensorOperands operands() {
    TensorOperands all;
    for (size_t i = 0; i < 4; ++i) {
      all.a[i] = &a[i];
      all.c[i] = &c[i];
      all.d[i] = &d[i];
    }
    all.b = {&b[0], &b[1]};
    return all;
  }
};

Registers product_of(const GoldenMatrices& all, const TensorKind& kind, size_t at) {
  Registers registers{};
  const auto take = [at](Row* rows, const std::vector<uint32_t>& words, int count) {
    const size_t size = static_cast<size_t>(count) * kLanes;
    for (size_t i = 0; i < size; ++i) rows[i / kLanes].lane[i % kLanes] = words[at * size + i];
  };
  take(registers.a, all.a, kind.num_a());
  take(registers.b, all.b, kind.num_b());
  take(registers.c, all.c, kind.num_c());
  return registers;
}

uint32_t element_of(const Row* rows, FragmentPlace place, bool half) {
  const uint32_t word = rows[place.reg].lane[place.lane];
  return half ? (word >> (16 * place.half)) & 0xffff : word;
}

double half_value(uint32_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  const int field = static_cast<int>(bits >> 10 & 31);
  const double mantissa = bits & 0x3ff;
  if (field == 31) return mantissa != 0 ? std::nan("") : sign * INFINITY;
  return sign * (field == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, field - 25));
}

double value_of(uint32_t bits, const TensorKind& kind) {
  if (kind.element == TensorElement::F16) return half_value(bits);
  return std::bit_cast<float>(bits << 16);
}

// The exponent of a value in a format whose smallest normal number is 2^least.
int exponent_of(double value, int least) {
  return value == 0 ? -133 : std::max(std::ilogb(value), least);
}

uint32_t twin_f32(double sum) {
  if (std::isnan(sum)) return 0x7fffffff;
  if (std::isinf(sum) || std::fabs(sum) >= std::ldexp(1.0, 128)) {
    return sum < 0 ? 0xff800000 : 0x7f800000;
  }
  auto rounded = static_cast<float>(sum);
  if (std::fabs(static_cast<double>(rounded)) > std::fabs(sum))
    rounded = std::nextafter(rounded, 0.0f);
  return rounded == 0 ? 0 : std::bit_cast<uint32_t>(rounded);
}

uint32_t twin_f16(double sum) {
  if (std::isnan(sum)) return 0x7fff;
  const uint32_t sign = std::signbit(sum) ? 0x8000 : 0;
  const double magnitude = std::fabs(sum);
  if (magnitude >= 65520) return sign | 0x7c00;
  const int last = exponent_of(magnitude == 0 ? 1 : magnitude, -14) - 10;
  const auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, -last)));
  return units == 0 ? 0 : sign | ((static_cast<uint32_t>(last + 24) << 10) + units);
}

// One step of a model, by its definition.
uint32_t twin_step(const TensorKind& kind, const double* a, const double* b, int terms, double c) {
  const int bits = kind.model == TensorModel::Ampere ? 24 : 25;
  const int least = kind.element == TensorElement::F16 ? -14 : -126;
  double special = c * 0;
  for (int k = 0; k < terms; ++k) special += a[k] * b[k] * 0;
  if (std::isnan(special)) {
    double sum = c;
    for (int k = 0; k < terms; ++k) {
      // The sum of what is not finite; a finite term is nothing beside it.
      if (!std::isfinite(a[k] * b[k])) sum += a[k] * b[k];
    }
    if (!std::isfinite(sum)) return kind.half_accumulator ? twin_f16(sum) : twin_f32(sum);
  }
  int largest = exponent_of(c, kind.half_accumulator ? -14 : -126);
  for (int k = 0; k < terms; ++k) {
    if (a[k] * b[k] == 0) continue;
    largest = std::max(largest, exponent_of(a[k], least) + exponent_of(b[k], least));
  }
  const auto cut = [&](double term) {
    return static_cast<__int128>(std::trunc(std::ldexp(term, bits - largest)));
  };
  __int128 sum = cut(c);
  for (int k = 0; k < terms; ++k) sum += cut(a[k] * b[k]);
  const double value = std::ldexp(static_cast<double>(sum), largest - bits);
  return kind.half_accumulator ? twin_f16(value) : twin_f32(value);
}

// The fast form multiplies and adds in one rounding where the processor can, which makes a difference for products that f32
// does not hold.
bool depends_on_processor(const TensorKind& kind, const Registers& registers, int row, int column) {
  if (kind.model != TensorModel::Fast) return false;
  for (int k = 0; k < kind.k; ++k) {
    const double product =
        std::fabs(value_of(element_of(registers.a, fragment_of_a(row, k), true), kind) *
                  value_of(element_of(registers.b, fragment_of_b(k, column), true), kind));
    if (std::isfinite(product) && product != 0 && (product < 0x1p-126 || product >= 0x1p128)) {
      return true;
    }
  }
  return false;
}

uint32_t twin(const TensorKind& kind, const Registers& registers, int row, int column) {
  double a[16], b[16];
  for (int k = 0; k < kind.k; ++k) {
    a[k] = value_of(element_of(registers.a, fragment_of_a(row, k), true), kind);
    b[k] = value_of(element_of(registers.b, fragment_of_b(k, column), true), kind);
  }
  const FragmentPlace place =
      kind.half_accumulator ? fragment_of_c16(row, column) : fragment_of_c32(row, column);
  uint32_t sum = element_of(registers.c, place, kind.half_accumulator);
  const auto value = [&] {
    return kind.half_accumulator ? half_value(sum) : static_cast<double>(std::bit_cast<float>(sum));
  };
  if (kind.model == TensorModel::Fast) {
    auto total = static_cast<float>(value());
    for (int k = 0; k < kind.k; ++k) total += static_cast<float>(a[k]) * static_cast<float>(b[k]);
    if (kind.half_accumulator) return twin_f16(total);
    return std::isnan(total) ? 0x7fffffff : std::bit_cast<uint32_t>(total);
  }
  const int step = kind.model == TensorModel::Ampere ? 8 : kind.k;
  for (int k = 0; k < kind.k; k += step) sum = twin_step(kind, a + k, b + k, step, value());
  return sum;
}

GoldenShape shape_of(const TensorKind& kind) {
  return {kind.k, kind.half_accumulator, kind.element == TensorElement::BF16};
}

TEST(TensorCore, EqualsItsTwin) {
  for (const TensorKind& base : kTensorKinds) {
    for (const TensorModel model : {TensorModel::Fast, TensorModel::Ampere, TensorModel::Hopper}) {
      const TensorKind kind = with(base, model);
      const TensorFn function = tensor_function(kind);
      for (size_t distribution = 0; distribution < kGoldenDistributions; ++distribution) {
        const GoldenMatrices all = golden_matrices(shape_of(kind), distribution);
        for (size_t at = 0; at < kGoldenProducts; at += 4) {
          Registers registers = product_of(all, kind, at);
          function(kind, registers.operands());
          for (int row = 0; row < 16; ++row) {
            for (int column = 0; column < 8; ++column) {
              if (depends_on_processor(kind, registers, row, column)) continue;
              const FragmentPlace place = kind.half_accumulator ? fragment_of_c16(row, column)
                                                                : fragment_of_c32(row, column);
              const uint32_t got = element_of(registers.d, place, kind.half_accumulator);
              const uint32_t expected = twin(kind, registers, row, column);
              ASSERT_EQ(got, expected)
                  << name_of(kind) << " " << golden_distribution(distribution) << " product " << at
                  << " row " << row << " column " << column;
            }
          }
        }
      }
    }
  }
}

TEST(TensorCore, AllFormsAgree) {
  for (const TensorKind& base : kTensorKinds) {
    for (const TensorModel model : {TensorModel::Fast, TensorModel::Ampere, TensorModel::Hopper}) {
      const TensorKind kind = with(base, model);
      const std::vector<TensorFn> functions = tensor_functions(kind);
      for (size_t distribution = 0; distribution < kGoldenDistributions; ++distribution) {
        const GoldenMatrices all = golden_matrices(shape_of(kind), distribution);
        for (size_t at = 0; at < kGoldenProducts; at += 3) {
          Registers plain = product_of(all, kind, at);
          if (model == TensorModel::Fast) {
            functions.front()(kind, plain.operands());
          } else {
            tensor_exact_plain(kind, plain.operands());
          }
          for (const TensorFn function : functions) {
            Registers vector = product_of(all, kind, at);
            function(kind, vector.operands());
            for (int row = 0; row < 16; ++row) {
              for (int column = 0; column < 8; ++column) {
                if (depends_on_processor(kind, plain, row, column)) continue;
                const FragmentPlace place = kind.half_accumulator ? fragment_of_c16(row, column)
                                                                  : fragment_of_c32(row, column);
                ASSERT_EQ(element_of(vector.d, place, kind.half_accumulator),
                          element_of(plain.d, place, kind.half_accumulator))
                    << name_of(kind) << " " << golden_distribution(distribution) << " product "
                    << at << " row " << row << " column " << column;
              }
            }
          }
        }
      }
    }
  }
}

// D may lie where an operand is.
TEST(TensorCore, ResultsMayReplaceOperands) {
  for (const TensorKind& base : kTensorKinds) {
    for (const TensorModel model : {TensorModel::Fast, TensorModel::Hopper}) {
      const TensorKind kind = with(base, model);
      const GoldenMatrices all = golden_matrices(shape_of(kind), 4);  // some go to the plain form
      for (size_t at = 0; at < 32; ++at) {
        Registers apart = product_of(all, kind, at), inside = apart;
        tensor_function(kind)(kind, apart.operands());
        TensorOperands operands = inside.operands();
        for (size_t i = 0; i < 4; ++i) operands.d[i] = &inside.c[i];
        tensor_function(kind)(kind, operands);
        for (int reg = 0; reg < kind.num_c(); ++reg) {
          for (int lane = 0; lane < kLanes; ++lane) {
            ASSERT_EQ(apart.d[reg].lane[lane], inside.c[reg].lane[lane]) << name_of(kind);
          }
        }
      }
    }
  }
}

// A product of one pair of ones is one in one place: row and column of the manual's figures.
TEST(TensorCore, OneHot) {
  const TensorKind kind = {TensorElement::F16, false, 16, TensorModel::Hopper};
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      const int k = (5 * row + 3 * column) % 16;
      Registers registers{};
      // By the figures: lane = 4 * (row % 8) + (k % 8) / 2, register = row / 8 + 2 * (k / 8).
      registers.a[row / 8 + 2 * (k / 8)].lane[4 * (row % 8) + (k % 8) / 2] = 0x3c00u
                                                                             << (16 * (k % 2));
      registers.b[k / 8].lane[4 * column + (k % 8) / 2] = 0x4000u << (16 * (k % 2));
      tensor_function(kind)(kind, registers.operands());
      for (int reg = 0; reg < 4; ++reg) {
        for (int lane = 0; lane < kLanes; ++lane) {
          const int d_row = lane / 4 + 8 * (reg / 2), d_column = lane % 4 * 2 + reg % 2;
          const float expected = d_row == row && d_column == column ? 2.0f : 0.0f;
          ASSERT_EQ(std::bit_cast<float>(registers.d[reg].lane[lane]), expected);
        }
      }
    }
  }
}

TEST(TensorCore, EqualsTheGpu) {
  const auto page = golden_page("matrix");
  if (!page) GTEST_SKIP() << "tests/emu/golden/matrix.json has not been recorded";
  size_t rows = 0;
  for (const TensorKind& base : kTensorKinds) {
    const TensorKind kind = with(base, TensorModel::Hopper);
    const std::string name = std::string("mma_m16n8k") + (kind.k == 16 ? "16" : "8") +
                             (kind.half_accumulator ? "_f16" : "_f32") +
                             (kind.element == TensorElement::F16 ? "_f16" : "_bf16");
    for (size_t distribution = 0; distribution < kGoldenDistributions; ++distribution) {
      const GoldenMatrices all = golden_matrices(shape_of(kind), distribution);
      std::vector<uint32_t> outputs;
      for (size_t at = 0; at < kGoldenProducts; ++at) {
        Registers registers = product_of(all, kind, at);
        tensor_function(kind)(kind, registers.operands());
        for (int reg = 0; reg < kind.num_c(); ++reg) {
          outputs.insert(outputs.end(), registers.d[reg].lane, registers.d[reg].lane + kLanes);
        }
      }
      const std::string row = name + "." + golden_distribution(distribution);
      EXPECT_EQ(golden_difference((*page)["entries"][row], outputs), "") << row;
      ++rows;
    }
  }
  EXPECT_EQ(rows, (*page)["entries"].size());
}

}  // namespace
}  // namespace fa4::emu::isa
