// SPDX-License-Identifier: Apache-2.0
// Backends "gpu" and "emulated:…": kernel families on a device, which is a GPU or the PTX machine. See README.md of this
// folder.
#pragma once

#include <map>
#include <mutex>
#include <span>
#include <string>

#include "core/backend.h"
#include "device/device.h"
#include "jit/compiler.h"
#include "plan/kernel_family.h"

namespace fa4::gpu {

class GpuBackend final : public Backend {
 public:
  using Families = std::span<const plan::KernelFamily* const>;  // best first

  // The compiler is asked for when something is to be compiled and not before.
  // `tensors`: where it wants them, on CUDA devices or in host memory.
  GpuBackend(Families families, const device::Devices& devices, jit::Compiler& (*compiler)(),
             std::string name = "gpu", Place::Kind tensors = Place::Kind::Cuda)
      : families_(families),
        devices_(devices),
        compiler_(compiler),
        name_(std::move(name)),
        tensors_(tensors) {}

  std::string_view name() const override { return name_; }
  std::vector<KernelInfo> kernels() const override;
  Status available() const override { return devices_.available(); }
  Status reaches(const Place& place) const override;
  Status supports(const Problem& problem, Pass pass, std::string_view kernel) const override;
  Blueprint prepare(const Problem& problem, Pass pass, std::string_view kernel) const override;
  Status load(const Problem& problem, Blueprint* blueprint) const override;
  Status forward(const Problem& problem, const Blueprint& blueprint, const ForwardTensors& tensors,
                 void* workspace, void* stream) const override;
  Status backward(const Problem& problem, const Blueprint& blueprint,
                  const BackwardTensors& tensors, void* workspace, void* stream) const override;
  Status artifact(const Problem& problem, const Blueprint& blueprint, size_t kernel,
                  std::string_view kind, std::string* bytes) const override;

  // The kernels of a problem for an architecture, for a pack.
  Status wanted_kernels(const Problem& problem, Pass pass, std::string_view kernel,
                        const std::string& arch, std::vector<jit::Wanted>* wanted) const;

 private:
  Status facts_of(const Place& place, plan::DeviceFacts* facts) const;
  const plan::KernelFamily* find_family(std::string_view kernel) const;
  Status device_of(const Problem& problem, const device::Device** device) const;

  Families families_;
  const device::Devices& devices_;
  jit::Compiler& (*compiler_)();
  std::string name_;
  Place::Kind tensors_;

  // What devices have loaded: once loaded, a kernel stays.
  mutable std::mutex mutex_;
  mutable std::map<std::string, device::Kernel> loaded_;
};

// The families of this version on the GPUs of this machine.
const GpuBackend& backend();

// The same on the PTX machine, one for each architecture that it knows: "emulated:sm_80", …
std::span<const GpuBackend* const> emulated_backends();

}  // namespace fa4::gpu
