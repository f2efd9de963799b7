// SPDX-License-Identifier: Apache-2.0
#include "emu/run/names.h"

#include <fmt/format.h>

namespace fa4::emu {

LaunchNames::LaunchNames(const Program& program, const KernelLaunch& launch)
    : program_(program), labels_(launch.labels) {}

std::string LaunchNames::shared_name(uint32_t offset) const {
  const uint32_t base = program_.dynamic_shared_base;
  for (const LaunchLabels::Shared& label : labels_.shared) {
    const uint64_t bytes = uint64_t{label.bytes} * label.count;
    if (offset < base + label.offset || offset - base - label.offset >= bytes) continue;
    const uint32_t inside = offset - base - label.offset;
    std::string name = label.name;
    if (label.count > 1) name += fmt::format("[{}]", inside / label.bytes);
    if (inside % label.bytes != 0) name += fmt::format("+{:#x}", inside % label.bytes);
    return name;
  }
  for (const Program::SharedVariable& variable : program_.shared_variables) {
    if (offset < variable.offset || offset - variable.offset >= variable.bytes) continue;
    const uint32_t inside = offset - variable.offset;
    if (inside == 0 && variable.element_bytes == variable.bytes) return variable.name;
    if (inside % variable.element_bytes == 0 && variable.element_bytes > 1) {
      return fmt::format("{}[{}]", variable.name, inside / variable.element_bytes);
    }
    return fmt::format("{}+{:#x}", variable.name, inside);
  }
  return "";
}

std::string LaunchNames::tensor_name(uint32_t column) const {
  for (const LaunchLabels::Tensor& label : labels_.tensor) {
    if (column < label.column || column - label.column >= label.columns * label.count) continue;
    const uint32_t inside = column - label.column;
    std::string name = label.name;
    if (label.count > 1) name += fmt::format("[{}]", inside / label.columns);
    if (inside % label.columns != 0) name += fmt::format("+{}", inside % label.columns);
    return name;
  }
  return "";
}

std::string LaunchNames::role(uint32_t warp) const {
  for (const LaunchLabels::Warps& label : labels_.warps) {
    if (warp >= label.first && warp <= label.last) return label.name;
  }
  return "";
}

}  // namespace fa4::emu
