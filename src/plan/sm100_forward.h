// SPDX-License-Identifier: Apache-2.0
// The forward of family sm100: what it serves, its config, its grid and its tensor maps. Pure functions.
#pragma once

#include <vector>

#include "abi/sm100_forward.h"
#include "core/problem.h"
#include "plan/kernel_family.h"

namespace fa4::plan {

Status supports_sm100_forward(const Problem& problem, const DeviceFacts& device);
FamilyPlan prepare_sm100_forward(const Problem& problem, const DeviceFacts& device,
                                 bool claims_tiles);
std::vector<Launch> sm100_forward_launches(const Problem& problem, const FamilyPlan& plan,
                                           const ForwardTensors& tensors);

// The kernel as it is compiled: names and text are a function of the config alone.
KernelSpec sm100_forward_spec(const Sm100ForwardConfig& config);

// Of the exponentials, the share that FMA units compute.
double fma_share(const Exp2Share& share);

// q and out as TMA sees them, with the heads of a group as rows: [dim, group, queries, heads / group, batch].
TensorMapSpec query_map(const Problem& problem, const RowsView& view, int64_t dim, u32 group,
                        size_t offset);
// k and v: [dim, keys, kv_heads, batch].
TensorMapSpec key_map(const Problem& problem, const RowsView& view, int64_t dim, size_t offset);

// Whether TMA serves a tensor of these extents, and the reason if not. `name` is the tensor's.
Status tma_serves(const RowsView& view, const char* name, int64_t batch, int64_t rows,
                  int64_t heads);

}  // namespace fa4::plan
