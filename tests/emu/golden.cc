// SPDX-License-Identifier: Apache-2.0
#include "emu/golden.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "support/random.h"

namespace fa4::emu {
namespace {

using fa4::test::splitmix64;

constexpr std::array<GoldenDistribution, kGoldenDistributions> kDistributions = {{
    {"near", {13, 16}, {125, 128}, {124, 131}, {12, 18}, 0, 0, 0},
    {"wide", {1, 30}, {90, 160}, {100, 150}, {1, 30}, 1, 0, 0},
    {"cancel", {12, 17}, {122, 132}, {90, 120}, {1, 10}, 0, 0, 12},
    {"denormal", {0, 3}, {0, 70}, {0, 40}, {0, 3}, 1, 0, 0},
    {"special", {0, 30}, {0, 254}, {0, 254}, {0, 30}, 2, 1, 0},
    {"huge", {24, 30}, {180, 254}, {200, 254}, {24, 30}, 0, 0, 2},
    {"zero", {0, 30}, {100, 150}, {0, 2}, {0, 1}, 14, 0, 0},
    {"tiny", {0, 1}, {52, 66}, {0, 4}, {0, 1}, 1, 0, 6},
    {"spread", {8, 20}, {115, 139}, {115, 139}, {8, 20}, 1, 0, 4},
}};

uint32_t stratified(uint64_t seed, uint32_t i) {
  constexpr std::array<uint32_t, 4> kMantissas = {0, 1, 0x7fffff, 0x400000};
  const uint32_t step = i >> 9;
  const uint32_t mantissa = step < 4 ? kMantissas[step] : splitmix64(seed, i) & 0x7fffff;
  return (i & 1) << 31 | (i >> 1 & 255) << 23 | mantissa;
}

uint32_t any_float(uint64_t seed, uint32_t i) {
  constexpr std::array<uint32_t, 16> kEdges = {0,          0x80000000, 0x7f800000, 0xff800000,
                                               0x7fc00000, 0xffffffff, 0x7f800001, 0x3f800000,
                                               0xbf800000, 1,          0x80000001, 0x007fffff,
                                               0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff};
  const uint64_t r = splitmix64(seed, i);
  const auto bits = static_cast<uint32_t>(r), choice = static_cast<uint32_t>(r >> 32);
  if ((choice & 14) == 0) return kEdges[choice >> 4 & 15];
  if ((choice & 1) == 0) return bits;
  return (bits & 0x807fffff) | (124 + (choice >> 8 & 7)) << 23;
}

uint32_t any_pair(uint64_t seed, uint32_t i, uint32_t mantissa_bits, uint32_t middle) {
  const uint64_t r = splitmix64(seed, i);
  const uint32_t infinity = 0x7fffu >> mantissa_bits << mantissa_bits;
  const std::array<uint32_t, 8> edges = {
      0, 0x8000, infinity, infinity | 0x8000, 0x7fff, middle << mantissa_bits, 1, infinity - 1};
  uint32_t result = 0;
  for (uint32_t half = 0; half < 32; half += 16) {
    uint32_t bits = r >> half & 0xffff;
    const uint32_t choice = r >> (32 + half) & 0xffff;
    if ((choice & 1) != 0) {
      bits &= 0x8000 | ((1u << mantissa_bits) - 1);
      bits |= (middle - 3 + (choice >> 8 & 7)) << mantissa_bits;
    }
    if ((choice & 14) == 0) bits = edges[choice >> 4 & 7];
    result |= bits << half;
  }
  return result;
}

}  // namespace

uint64_t golden_hash(const uint32_t* values, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += splitmix64(values[i] | static_cast<uint64_t>(i) << 32, 0);
  }
  return sum;
}

std::vector<uint32_t> golden_inputs(const std::string& generator, uint32_t planes) {
  std::vector<uint32_t> words;
  for (uint64_t seed = 1; seed <= planes; ++seed) {
    for (uint32_t i = 0; i < kGoldenCount; ++i) {
      if (generator == "stratified") words.push_back(stratified(seed, i));
      if (generator == "floats") words.push_back(any_float(seed, i));
      if (generator == "halves") words.push_back(any_pair(seed, i, 10, 15));
      if (generator == "brains") words.push_back(any_pair(seed, i, 7, 127));
      if (generator == "words") words.push_back(static_cast<uint32_t>(splitmix64(seed, i)));
    }
  }
  return words;
}

