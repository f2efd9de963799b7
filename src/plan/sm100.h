// SPDX-License-Identifier: Apache-2.0
// Family "sm100": FlashAttention-4 on tcgen05 and tensor memory, for the Blackwell of data centres.
#pragma once

#include "plan/kernel_family.h"

namespace fa4::plan {

const KernelFamily& sm100();

}  // namespace fa4::plan
