// SPDX-License-Identifier: Apache-2.0
#include "device/loaded_machine.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fa4::device {
namespace {

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

}  // namespace

EmulatedKernel::EmulatedKernel(std::string text, const plan::KernelSpec& spec)
    : ptx(std::move(text)), entry(spec.entry) {
  for (const plan::WarpLabel& label : spec.warps) {
    labels.add_warps(label.name, label.first, label.last);
  }
  for (const plan::SharedLabel& label : spec.shared) {
    labels.add_shared(label.name, label.offset, label.bytes, label.count);
  }
  for (const plan::TensorLabel& label : spec.tensor) {
    labels.add_tensor(label.name, label.column, label.columns, label.count);
  }
}

Status LoadedMachine::open(const MachineLibrary& library, int arch,
                           const MachineSettings& settings) {
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
  FA4_RETURN_IF_ERROR(from_machine(library, library.create(&options, &machine), "the PTX machine"));
  machine_ = MachineLibrary::Machine(machine, {&library});
  if (follows) {
    FA4_RETURN_IF_ERROR(from_machine(
        library, library.follow_schedule(machine, settings_.schedule.c_str()), "the PTX machine"));
  }
  if (!settings_.schedule_log.empty()) {
    FA4_RETURN_IF_ERROR(
        from_machine(library, library.write_schedule(machine, settings_.schedule_log.c_str()),
                     "the PTX machine"));
  }
  if (!settings_.trace.empty()) {
    FA4_RETURN_IF_ERROR(from_machine(library, library.write_trace(machine, settings_.trace.c_str()),
                                     "the PTX machine"));
  }
  return {};
}

Status LoadedMachine::module_of(const EmulatedKernel& kernel, uint64_t* module) {
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

Status LoadedMachine::facts_of(const EmulatedKernel& kernel, fa4emu_entry* facts) {
  uint64_t module = 0;
  FA4_RETURN_IF_ERROR(module_of(kernel, &module));
  facts->struct_size = sizeof(*facts);
  return from_machine(*library_,
                      library_->entry_facts(machine_.get(), module, kernel.entry.c_str(), facts),
                      fmt::format("kernel {} cannot be loaded into the PTX machine", kernel.entry));
}

Status LoadedMachine::add(const Buffer& buffer) {
  const fa4emu_memory memory = {.struct_size = sizeof(fa4emu_memory),
                                .name = buffer.name.c_str(),
                                .base = buffer.base,
                                .bytes = buffer.bytes,
                                .writable = buffer.writable,
                                .uninitialised = buffer.writable};
  return from_machine(*library_, library_->add_memory_range(machine_.get(), &memory),
                      "the PTX machine");
}

void LoadedMachine::mark_initialised(std::span<const Buffer> buffers) {
  for (const Buffer& buffer : buffers) {
    if (!buffer.writable) library_->mark_initialised(machine_.get(), buffer.base, buffer.bytes);
  }
}

void LoadedMachine::remove(const Buffer& buffer) {
  library_->remove_memory(machine_.get(), buffer.base);
}

Status LoadedMachine::launch(const Step& step) {
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
  const fa4emu_labels labels = kernel.labels.given();
  config.labels = &labels;
  fa4emu_report* made = nullptr;
  FA4_RETURN_IF_ERROR(from_machine(*library_, library_->launch(machine_.get(), &config, &made),
                                   fmt::format("launch of {}", kernel.entry)));
  const MachineLibrary::Report report(made, {library_});
  return judge(kernel, made);
}

Status LoadedMachine::encode(const plan::TensorMapSpec& map, std::byte* to) const {
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

Status LoadedMachine::judge(const EmulatedKernel& kernel, const fa4emu_report* report) const {
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

}  // namespace fa4::device
