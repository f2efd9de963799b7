// SPDX-License-Identifier: Apache-2.0
#include "plan/sm80.h"

#include "plan/sm80_backward.h"
#include "plan/sm80_forward.h"

namespace fa4::plan {
namespace {

class Sm80 final : public KernelFamily {
 public:
  std::string_view name() const override { return "sm80"; }
  std::string_view summary() const override {
    return "mma.sync, ldmatrix and cp.async: every GPU since Ampere";
  }

  Status supports(const Problem& problem, Pass pass, const DeviceFacts& device) const override {
    if (device.compute_capability < 80) {
      return unsupported("the device has compute capability {}; kernel \"sm80\" needs 80",
                         device.compute_capability);
    }
    return pass == Pass::Forward ? supports_forward(problem, device)
                                 : supports_backward(problem, device);
  }

  FamilyPlan prepare(const Problem& problem, Pass pass, const DeviceFacts& device) const override {
    return pass == Pass::Forward ? prepare_forward(problem, device)
                                 : prepare_backward(problem, device);
  }

  std::vector<Launch> forward_launches(const Problem& problem, const FamilyPlan& plan,
                                       const DeviceFacts& device, const ForwardTensors& tensors,
                                       void* workspace) const override {
    return plan::forward_launches(problem, plan, device, tensors, workspace);
  }

  std::vector<Launch> backward_launches(const Problem& problem, const FamilyPlan& plan,
                                        const DeviceFacts& device, const BackwardTensors& tensors,
                                        void* workspace) const override {
    return plan::backward_launches(problem, plan, device, tensors, workspace);
  }
};

}  // namespace

const KernelFamily& sm80() {
  static const Sm80 family;
  return family;
}

}  // namespace fa4::plan
