// SPDX-License-Identifier: Apache-2.0
// The memory that the kernels of a run may touch, by name: each tensor from its first to its last byte, and the
// workspace.
#pragma once

#include <vector>

#include "core/problem.h"
#include "device/device.h"

namespace fa4::gpu {

std::vector<device::Buffer> forward_buffers(const Problem& problem, const ForwardTensors& tensors,
                                            void* workspace, size_t workspace_bytes);
std::vector<device::Buffer> backward_buffers(const Problem& problem, const BackwardTensors& tensors,
                                             void* workspace, size_t workspace_bytes);

}  // namespace fa4::gpu
