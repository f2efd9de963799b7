// SPDX-License-Identifier: Apache-2.0
// Family "sm100": FlashAttention-4 on tcgen05 and tensor memory, for the Blackwell of data centres.
#pragma once

#include "plan/kernel_family.h"

namespace fa4::plan {

// `claims_tiles`: CTAs claim their next tile from those that have not been launched (FA4_CLAIM_TILES of docs/options.md).
const KernelFamily& sm100(bool claims_tiles = false);

}  // namespace fa4::plan
