// SPDX-License-Identifier: Apache-2.0
#include "gpu/families.h"

#include <cstdlib>
#include <string_view>

#include "plan/sm100.h"
#include "plan/sm80.h"

namespace fa4::gpu {

namespace {

bool claims_tiles() {
  const char* value = std::getenv("FA4_CLAIM_TILES");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace

std::span<const plan::KernelFamily* const> families() {
  static const plan::KernelFamily* const list[] = {&plan::sm100(claims_tiles()), &plan::sm80()};
  return list;
}

}  // namespace fa4::gpu
