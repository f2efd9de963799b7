// SPDX-License-Identifier: Apache-2.0
// The kernel families of this version, best first; FA4_CLAIM_TILES is read once.
#pragma once

#include <span>

#include "plan/kernel_family.h"

namespace fa4::gpu {

std::span<const plan::KernelFamily* const> families();

}  // namespace fa4::gpu
