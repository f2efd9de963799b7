// SPDX-License-Identifier: Apache-2.0
// The rows of tests/emu/golden/wgmma.json: their inputs made anew (scripts/record-wgmma has the rules).
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace fa4::emu {

struct GoldenWgmma {
  std::string entry;
  uint32_t n = 0;
  std::string d, a, b;  // "f32", "e4m3"
  bool registers = false;
  bool transposed_a = false, transposed_b = false;
  bool negate_a = false, negate_b = false;
  bool twice = false;
  bool scale_d = true;
  size_t distribution = 0;
  uint32_t products = 0;
  uint32_t image_words = 0;
  std::array<uint64_t, 4> descriptors{};  // of A, B, the second A, the second B

  uint32_t element_bytes() const { return a == "f16" || a == "bf16" ? 2 : 1; }
  uint32_t num_d() const { return d == "f32" ? n / 2 : n / 4; }
  // Where they begin among the inputs, in words.
  size_t image_at(uint32_t product) const { return 16 + size_t{product} * image_words; }
  size_t a_at(uint32_t product) const { return image_at(products) + size_t{product} * 512; }
  size_t c_at(uint32_t product) const {
    return (registers ? a_at(products) : image_at(products)) + size_t{product} * num_d() * 128;
  }
};

GoldenWgmma golden_wgmma(const nlohmann::json& row);
std::vector<uint32_t> golden_wgmma_inputs(const GoldenWgmma& row);

// Byte `byte` along k of a row of an operand: where a descriptor places it, by the manual's definition (PTX ISA 9.0,
// 9.7.15.5.1). What a descriptor of the machine is held against.
uint32_t wgmma_place(uint64_t descriptor, bool transposed, uint32_t row, uint32_t byte);

}  // namespace fa4::emu
