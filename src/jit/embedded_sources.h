// SPDX-License-Identifier: Apache-2.0
// src/kernels as text; its body is written by scripts/embed-sources when the library is built.
#pragma once

#include <span>
#include <string_view>

namespace fa4::jit {

struct EmbeddedSource {
  std::string_view name;  // from src/kernels: "ptx/mma.h"
  std::string_view text;
};

std::span<const EmbeddedSource> embedded_sources();

}  // namespace fa4::jit
