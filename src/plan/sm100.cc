// SPDX-License-Identifier: Apache-2.0
#include "plan/sm100.h"

#include "plan/sm100_forward.h"

namespace fa4::plan {
namespace {

class Sm100 final : public KernelFamily {
 public:
  explicit Sm100(bool claims_tiles) : claims_tiles_(claims_tiles) {}

  std::string_view name() const override { return "sm100"; }
  std::string_view summary() const override {
    return "FlashAttention-4 on tcgen05 and tensor memory: B200, B300";
  }

  Status supports(const Problem& problem, Pass pass, const DeviceFacts& device) const override {
    if (device.compute_capability != 100 && device.compute_capability != 103) {
      return unsupported("the device is {}; kernel \"sm100\" needs sm_100a or sm_103a",
                         device.arch);
    }
    if (pass == Pass::Backward) return unsupported("kernel \"sm100\" has no backward");
    return supports_sm100_forward(problem, device);
  }

  FamilyPlan prepare(const Problem& problem, Pass, const DeviceFacts& device) const override {
    return prepare_sm100_forward(problem, device, claims_tiles_);
  }

  std::vector<Launch> forward_launches(const Problem& problem, const FamilyPlan& plan,
                                       const DeviceFacts&, const ForwardTensors& tensors,
                                       void*) const override {
    return sm100_forward_launches(problem, plan, tensors);
  }

  std::vector<Launch> backward_launches(const Problem&, const FamilyPlan&, const DeviceFacts&,
                                        const BackwardTensors&, void*) const override {
    return {};  // supports() has declined it
  }

 private:
  bool claims_tiles_;
};

}  // namespace

const KernelFamily& sm100(bool claims_tiles) {
  static const Sm100 walking(false), claiming(true);
  return claims_tiles ? claiming : walking;
}

}  // namespace fa4::plan
