// SPDX-License-Identifier: Apache-2.0
#include "api/run.h"

#include <cstdlib>

#include "api/error.h"
#include "api/options.h"
#include "api/overlap.h"
#include "api/results.h"
#include "device/cuda_device.h"

namespace fa4::api {
namespace {

constexpr size_t kWorkspaceAlignment = 256;

// Note [Kept workspace]: memory of this size is returned to the system when it is freed, and taken from it
// anew page by page: 6 to 25 us, several times what a small call takes. So each thread keeps the workspace
// of small calls.
constexpr size_t kKeptWorkspaceBytes = size_t{1} << 20;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using HostMemory = std::unique_ptr<void, Free>;

Status check_workspace(const fa4_plan& plan, Workspace workspace, std::span<const Tensor> tensors) {
  const size_t needed = plan.plan.blueprint.workspace_bytes;
  if (workspace.size < needed) {
    return invalid_argument("workspace_size is {}; the plan needs {} bytes", workspace.size,
                            needed);
  }
  if (reinterpret_cast<uintptr_t>(workspace.data) % kWorkspaceAlignment != 0) {
    return invalid_argument("workspace is not aligned to {} bytes", kWorkspaceAlignment);
  }
  return check_workspace_apart(workspace.data, needed, tensors);
}

Status allocate(size_t size, HostMemory* memory) {
  const size_t rounded =
      (size + kWorkspaceAlignment - 1) / kWorkspaceAlignment * kWorkspaceAlignment;
  memory->reset(std::aligned_alloc(kWorkspaceAlignment, rounded));
  if (*memory != nullptr) return {};
  return {FA4_ERROR_OUT_OF_MEMORY, fmt::format("cannot allocate a workspace of {} bytes", size)};
}

// See Note [Kept workspace]. A thread runs one call at a time.
Status kept_workspace(size_t size, void** data) {
  thread_local HostMemory kept;
  thread_local size_t kept_size = 0;
  if (kept_size < size) {
    kept_size = 0;
    FA4_RETURN_IF_ERROR(allocate(size, &kept));
    kept_size = size;
  }
  *data = kept.get();
  return {};
}

// The caller's workspace, or one that lasts for the call.
class CallWorkspace {
 public:
  CallWorkspace() = default;
  CallWorkspace(const CallWorkspace&) = delete;
  CallWorkspace& operator=(const CallWorkspace&) = delete;

  Status find(const fa4_plan& plan, Workspace workspace, const Place& place,
              std::span<const Tensor> tensors) {
    data_ = workspace.data;
    if (workspace.data != nullptr) return check_workspace(plan, workspace, tensors);
    const size_t needed = plan.plan.blueprint.workspace_bytes;
    if (needed == 0) return {};
    if (place.kind == Place::Kind::Host) return find_on_host(needed);
    if (workspace.one_shot) {
      FA4_RETURN_IF_ERROR(device::cuda_devices().find(place.index, &device_));
      stream_ = workspace.stream;
      return device_->take_scratch(needed, stream_, &data_);
    }
    return invalid_argument(
        "workspace is null; on {} the caller provides it: fa4_plan_workspace_size is {} bytes",
        text_of(place), needed);
  }

  // The status of the run; what was taken goes back in any case.
  Status give_back(Status run) {
    if (device_ == nullptr) return run;
    Status returned = device_->return_scratch(data_, stream_);
    return run.ok() ? returned : run;
  }

  void* data() const { return data_; }

 private:
  // The thread's when it is small, else memory that is freed with this.
  Status find_on_host(size_t needed) {
    if (needed <= kKeptWorkspaceBytes) return kept_workspace(needed, &data_);
    FA4_RETURN_IF_ERROR(allocate(needed, &owned_));
    data_ = owned_.get();
    return {};
  }

