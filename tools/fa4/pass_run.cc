// SPDX-License-Identifier: Apache-2.0
// PassRun of attention.h: one pass on tensors of the host, or on their copies on a device.
#include "attention.h"
#include "error.h"

namespace fa4::cli {

PassRun::PassRun(const Plan& plan, const BoundProblem& problem, const Results& results,
                 std::span<std::byte> workspace)
    : plan_(plan), problem_(problem), backward_(false) {
  forward_tensors_.struct_size = sizeof(forward_tensors_);
  forward_tensors_.out = bind(results.out, true);
  forward_tensors_.lse = bind(results.lse, true);
  find_workspace(workspace);
}

PassRun::PassRun(const Plan& plan, const BoundProblem& problem, const Inputs& inputs,
                 const Results& results, std::span<std::byte> workspace)
    : plan_(plan), problem_(problem), backward_(true) {
  backward_tensors_.struct_size = sizeof(backward_tensors_);
  backward_tensors_.dout = bind(*inputs.dout, false);
  backward_tensors_.out = bind(results.out, false);
  backward_tensors_.lse = bind(results.lse, false);
  if (inputs.dlse) backward_tensors_.dlse = bind(*inputs.dlse, false);
  backward_tensors_.dq = bind(*results.dq, true);
  backward_tensors_.dk = bind(*results.dk, true);
  backward_tensors_.dv = bind(*results.dv, true);
  if (results.dsink) backward_tensors_.dsink = bind(*results.dsink, true);
  find_workspace(workspace);
}

const DLTensor* PassRun::bind(const Tensor& tensor, bool is_result) {
  views_.push_back(problem_.on_device() ? problem_.mirror().add(tensor) : tensor.dlpack());
  if (is_result) results_.push_back(&tensor);
  return &views_.back();
}

void PassRun::find_workspace(std::span<std::byte> workspace) {
  workspace_ = workspace.data();
  workspace_size_ = workspace.size();
  if (!problem_.on_device()) return;
  device_workspace_.emplace(problem_.mirror().device(), plan_.workspace_bytes());
  workspace_ = device_workspace_->data();
  workspace_size_ = device_workspace_->bytes();
}

void PassRun::operator()() const {
  check(backward_ ? fa4_backward(plan_.get(), problem_.get(), &backward_tensors_, workspace_,
                                 workspace_size_, nullptr)
                  : fa4_forward(plan_.get(), problem_.get(), &forward_tensors_, workspace_,
                                workspace_size_, nullptr));
}

void PassRun::fetch() const {
  if (!problem_.on_device()) return;
  check(fa4_device_synchronize(problem_.mirror().device(), nullptr));
  for (const Tensor* tensor : results_) problem_.mirror().download(*tensor);
  const std::string written = problem_.written_input();
  if (!written.empty()) fail(Exit::Internal, "{}, an input, was written to on the device", written);
  if (!device_workspace_->guards_are_intact()) {
    fail(Exit::Internal, "memory around the workspace was written to on the device");
  }
}

void run_forward(const Plan& plan, const BoundProblem& problem, const Results& results,
                 std::span<std::byte> workspace) {
  const PassRun run(plan, problem, results, workspace);
  run();
  run.fetch();
}

void run_backward(const Plan& plan, const BoundProblem& problem, const Inputs& inputs,
                  const Results& results, std::span<std::byte> workspace) {
  const PassRun run(plan, problem, inputs, results, workspace);
  run();
  run.fetch();
}

}  // namespace fa4::cli
