// SPDX-License-Identifier: Apache-2.0
// The cases of tests/emu/golden/tma.json: their maps and memories.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emu/golden.h"
#include "emu/machine/tensor_map.h"

namespace fa4::emu::test {

inline constexpr size_t kTmaTile = 8192, kTmaTensor = 16384;  // words

// The words of shared memory and of the tensor before a case.
struct TmaMemory {
  explicit TmaMemory(const std::string& generator) {
    static std::map<std::string, std::vector<uint32_t>> known;
    std::vector<uint32_t>& words = known[generator];
    if (words.empty()) {
      words = golden_inputs(generator == "ties" ? "stratified" : generator, 2);
      for (uint32_t& word : words) {
        if (generator == "ties")
          word = (word & 0xffffe000) | 0x1000;  // between two numbers of tf32
      }
    }
    tile.assign(words.begin(), words.begin() + kTmaTile);
    tensor.assign(words.begin() + kGoldenCount, words.begin() + kGoldenCount + kTmaTensor);
  }
  std::vector<uint32_t> tile, tensor;
};

// `map->address` is that of the tensor before.
inline void read_tma_map(const nlohmann::json& json, TensorMap* map) {
  static const char* const kTypes[] = {"u8",  "u16", "u32",  "s32",     "u64",  "s64",     "f16",
                                       "f32", "f64", "bf16", "f32_ftz", "tf32", "tf32_ftz"};
  if (json["type"].is_number()) {
    map->type = json["type"];
  } else {
    while (json["type"] != kTypes[map->type]) ++map->type;
  }
  map->rank = json.value("rank", static_cast<uint32_t>(json["sizes"].size()));
  map->address += json["byte_offset"].get<uint64_t>();
  map->interleave = json.value("interleave", 0u);
  map->swizzle = json["swizzle"];
  map->l2_promotion = json.value("l2", 0u);
  map->fill = json["fill"];
  if (map->type < kNumMapTypes) map->strides[0] = map->element_bytes();
  for (size_t d = 0; d < json["sizes"].size() && d < kMostTensorRank; ++d) {
    map->sizes[d] = json["sizes"][d];
    map->box[d] = json["box"][d];
    map->steps[d] = json["steps"][d];
    if (d != 0) map->strides[d] = json["strides"][d - 1];
  }
}

}  // namespace fa4::emu::test