  void* data_ = nullptr;
  HostMemory owned_;
  const device::Device* device_ = nullptr;
  void* stream_ = nullptr;
};

// Lengths and page tables of a device are not read by the host; its kernels do not trust them.
Status check_host_sequences(const Problem& problem) {
  return problem.place.kind == Place::Kind::Host ? check_sequences(problem) : Status{};
}

std::vector<Tensor> joined(std::vector<Tensor> first, const std::vector<Tensor>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// A plan was made for one pass and for one kind of problem.
Status check_plan(const fa4_plan* plan, Pass pass, const fa4_problem* problem,
                  CheckedProblem* checked) {
  if (plan == nullptr) return invalid_argument("plan is null");
  if (plan->pass != pass) {
    return invalid_argument("the plan was made for the {} pass; it cannot run the {} pass",
                            name_of(plan->pass), name_of(pass));
  }
  FA4_RETURN_IF_ERROR(check_problem(problem, pass, Use::Run, checked));
  if (checked->request.backend != plan->request.backend) {
    return invalid_argument("backend is \"{}\", but the plan was made for \"{}\"",
                            checked->request.backend, plan->request.backend);
  }
  if (checked->request.kernel != plan->request.kernel) {
    return invalid_argument("kernel is \"{}\", but the plan was made for \"{}\"",
                            checked->request.kernel, plan->request.kernel);
  }
  return require_same_facts(plan->facts, facts_of(*checked));
}

}  // namespace

Status run_forward(const fa4_plan& plan, const CheckedProblem& checked,
                   const fa4_forward_tensors* tensors, Workspace workspace) {
  FA4_RETURN_IF_ERROR(check_stream(workspace.stream, checked.problem.place));
  CheckedForward forward;
  FA4_RETURN_IF_ERROR(check_forward(tensors, checked, &forward));
  FA4_RETURN_IF_ERROR(check_outputs(forward.outputs, checked.tensors));
  FA4_RETURN_IF_ERROR(check_host_sequences(checked.problem));
  CallWorkspace memory;
  FA4_RETURN_IF_ERROR(memory.find(plan, workspace, checked.problem.place,
                                  joined(forward.outputs, checked.tensors)));
  return memory.give_back(plan.plan.backend->forward(
      checked.problem, plan.plan.blueprint, forward.views, memory.data(), workspace.stream));
}

Status run_backward(const fa4_plan& plan, const CheckedProblem& checked,
                    const fa4_backward_tensors* tensors, Workspace workspace) {
  FA4_RETURN_IF_ERROR(check_stream(workspace.stream, checked.problem.place));
  CheckedBackward backward;
  FA4_RETURN_IF_ERROR(check_backward(tensors, checked, &backward));
  const std::vector<Tensor> inputs = joined(backward.inputs, checked.tensors);
  FA4_RETURN_IF_ERROR(check_outputs(backward.outputs, inputs));
  FA4_RETURN_IF_ERROR(check_host_sequences(checked.problem));
  CallWorkspace memory;
  FA4_RETURN_IF_ERROR(
      memory.find(plan, workspace, checked.problem.place, joined(backward.outputs, inputs)));
  return memory.give_back(plan.plan.backend->backward(
      checked.problem, plan.plan.blueprint, backward.views, memory.data(), workspace.stream));
}

}  // namespace fa4::api

extern "C" {

fa4_status fa4_forward(const fa4_plan* plan, const fa4_problem* problem,
                       const fa4_forward_tensors* tensors, void* workspace, size_t workspace_size,
                       void* stream) {
  return fa4::api::guarded([&]() -> fa4::Status {
    fa4::api::CheckedProblem checked;
    FA4_RETURN_IF_ERROR(fa4::api::check_plan(plan, fa4::Pass::Forward, problem, &checked));
    return fa4::api::run_forward(*plan, checked, tensors,
                                 {workspace, workspace_size, stream, false});
  });
}

fa4_status fa4_backward(const fa4_plan* plan, const fa4_problem* problem,
                        const fa4_backward_tensors* tensors, void* workspace, size_t workspace_size,
                        void* stream) {
  return fa4::api::guarded([&]() -> fa4::Status {
    fa4::api::CheckedProblem checked;
    FA4_RETURN_IF_ERROR(fa4::api::check_plan(plan, fa4::Pass::Backward, problem, &checked));
    return fa4::api::run_backward(*plan, checked, tensors,
                                  {workspace, workspace_size, stream, false});
  });
}

}  // extern "C"
