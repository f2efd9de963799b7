// SPDX-License-Identifier: Apache-2.0
#include "device/models.h"

namespace fa4::device {
namespace {

constexpr int64_t operator""_KB(unsigned long long kilobytes) {
  return static_cast<int64_t>(kilobytes) << 10;
}
constexpr int64_t operator""_MB(unsigned long long megabytes) {
  return static_cast<int64_t>(megabytes) << 20;
}

}  // namespace

std::span<const Model> models() {
  // arch, capability, SMs, shared memory of a block and of an SM, L2. From the vendor's tables.
  static const Model rows[] = {
      {{"sm_80", 80, 108, 163_KB, 164_KB, 40_MB}, "A100"},
      {{"sm_86", 86, 82, 99_KB, 100_KB, 6_MB}, "RTX 3090"},
      {{"sm_89", 89, 128, 99_KB, 100_KB, 72_MB}, "RTX 4090"},
      {{"sm_90a", 90, 132, 227_KB, 228_KB, 50_MB}, "H100, H200"},
      {{"sm_100a", 100, 148, 227_KB, 228_KB, 126_MB}, "B200"},
      {{"sm_103a", 103, 148, 227_KB, 228_KB, 126_MB}, "B300"},
      {{"sm_120", 120, 170, 99_KB, 100_KB, 96_MB}, "RTX 5090"},
      {{"sm_121", 121, 48, 99_KB, 100_KB, 24_MB}, "GB10"},
  };
  return rows;
}

const Model* find_model(std::string_view arch) {
  for (const Model& model : models()) {
    if (model.facts.arch == arch) return &model;
  }
  return nullptr;
}

std::string model_names() {
  std::string names;
  for (const Model& model : models()) names += (names.empty() ? "" : ", ") + model.facts.arch;
  return names;
}

std::string arch_of(int compute_capability) {
  for (const Model& model : models()) {
    if (model.facts.compute_capability == compute_capability) return model.facts.arch;
  }
  return "sm_" + std::to_string(compute_capability);
}

}  // namespace fa4::device
