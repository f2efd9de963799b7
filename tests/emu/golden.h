// SPDX-License-Identifier: Apache-2.0
// Golden vectors: the inputs of tests/emu/golden/README.md made anew, and the pages of what a GPU answered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace fa4::emu {

// The hash of a part of a row's outputs.
uint64_t golden_hash(const uint32_t* values, size_t count);

// The inputs of an elementwise row: all operands, one after another.
std::vector<uint32_t> golden_inputs(const std::string& generator, uint32_t planes);
inline constexpr uint32_t kGoldenCount = 65536;

struct GoldenFormat {
  uint32_t width, mantissa_bits;
};

struct GoldenDistribution {
  const char* name;
  std::array<uint32_t, 2> half, brain, c32, c16;  // least and largest exponent field
  uint32_t zeros, specials, cancel;               // of 16
};

enum class GoldenMatrix : uint8_t { A, B, C };

// A number from random bits and a choice; and words of two of 16 bits, that cancel in A and B as the distribution says.
uint32_t golden_number(uint32_t r, uint32_t choice, GoldenFormat format,
                       const std::array<uint32_t, 2>& exponents,
                       const GoldenDistribution& distribution);
std::vector<uint32_t> golden_pairs(uint64_t seed, size_t count, GoldenFormat format,
                                   const std::array<uint32_t, 2>& exponents,
                                   const GoldenDistribution& distribution, GoldenMatrix matrix);

struct GoldenShape {
  int k = 16;
  bool half_accumulator = false;
  bool brain = false;  // A and B are bf16
};

// Words of A, B and C: [product][register][lane].
struct GoldenMatrices {
  std::vector<uint32_t> a, b, c;
};
inline constexpr size_t kGoldenProducts = 256;
inline constexpr size_t kGoldenDistributions = 9;
const GoldenDistribution& golden_way(size_t index);
const char* golden_distribution(size_t index);
GoldenMatrices golden_matrices(const GoldenShape& shape, size_t distribution);

// The text of a program of tests/emu/golden: "sm_80".
std::string golden_program(const std::string& name);

// A page of tests/emu/golden; none: it has not been recorded.
std::optional<nlohmann::json> golden_page(const std::string& name);

// Where outputs differ from a row of a page: "" if they do not.
std::string golden_difference(const nlohmann::json& row, const std::vector<uint32_t>& outputs);

}  // namespace fa4::emu
