// SPDX-License-Identifier: Apache-2.0
// Running a plan: everything about the tensors is checked before a backend sees them.
#pragma once

#include "api/plan.h"

namespace fa4::api {

struct Workspace {
  void* data = nullptr;
  size_t size = 0;
  void* stream = nullptr;
  bool one_shot =
      false;  // there is no caller's workspace: on a device it is taken in the stream's order
};

Status run_forward(const fa4_plan& plan, const CheckedProblem& checked,
                   const fa4_forward_tensors* tensors, Workspace workspace);
Status run_backward(const fa4_plan& plan, const CheckedProblem& checked,
                    const fa4_backward_tensors* tensors, Workspace workspace);

}  // namespace fa4::api
