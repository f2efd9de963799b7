// SPDX-License-Identifier: Apache-2.0
// Tested in tests/jit (without the library) and tests/cli (with it).
#include "device/emulated_device.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "device/machine_settings.h"
#include "fa4/emu.hpp"

namespace fa4::device {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kEmulatedAlignment = 256;

// What Kernel::handle points to.
struct EmulatedKernel {
  EmulatedKernel(std::string text, const plan::KernelSpec& spec)
      : ptx(std::move(text)),
        entry(spec.entry),
        warps(spec.warps),
        shared(spec.shared),
        tensor(spec.tensor) {
    for (const plan::WarpLabel& label : warps) {
      warp_labels.push_back({label.first, label.last, label.name.c_str()});
    }
    for (const plan::SharedLabel& label : shared) {
      shared_labels.push_back({label.name.c_str(), label.offset, label.bytes, label.count, 0});
    }
    for (const plan::TensorLabel& label : tensor) {
      tensor_labels.push_back({label.name.c_str(), label.column, label.columns, label.count});
    }
    labels.struct_size = sizeof(labels);
    labels.warps = warp_labels.data();
    labels.num_warps = warp_labels.size();
    labels.shared = shared_labels.data();
    labels.num_shared = shared_labels.size();
    labels.tensor = tensor_labels.data();
    labels.num_tensor = tensor_labels.size();
  }
  EmulatedKernel(const EmulatedKernel&) = delete;
  EmulatedKernel& operator=(const EmulatedKernel&) = delete;

  std::string ptx, entry;
  std::vector<plan::WarpLabel> warps;
  std::vector<plan::SharedLabel> shared;
  std::vector<plan::TensorLabel> tensor;
  std::vector<fa4emu_warp_label> warp_labels;  // the same, in the machine's words
  std::vector<fa4emu_shared_label> shared_labels;
  std::vector<fa4emu_tensor_label> tensor_labels;
  fa4emu_labels labels{};
};

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

Status from_machine(const MachineLibrary& library, fa4emu_status status, const std::string& what) {
  if (status == FA4EMU_OK) return {};
  const fa4_status code = status == FA4EMU_ERROR_INVALID_ARGUMENT ? FA4_ERROR_INVALID_ARGUMENT
                          : status == FA4EMU_ERROR_OUT_OF_MEMORY  ? FA4_ERROR_OUT_OF_MEMORY
                          : status == FA4EMU_ERROR_REFUSED        ? FA4_ERROR_DEVICE
                                                                  : FA4_ERROR_INTERNAL;
  return {code, fmt::format("{}: {}", what, library.last_error())};
}

Status add_to_file(const std::string& path, const char* text) {
  if (path.empty()) return {};
  std::FILE* file = path == "-" ? stderr : std::fopen(path.c_str(), "a");
  if (file == nullptr) {
    return unsupported("FA4_EMU_REPORT is {}, which cannot be written: {}", path,
                       std::strerror(errno));
  }
  const bool written = std::fputs(text, file) >= 0;
  const bool closed = file == stderr ? std::fflush(file) == 0 : std::fclose(file) == 0;
  if (written && closed) return {};
  return unsupported("FA4_EMU_REPORT is {}, which cannot be written", path);
}

// The machine of one set of settings, and what it has loaded.
class LoadedMachine {
 public:
  Status open(const MachineLibrary& library, int arch, const MachineSettings& settings) {
    library_ = &library;
    settings_ = settings;
    fa4emu_options options;
    fa4emu_options_init(&options);
    options.arch = static_cast<uint32_t>(arch);
    const bool follows = settings_.policy == "log";
    options.policy = follows ? nullptr : settings_.policy.c_str();
    options.numerics = settings_.numerics.c_str();
    options.seed = settings_.seed;
    options.threads = settings_.threads;
    options.elect_any = 1;
    fa4emu_machine* machine = nullptr;
    FA4_RETURN_IF_ERROR(
        from_machine(library, library.create(&options, &machine), "the PTX machine"));
    machine_ = MachineLibrary::Machine(machine, {&library});
    if (follows) {
      FA4_RETURN_IF_ERROR(from_machine(library,
                                       library.follow_schedule(machine, settings_.schedule.c_str()),
                                       "the PTX machine"));
    }
    if (!settings_.schedule_log.empty()) {
      FA4_RETURN_IF_ERROR(
          from_machine(library, library.write_schedule(machine, settings_.schedule_log.c_str()),
                       "the PTX machine"));
    }
    if (!settings_.trace.empty()) {
      FA4_RETURN_IF_ERROR(from_machine(
          library, library.write_trace(machine, settings_.trace.c_str()), "the PTX machine"));
    }
    return {};
  }

  bool is_for(const MachineSettings& settings) const {
    return machine_ != nullptr && settings == settings_;
  }

