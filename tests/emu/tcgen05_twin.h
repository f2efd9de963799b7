// SPDX-License-Identifier: Apache-2.0
// tcgen05.mma once more, one element after another, from the tables of the manual (PTX ISA 9.0, 9.7.16) and in double precision:
// what the machine is tested against. It shares nothing with src/emu/isa.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fa4::emu::test {

enum class TwinType : uint8_t { F16, BF16, TF32, E4M3, E5M2, E2M3, E3M2, E2M1 };
inline constexpr TwinType kTwinNarrow[] = {TwinType::E4M3, TwinType::E5M2, TwinType::E2M3,
                                           TwinType::E3M2, TwinType::E2M1};
uint32_t twin_code(TwinType type);  // in an instruction descriptor
uint32_t twin_bits(TwinType type);

// A number as the tensor core sees it: a zero has no exponent, a denormal number that of the smallest normal one.
struct TwinNumber {
  double value = 0;  // infinite and NaN as such
  int exponent = 0;
};
TwinNumber twin_number(TwinType type, uint32_t bits);
TwinNumber twin_float(uint32_t bits);

// One output: terms and C, 25 fraction bits, as f32 or f16 bits. c_shift: scale-input-d.
uint32_t twin_sum(const std::vector<std::array<TwinNumber, 2>>& factors, TwinNumber c, int c_shift,
                  bool half);

enum class TwinSwizzle : uint8_t { None = 0, B128Atom32 = 1, B128 = 2, B64 = 4, B32 = 6 };

// An operand in shared memory: where its elements lie, and its descriptor.
struct TwinMatrix {
  TwinType type = TwinType::BF16;
  bool mn_major = false;
  TwinSwizzle swizzle = TwinSwizzle::None;
  uint32_t start = 0, leading = 0, stride = 0, base = 0;

  uint64_t descriptor() const;
  // The shared offset of the 16 bytes, and the bit therein, at which an element begins.
  std::array<uint32_t, 2> place(uint32_t row, uint32_t k) const;
  void write(std::vector<uint8_t>* shared, uint32_t row, uint32_t k, uint32_t code) const;
  uint32_t read(const std::vector<uint8_t>& shared, uint32_t row, uint32_t k) const;
};

// A whole instruction. Memory is of one CTA or of two.
struct TwinMma {
  uint32_t group = 1, m = 128, n = 64;
  TwinMatrix a, b;
  bool half = false, negate_a = false, negate_b = false, accumulate = true;
  int c_shift = 0;
  bool tensor_a = false;  // A in tensor memory, from column a_column on
  bool shifted = false;
  uint32_t d_column = 0, a_column = 0, lane = 0;
  std::array<uint32_t, 8> disabled{};

  uint32_t k() const;
  uint32_t instruction() const;
  uint32_t d_columns() const;

  // Element (m, n) of D: its CTA, lane and column behind d_column.
  std::array<uint32_t, 3> place_of_d(uint32_t row, uint32_t column) const;
  // What D becomes: [cta][lane][column] of d_columns() each, from shared memory and tensor memory [cta][lane][column of 512].
  std::vector<uint32_t> run(const std::vector<std::vector<uint8_t>>& shared,
                            const std::vector<std::vector<uint32_t>>& tensor) const;
};

}  // namespace fa4::emu::test
