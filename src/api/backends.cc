// SPDX-License-Identifier: Apache-2.0
#include "api/backends.h"

#include "cpu/backend.h"
#include "gpu/backend.h"
#include "reference/backend.h"

namespace fa4::api {

std::span<const plan::Candidate> backends() {
  static const plan::Candidate candidates[] = {
      {.backend = &gpu::backend()},
      {.backend = &cpu::backend()},
      {.backend = &reference::reference_backend(), .judge = true},
      {.backend = &reference::plain_backend(), .judge = true}};
  return candidates;
}

}  // namespace fa4::api