uint32_t golden_number(uint32_t r, uint32_t choice, GoldenFormat format,
                       const std::array<uint32_t, 2>& exponents,
                       const GoldenDistribution& distribution) {
  const uint32_t mantissa = (1u << format.mantissa_bits) - 1;
  const uint32_t sign = 1u << (format.width - 1);
  const uint32_t infinity = (sign - 1) & ~mantissa;
  const uint32_t kind = choice & 15;
  if (kind < distribution.zeros) return r & sign;
  if (kind < distribution.zeros + distribution.specials && (choice >> 8 & 7) == 0) {
    return (r & (sign | ((r & 2) == 0 ? 0 : mantissa))) | infinity;
  }
  const uint32_t exponent =
      exponents[0] + (choice >> 4 & 0xfff) % (exponents[1] - exponents[0] + 1);
  return (r & (sign | mantissa)) | exponent << format.mantissa_bits;
}

std::vector<uint32_t> golden_pairs(uint64_t seed, size_t count, GoldenFormat format,
                                   const std::array<uint32_t, 2>& exponents,
                                   const GoldenDistribution& distribution, GoldenMatrix matrix) {
  std::vector<uint32_t> words(count);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t r = splitmix64(seed, i);
    const auto half = [&](uint32_t at) {
      return golden_number(r >> at & 0xffff, r >> (32 + at) & 0xffff, format, exponents,
                           distribution);
    };
    const uint32_t low = half(0);
    uint32_t high = half(16);
    if (matrix != GoldenMatrix::C && (splitmix64(seed + 7, i) & 15) < distribution.cancel) {
      high = low ^ (matrix == GoldenMatrix::A ? static_cast<uint32_t>(r >> 16 & 1) : 0x8000u);
    }
    words[i] = low | high << 16;
  }
  return words;
}

const GoldenDistribution& golden_way(size_t index) { return kDistributions[index]; }

const char* golden_distribution(size_t index) { return kDistributions[index].name; }

GoldenMatrices golden_matrices(const GoldenShape& shape, size_t distribution) {
  const GoldenDistribution& way = kDistributions[distribution];
  const uint64_t seed = 1000 * (distribution + 1);
  const auto num_a = static_cast<size_t>(shape.k / 4) * kGoldenProducts * 32;
  const GoldenFormat format = shape.brain ? GoldenFormat{16, 7} : GoldenFormat{16, 10};
  const std::array<uint32_t, 2>& exponents = shape.brain ? way.brain : way.half;
  GoldenMatrices result;
  result.a = golden_pairs(seed + 1, num_a, format, exponents, way, GoldenMatrix::A);
  result.b = golden_pairs(seed + 2, num_a / 2, format, exponents, way, GoldenMatrix::B);
  if (shape.half_accumulator) {
    result.c =
        golden_pairs(seed + 3, kGoldenProducts * 64, {16, 10}, way.c16, way, GoldenMatrix::C);
    return result;
  }
  for (size_t i = 0; i < kGoldenProducts * 128; ++i) {
    const uint64_t r = splitmix64(seed + 3, i);
    result.c.push_back(golden_number(static_cast<uint32_t>(r), static_cast<uint32_t>(r >> 32),
                                     {32, 23}, way.c32, way));
  }
  return result;
}

std::string golden_program(const std::string& name) {
  std::ifstream file("tests/emu/golden/" + name + ".ptx");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<nlohmann::json> golden_page(const std::string& name) {
  std::ifstream file("tests/emu/golden/" + name + ".json");
  if (!file) return std::nullopt;
  return nlohmann::json::parse(file);
}

std::string golden_difference(const nlohmann::json& row, const std::vector<uint32_t>& outputs) {
  if (row["count"] != outputs.size()) {
    return fmt::format("{} outputs; the page has {}", outputs.size(), row["count"].get<size_t>());
  }
  const auto& values = row["values"];
  const size_t stride = outputs.size() / values.size();
  for (size_t i = 0; i < values.size(); ++i) {
    const auto expected = values[i].get<uint32_t>();
    if (outputs[i * stride] == expected) continue;
    return fmt::format("output {} is {:#010x}; the GPU gave {:#010x}", i * stride,
                       outputs[i * stride], expected);
  }
  const auto& hashes = row["hashes"];
  const size_t part = outputs.size() / hashes.size();
  for (size_t i = 0; i < hashes.size(); ++i) {
    const std::string hash = fmt::format("{:016x}", golden_hash(outputs.data() + i * part, part));
    if (hash == hashes[i].get<std::string>()) continue;
    return fmt::format("outputs {} to {} are not those of the GPU", i * part, (i + 1) * part - 1);
  }
  return "";
}

}  // namespace fa4::emu
