// SPDX-License-Identifier: Apache-2.0
// Which memory a call writes must be nobody else's. Decided exactly for strided tensors, so that views
// which interleave in one buffer (q, k and v of [B,S,3,H,D]) are accepted.
#pragma once

#include <span>

#include "api/tensors.h"

namespace fa4::api {

// Whether some byte belongs to both. Pathological strides that would take long to decide count as shared.
bool share_memory(const Tensor& a, const Tensor& b);

// No two elements of one output at the same address, no output over an input or another output.
Status check_outputs(std::span<const Tensor> outputs, std::span<const Tensor> inputs);

// The workspace lies over none of the tensors.
Status check_workspace_apart(const void* workspace, size_t size, std::span<const Tensor> tensors);

}  // namespace fa4::api
