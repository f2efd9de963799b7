// SPDX-License-Identifier: Apache-2.0
// Architectures as data: what can be planned and compiled for without being here.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "plan/launch.h"

namespace fa4::device {

// One well-known device of each architecture.
struct Model {
  plan::DeviceFacts facts;
  const char* example;  // whose numbers these are
};

std::span<const Model> models();
const Model* find_model(std::string_view arch);  // null: not in the table
std::string model_names();                       // "sm_80, sm_86, …"

// What NVRTC is told for a compute capability: 90 -> "sm_90a".
std::string arch_of(int compute_capability);

}  // namespace fa4::device
