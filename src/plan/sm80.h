// SPDX-License-Identifier: Apache-2.0
// Family "sm80": kernels of mma.sync, ldmatrix and cp.async, for every GPU since Ampere.
#pragma once

#include "plan/kernel_family.h"

namespace fa4::plan {

const KernelFamily& sm80();

}  // namespace fa4::plan
