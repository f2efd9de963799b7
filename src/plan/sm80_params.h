// SPDX-License-Identifier: Apache-2.0
// The problem as the kernels of family sm80 are launched with it.
#pragma once

#include "abi/attention.h"
#include "abi/tiles.h"
#include "core/problem.h"

namespace fa4::plan {

RowsParam rows_param(const RowsView& view);
LseParam lse_param(const LseView& view);
SinkParam sink_param(const VectorView& view);
ProblemParams problem_params(const Problem& problem);
ElementType element_of(const Problem& problem);

// The widest copy (16, 8 or 4 bytes by cp.async, 2 through registers) that a tensor's alignment, strides and dim allow.
uint32_t copy_bytes(const RowsView& view, int64_t dim);

// What holds for both passes: 16-bit types, dims up to 512, lengths that fit the kernels' indices.
Status supports_sizes(const Problem& problem);

}  // namespace fa4::plan