  Status module_of(const EmulatedKernel& kernel, uint64_t* module) {
    const auto found = modules_.find(&kernel);
    if (found != modules_.end()) {
      *module = found->second;
      return {};
    }
    FA4_RETURN_IF_ERROR(from_machine(
        *library_, library_->load(machine_.get(), kernel.ptx.data(), kernel.ptx.size(), module),
        fmt::format("kernel {} cannot be loaded into the PTX machine", kernel.entry)));
    modules_.emplace(&kernel, *module);
    return {};
  }

  Status facts_of(const EmulatedKernel& kernel, fa4emu_entry* facts) {
    uint64_t module = 0;
    FA4_RETURN_IF_ERROR(module_of(kernel, &module));
    facts->struct_size = sizeof(*facts);
    return from_machine(
        *library_, library_->entry_facts(machine_.get(), module, kernel.entry.c_str(), facts),
        fmt::format("kernel {} cannot be loaded into the PTX machine", kernel.entry));
  }

  // What a kernel may write has no value before it does: outputs and the workspace may hold anything.
  Status add(const Buffer& buffer) {
    const fa4emu_memory memory = {.struct_size = sizeof(fa4emu_memory),
                                  .name = buffer.name.c_str(),
                                  .base = buffer.base,
                                  .bytes = buffer.bytes,
                                  .writable = buffer.writable,
                                  .uninitialised = buffer.writable};
    return from_machine(*library_, library_->add_memory_range(machine_.get(), &memory),
                        "the PTX machine");
  }

  // Inputs, which may lie between the rows of an output.
  void mark_initialised(std::span<const Buffer> buffers) {
    for (const Buffer& buffer : buffers) {
      if (!buffer.writable) library_->mark_initialised(machine_.get(), buffer.base, buffer.bytes);
    }
  }

  void remove(const Buffer& buffer) {  // that was added, so that it cannot fail
    library_->remove_memory(machine_.get(), buffer.base);
  }

  Status launch(const Step& step) {
    const auto& kernel = *static_cast<const EmulatedKernel*>(step.kernel->handle);
    fa4emu_launch_config config = {};
    config.struct_size = sizeof(config);
    FA4_RETURN_IF_ERROR(module_of(kernel, &config.module));
    config.entry = kernel.entry.c_str();
    for (size_t i = 0; i < 3; ++i) {
      config.grid[i] = step.launch->grid[i];
      config.block[i] = i == 0 ? step.kernel->threads : 1;
      config.cluster[i] = 1;
    }
    config.dynamic_shared_bytes = step.kernel->smem_bytes;
    std::vector<std::byte> params = step.launch->params;
    for (const plan::TensorMapSpec& map : step.launch->maps) {
      FA4_RETURN_IF_ERROR(encode(map, params.data() + map.offset));
    }
    config.params = params.data();
    config.param_bytes = params.size();
    config.labels = &kernel.labels;
    fa4emu_report* made = nullptr;
    FA4_RETURN_IF_ERROR(from_machine(*library_, library_->launch(machine_.get(), &config, &made),
                                     fmt::format("launch of {}", kernel.entry)));
    const MachineLibrary::Report report(made, {library_});
    return judge(kernel, made);
  }

 private:
  Status encode(const plan::TensorMapSpec& map, std::byte* to) const {
    fa4emu_tensor_map given = {};
    given.struct_size = sizeof(given);
    given.data_type = map.data_type;
    given.rank = static_cast<uint32_t>(map.sizes.size());
    given.address = map.address;
    given.sizes = map.sizes.data();
    given.strides = map.strides.data();
    given.box = map.box.data();
    given.swizzle = map.swizzle;
    return from_machine(*library_, library_->encode_tensor_map(&given, to), "a tensor map");
  }

  // Errors fail the call, with the first of them as the sentence.
  Status judge(const EmulatedKernel& kernel, const fa4emu_report* report) const {
    fa4emu_summary summary = {};
    summary.struct_size = sizeof(summary);
    FA4_RETURN_IF_ERROR(
        from_machine(*library_, library_->report_summary(report, &summary), "the PTX machine"));
    FA4_RETURN_IF_ERROR(add_to_file(settings_.report, summary.text));
    if (summary.num_errors == 0 && summary.finished) return {};
    std::string first = "it did not finish";
    for (size_t i = 0; i < summary.num_items; ++i) {
      fa4emu_item item = {};
      item.struct_size = sizeof(item);
      FA4_RETURN_IF_ERROR(
          from_machine(*library_, library_->report_item(report, i, &item), "the PTX machine"));
      if (item.level != FA4EMU_LEVEL_ERROR) continue;
      first = fmt::format("{} ({})", item.text, item.code);
      break;
    }
    return {FA4_ERROR_DEVICE,
            fmt::format("the PTX machine reports {} errors in {} (policy {}, seed {}), first: {}",
                        summary.num_errors, kernel.entry, settings_.policy, settings_.seed, first)};
  }

  const MachineLibrary* library_ = nullptr;
  MachineSettings settings_;
  MachineLibrary::Machine machine_;
  std::map<const EmulatedKernel*, uint64_t> modules_;
};

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
