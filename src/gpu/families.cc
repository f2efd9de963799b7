// SPDX-License-Identifier: Apache-2.0
#include "gpu/families.h"

#include "plan/sm100.h"
#include "plan/sm80.h"

namespace fa4::gpu {

std::span<const plan::KernelFamily* const> families() {
  static const plan::KernelFamily* const list[] = {&plan::sm100(), &plan::sm80()};
  return list;
}

}  // namespace fa4::gpu
