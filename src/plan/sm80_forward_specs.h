// SPDX-License-Identifier: Apache-2.0
// From the forward's configs to kernels as they are compiled: names and source text, each a function of the config alone.
#pragma once

#include "abi/sm80_forward.h"
#include "plan/launch.h"

namespace fa4::plan {

KernelSpec forward_spec(const Sm80ForwardConfig& config, u32 min_blocks);
KernelSpec decode_spec(const Sm80DecodeConfig& config, u32 min_blocks);
KernelSpec combine_spec(ElementType element);

}  // namespace fa4::plan
