// SPDX-License-Identifier: Apache-2.0
// Where a variable lies in SMEM.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// cvta.to.shared.u64: the 32-bit address, within the CTA's window, that all our wrappers take.
FA4_DEVICE u32 smem_address(const void* pointer) {
  return static_cast<u32>(__cvta_generic_to_shared(pointer));
}

}  // namespace fa4::ptx
