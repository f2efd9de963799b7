// SPDX-License-Identifier: Apache-2.0
#include "emu/golden_wgmma.h"

#include "emu/golden.h"
#include "support/random.h"

namespace fa4::emu {
namespace {

using fa4::test::splitmix64;

constexpr uint32_t kWordsOfA = 2048;

// Exponent fields of elements of 8 bits, by distribution.
constexpr std::array<std::array<uint32_t, 2>, kGoldenDistributions> kFieldsE4M3 = {
    {{5, 8}, {1, 14}, {4, 9}, {0, 2}, {0, 14}, {11, 14}, {0, 14}, {0, 1}, {3, 11}}};
constexpr std::array<std::array<uint32_t, 2>, kGoldenDistributions> kFieldsE5M2 = {
    {{13, 16}, {1, 30}, {12, 17}, {0, 3}, {0, 30}, {24, 30}, {0, 30}, {0, 1}, {8, 20}}};

std::vector<uint32_t> bytes_of(uint64_t seed, size_t count, bool wide, size_t distribution,
                               GoldenMatrix matrix) {
  const GoldenDistribution& way = golden_way(distribution);
  const GoldenFormat format = wide ? GoldenFormat{8, 2} : GoldenFormat{8, 3};
  const std::array<uint32_t, 2>& fields =
      wide ? kFieldsE5M2[distribution] : kFieldsE4M3[distribution];
  std::vector<uint32_t> words(count, 0);
  for (size_t i = 0; i < 2 * count; ++i) {
    const uint64_t r = splitmix64(seed, i);
    const auto byte = [&](uint32_t at) {
      return golden_number(r >> at & 0xffff, r >> (32 + at) & 0xffff, format, fields, way);
    };
    const uint32_t low = byte(0);
    uint32_t high = byte(16);
    if ((splitmix64(seed + 7, i) & 15) < way.cancel) {
      high = low ^ (matrix == GoldenMatrix::A ? static_cast<uint32_t>(r >> 16 & 1) : 0x80u);
    }
    words[i / 2] |= (low | high << 8) << (16 * (i % 2));
  }
  return words;
}

std::vector<uint32_t> elements_of(uint64_t seed, size_t count, const std::string& format,
                                  size_t distribution, GoldenMatrix matrix) {
  const GoldenDistribution& way = golden_way(distribution);
  if (format == "f16") return golden_pairs(seed, count, {16, 10}, way.half, way, matrix);
  if (format == "bf16") return golden_pairs(seed, count, {16, 7}, way.brain, way, matrix);
  return bytes_of(seed, count, format == "e5m2", distribution, matrix);
}

}  // namespace

GoldenWgmma golden_wgmma(const nlohmann::json& row) {
  GoldenWgmma result;
  result.entry = row["entry"];
  result.n = row["n"];
  result.d = row["d"];
  result.a = row["a"];
  result.b = row["b"];
  result.registers = row["registers"];
  const auto has = [&](const char* word) { return result.entry.find(word) != std::string::npos; };
  result.transposed_a = has("_ta");
  result.transposed_b = has("_tb");
  result.negate_a = has("_na");
  result.negate_b = has("_nb") || has("_nanb");
  result.twice = has("_twice");
  result.scale_d = row["scale_d"] != 0;
  result.distribution = row["distribution"];
  result.products = row["products"];
  result.image_words = row["image_words"];
  for (size_t i = 0; i < 4; ++i) result.descriptors[i] = row["descriptors"][i];
  return result;
}

std::vector<uint32_t> golden_wgmma_inputs(const GoldenWgmma& row) {
  const uint64_t seed = 1000 * (row.distribution + 1);
  const size_t words_of_b = row.image_words - kWordsOfA;
  const std::vector<uint32_t> a = elements_of(seed + 1, size_t{row.products} * kWordsOfA, row.a,
                                              row.distribution, GoldenMatrix::A);
  const std::vector<uint32_t> b =
      elements_of(seed + 2, row.products * words_of_b, row.b, row.distribution, GoldenMatrix::B);
  std::vector<uint32_t> inputs(16, 0);
  inputs[1] = row.scale_d ? 1 : 0;
  for (size_t i = 0; i < 4; ++i) {
    inputs[2 + 2 * i] = static_cast<uint32_t>(row.descriptors[i]);
    inputs[3 + 2 * i] = static_cast<uint32_t>(row.descriptors[i] >> 32);
  }
  const auto append = [&](const std::vector<uint32_t>& from, size_t at, size_t count) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(at);
    inputs.insert(inputs.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  };
  for (size_t product = 0; product < row.products; ++product) {
    append(a, product * kWordsOfA, kWordsOfA);
    append(b, product * words_of_b, words_of_b);
  }
  if (row.registers) {
    const size_t count = size_t{row.products} * 512;
    append(elements_of(seed + 4, count, row.a, row.distribution, GoldenMatrix::A), 0, count);
  }
  const GoldenDistribution& way = golden_way(row.distribution);
  const size_t count = size_t{row.products} * row.num_d() * 128;
  if (row.d == "f16") {
    append(golden_pairs(seed + 3, count, {16, 10}, way.c16, way, GoldenMatrix::C), 0, count);
    return inputs;
  }
  for (size_t i = 0; i < count; ++i) {
    const uint64_t r = splitmix64(seed + 3, i);
    inputs.push_back(golden_number(static_cast<uint32_t>(r), static_cast<uint32_t>(r >> 32),
                                   {32, 23}, way.c32, way));
  }
  return inputs;
}

uint32_t wgmma_place(uint64_t descriptor, bool transposed, uint32_t row, uint32_t byte) {
  const auto start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
  const auto leading = static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4;
  const auto stride = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  constexpr uint32_t kSpans[4] = {16, 128, 64, 32};
  const uint32_t span = kSpans[descriptor >> 62];
  const uint32_t base = descriptor >> 49 & 7;
  uint32_t offset = 0;
  if (!transposed && span == 16) {
    offset = row % 8 * 16 + row / 8 * stride + byte / 16 * leading + byte % 16;
  } else if (!transposed) {
    offset = row % 8 * span + row / 8 * stride + byte;
  } else {  // 16-bit elements
    const uint32_t k = byte / 2, wide = span / 2;
    offset = span == 16 ? row % 8 * 2 + row / 8 * stride + k % 8 * 16 + k / 8 * leading
                        : row % wide * 2 + row / wide * leading + k % 8 * span + k / 8 * stride;
    offset += byte % 2;
  }
  const uint32_t at = start + offset;
  return at ^ ((((at >> 7) - base) & (span / 16 - 1)) << 4);
}

}  // namespace fa4::emu
