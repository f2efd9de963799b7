// SPDX-License-Identifier: Apache-2.0
// fa4_forward_tensors and fa4_backward_tensors -> core views, with every check.
#pragma once

#include <vector>

#include "api/problem.h"

namespace fa4::api {

struct CheckedForward {
  ForwardTensors views;
  std::vector<Tensor> outputs;
};

struct CheckedBackward {
  BackwardTensors views;
  std::vector<Tensor> inputs, outputs;
};

Status check_forward(const fa4_forward_tensors* source, const CheckedProblem& problem,
                     CheckedForward* checked);
Status check_backward(const fa4_backward_tensors* source, const CheckedProblem& problem,
                      CheckedBackward* checked);

}  // namespace fa4::api
