// SPDX-License-Identifier: Apache-2.0
#include "api/backends.h"

#include <vector>

#include "cpu/backend.h"
#include "gpu/backend.h"
#include "reference/backend.h"

namespace fa4::api {

std::span<const plan::Candidate> backends() {
  static const std::vector<plan::Candidate>& candidates = *[] {
    auto* list = new std::vector<plan::Candidate>{
        {.backend = &gpu::backend()},
        {.backend = &cpu::backend()},
        {.backend = &reference::reference_backend(), .judge = true},
        {.backend = &reference::plain_backend(), .judge = true}};
    for (const gpu::GpuBackend* emulated : gpu::emulated_backends()) {
      list->push_back({.backend = emulated, .emulated = true});
    }
    return list;
  }();
  return candidates;
}

}  // namespace fa4::api
