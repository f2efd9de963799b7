// SPDX-License-Identifier: Apache-2.0
// The two passes, instantiated for Exact and for Rounded<float32, bfloat16, float16>.
#pragma once

#include <cstddef>

#include "core/problem.h"

namespace fa4::reference {

template <class Number>
size_t forward_workspace_bytes(const Problem& problem, int threads);
template <class Number>
size_t backward_workspace_bytes(const Problem& problem, int threads);

template <class Number>
void forward(const Problem& problem, const ForwardTensors& tensors, int threads, void* workspace);
template <class Number>
void backward(const Problem& problem, const BackwardTensors& tensors, int threads, void* workspace);

}  // namespace fa4::reference
