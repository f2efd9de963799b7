// SPDX-License-Identifier: Apache-2.0
// Tested in tests/jit (without the library) and tests/cli (with it).
#include "device/emulated_device.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "device/loaded_machine.h"

namespace fa4::device {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kEmulatedAlignment = 256;

// Ranges that overlap become one, for the machine's may not: an output may lie between the rows of an input. Writable
// if a part of it is.
std::vector<Buffer> merged(std::span<const Buffer> buffers) {
  std::vector<Buffer> sorted;
  for (const Buffer& buffer : buffers) {
    if (buffer.bytes != 0) sorted.push_back(buffer);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Buffer& a, const Buffer& b) { return a.base < b.base; });
  std::vector<Buffer> result;
  for (const Buffer& buffer : sorted) {
    if (result.empty() || buffer.base >= result.back().base + result.back().bytes) {
      result.push_back(buffer);
      continue;
    }
    Buffer& last = result.back();
    last.name += "/" + buffer.name;
    last.bytes = std::max(last.base + last.bytes, buffer.base + buffer.bytes) - last.base;
    last.writable = last.writable || buffer.writable;
  }
  return result;
}

Status open_library(const MachineLibrary** library) {
  std::string why;
  *library = MachineLibrary::open(reinterpret_cast<const void*>(&find_machine), &why);
  return *library == nullptr ? Status{FA4_ERROR_UNSUPPORTED, why} : Status{};
}

class EmulatedDevice final : public Device {
 public:
  explicit EmulatedDevice(const Model& model) : facts_(model.facts) {}

  const plan::DeviceFacts& facts() const override { return facts_; }
  std::string description() const override { return "the PTX machine"; }
  Code code() const override { return Code::Ptx; }
  std::string driver() const override { return ""; }
  bool names_buffers() const override { return true; }

  Status load(const std::string& image, const plan::KernelSpec& spec,
              Kernel* kernel) const override {
    const std::lock_guard lock(mutex_);
    EmulatedKernel& made = kernels_.emplace_back(image, spec);
    fa4emu_entry facts = {};
    FA4_RETURN_IF_ERROR(find_machine_for_now());
    FA4_RETURN_IF_ERROR(machine_->facts_of(made, &facts));
    *kernel = {.handle = &made,
               .threads = spec.threads,
               .smem_bytes = spec.smem_bytes,
               .param_bytes = facts.param_bytes};
    return {};
  }

  // The call returns when the work is done: the host has no streams.
  Status launch(std::span<const Step> steps, std::span<const Buffer> buffers,
                void*) const override {
    const std::lock_guard lock(mutex_);
    FA4_RETURN_IF_ERROR(find_machine_for_now());
    const std::vector<Buffer> reachable = merged(buffers);
    size_t num_added = 0;
    Status status;
    while (status.ok() && num_added < reachable.size()) {
      status = machine_->add(reachable[num_added]);
      if (status.ok()) ++num_added;
    }
    machine_->mark_initialised(buffers);
    for (size_t i = 0; status.ok() && i < steps.size(); ++i) status = machine_->launch(steps[i]);
    for (size_t i = 0; i < num_added; ++i) machine_->remove(reachable[i]);
    return status;
  }

  Status take_scratch(size_t bytes, void*, void** address) const override {
    return allocate(bytes, address);
  }
  Status return_scratch(void* address, void*) const override { return free(address); }
  Status allocate(size_t bytes, void** address) const override {
    const size_t rounded =
        (bytes + kEmulatedAlignment - 1) / kEmulatedAlignment * kEmulatedAlignment;
    *address = std::aligned_alloc(kEmulatedAlignment, rounded);
    if (*address != nullptr) return {};
    return {FA4_ERROR_OUT_OF_MEMORY,
            fmt::format("cannot allocate {} bytes of host memory for the PTX machine", bytes)};
  }
  Status free(void* address) const override {
    std::free(address);
    return {};
  }
  Status copy_in(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
    return {};
  }
  Status copy_out(void* to, const void* from, size_t bytes) const override {
    return copy_in(to, from, bytes);
  }
  Status synchronize(void*) const override { return {}; }
  Status create_event(void** event) const override {
    *event = new Clock::time_point();
    return {};
  }
  Status destroy_event(void* event) const override {
    delete static_cast<Clock::time_point*>(event);
    return {};
  }
  Status record_event(void* event, void*) const override {
    *static_cast<Clock::time_point*>(event) = Clock::now();
    return {};
  }
  Status elapsed(void* start, void* stop, double* milliseconds) const override {
    *milliseconds =
        std::chrono::duration<double, std::milli>(*static_cast<Clock::time_point*>(stop) -
                                                  *static_cast<Clock::time_point*>(start))
            .count();
    return {};
  }

 private:
  // The settings are read at every call; a machine lasts until they change, and then modules are loaded again.
  Status find_machine_for_now() const {
    const MachineLibrary* library = nullptr;
    FA4_RETURN_IF_ERROR(open_library(&library));
    MachineSettings settings;
    FA4_RETURN_IF_ERROR(machine_settings(&settings));
    if (machine_ != nullptr && machine_->is_for(settings)) return {};
    auto made = std::make_unique<LoadedMachine>();
    FA4_RETURN_IF_ERROR(made->open(*library, facts_.compute_capability, settings));
    machine_ = std::move(made);
    return {};
  }

  plan::DeviceFacts facts_;
  mutable std::mutex mutex_;
  mutable std::deque<EmulatedKernel> kernels_;
  mutable std::unique_ptr<LoadedMachine> machine_;
};

class EmulatedDevices final : public Devices {
 public:
  explicit EmulatedDevices(const Model& model) : device_(model) {}

  Status available() const override {
    std::string path;
    return find_machine(&path);
  }
  int count() const override { return 1; }
  Status find(int index, const Device** device) const override {
    if (index != 0) return invalid_argument("emulated device {} is not here; there is 1", index);
    *device = &device_;
    return {};
  }

 private:
  EmulatedDevice device_;
};

}  // namespace

Status find_machine(std::string* path) {
  const MachineLibrary* library = nullptr;
  FA4_RETURN_IF_ERROR(open_library(&library));
  *path = library->path;
  return {};
}

const Devices& emulated_devices(const Model& model) {
  static std::mutex mutex;
  static auto& made = *new std::map<const Model*, std::unique_ptr<EmulatedDevices>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<EmulatedDevices>& slot = made[&model];
  if (slot == nullptr) slot = std::make_unique<EmulatedDevices>(model);
  return *slot;
}

}  // namespace fa4::device
