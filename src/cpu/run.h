// SPDX-License-Identifier: Apache-2.0
// Running a kernel over a problem: all tasks, on all threads.
#pragma once

#include "cpu/kernel.h"

namespace fa4::cpu {

// `workspace` is laid out as in workspace.h.
void run_forward(const Problem& problem, const Kernel& kernel, const ForwardTensors& tensors,
                 int32_t threads, void* workspace);
void run_backward(const Problem& problem, const Kernel& kernel, const BackwardTensors& tensors,
                  int32_t threads, void* workspace);

}  // namespace fa4::cpu
