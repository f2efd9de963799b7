// SPDX-License-Identifier: Apache-2.0
// A machine of libfa4emu that stays between launches, and what it has loaded.
#pragma once

#include <map>
#include <span>
#include <string>

#include "device/device.h"
#include "device/machine_settings.h"
#include "fa4/emu.hpp"

namespace fa4::device {

// What Kernel::handle of an emulated device points to.
struct EmulatedKernel {
  EmulatedKernel(std::string text, const plan::KernelSpec& spec);

  std::string ptx, entry;
  MachineLabels labels;
};

// The machine of one set of settings.
class LoadedMachine {
 public:
  Status open(const MachineLibrary& library, int arch, const MachineSettings& settings);
  bool is_for(const MachineSettings& settings) const {
    return machine_ != nullptr && settings == settings_;
  }

  Status facts_of(const EmulatedKernel& kernel, fa4emu_entry* facts);
  // What a kernel may write has no value before it does: outputs and the workspace may hold anything.
  Status add(const Buffer& buffer);
  // Inputs, which may lie between the rows of an output.
  void mark_initialised(std::span<const Buffer> buffers);
  void remove(const Buffer& buffer);  // that was added, so that it cannot fail
  Status launch(const Step& step);

 private:
  Status module_of(const EmulatedKernel& kernel, uint64_t* module);
  Status encode(const plan::TensorMapSpec& map, std::byte* to) const;
  // Errors fail the call, with the first of them as the sentence.
  Status judge(const EmulatedKernel& kernel, const fa4emu_report* report) const;

  const MachineLibrary* library_ = nullptr;
  MachineSettings settings_;
  MachineLibrary::Machine machine_;
  std::map<const EmulatedKernel*, uint64_t> modules_;
};

}  // namespace fa4::device
