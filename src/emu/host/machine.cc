// SPDX-License-Identifier: Apache-2.0
// Machines, modules, memory and launches. Tested in tests/emu.
#include <algorithm>
#include <cstring>
#include <memory>

#include "emu/host/error.h"
#include "emu/host/report.h"

struct fa4emu_machine {
  explicit fa4emu_machine(const fa4::emu::MachineOptions& options) : machine(options) {}

  fa4::emu::Machine machine;
  std::vector<std::vector<std::string>> entries;  // of each module
  std::vector<fa4::emu::GlobalRange> ranges;      // that a caller has added
};

namespace fa4::emu::host {
namespace {

constexpr uint32_t kArchs[] = {80, 86, 89, 90, 100, 103, 120};

MachineOptions machine_options(const fa4emu_options& given) {
  MachineOptions options;
  if (std::find(std::begin(kArchs), std::end(kArchs), given.arch) == std::end(kArchs)) {
    bad_argument("arch is {}; it must be 80, 86, 89, 90, 100, 103 or 120", given.arch);
  }
  options.arch = given.arch;
  const std::string policy = given.policy == nullptr ? "eager" : given.policy;
  if (!read_policy(policy, &options)) {
    bad_argument("policy is \"{}\"; it must be {}", policy, policy_names());
  }
  const std::string numerics = given.numerics == nullptr ? "exact" : given.numerics;
  if (numerics != "exact" && numerics != "fast") {
    bad_argument("numerics is \"{}\"; it must be exact or fast", numerics);
  }
  options.numerics = numerics == "exact" ? Numerics::Exact : Numerics::Fast;
  options.seed = given.seed;
  options.threads = given.threads;
  if (given.max_instructions != 0) options.most_instructions = given.max_instructions;
  if (given.checks != 0 && given.checks != 1) {
    bad_argument("checks is {}; it must be 0 or 1", given.checks);
  }
  options.checks = given.checks == 1;
  if (given.elect_any != 0 && given.elect_any != 1) {
    bad_argument("elect_any is {}; it must be 0 or 1", given.elect_any);
  }
  options.elect_any = given.elect_any == 1;
  return options;
}

fa4emu_machine& checked_machine(fa4emu_machine* machine) {
  if (machine == nullptr) bad_argument("machine is null");
  return *machine;
}

const std::vector<std::string>& entries_of(const fa4emu_machine& machine, uint64_t module) {
  if (module >= machine.entries.size()) {
    bad_argument("module is {}; {} are loaded", module, machine.entries.size());
  }
  return machine.entries[module];
}

void add_memory(fa4emu_machine& machine, const GlobalRange& range) {
  if (range.bytes == 0) bad_argument("bytes is 0; memory {} needs at least 1", range.name);
  if (range.base == 0) bad_argument("base is null, but bytes is {}", range.bytes);
  for (const GlobalRange& other : machine.ranges) {
    if (range.base < other.base + other.bytes && other.base < range.base + range.bytes) {
      bad_argument("memory {} overlaps {}, which has been added", range.name, other.name);
    }
  }
  machine.ranges.push_back(range);
  machine.machine.memory().add(range);
}

void remove_memory(fa4emu_machine& machine, uint64_t base) {
  for (size_t i = 0; i < machine.ranges.size(); ++i) {
    if (machine.ranges[i].base != base) continue;
    machine.ranges.erase(machine.ranges.begin() + static_cast<std::ptrdiff_t>(i));
    machine.machine.memory().remove(base);
    return;
  }
  bad_argument("base is {:#x}, where no memory has been added", base);
}

LaunchLabels launch_labels(const fa4emu_labels& given) {
  LaunchLabels labels;
  if ((given.warps == nullptr && given.num_warps != 0) ||
      (given.shared == nullptr && given.num_shared != 0) ||
      (given.tensor == nullptr && given.num_tensor != 0)) {
    bad_argument("labels.warps, labels.shared or labels.tensor is null, but its number is not 0");
  }
  for (size_t i = 0; i < given.num_warps; ++i) {
    const fa4emu_warp_label& label = given.warps[i];
    if (label.name == nullptr) bad_argument("labels.warps[{}].name is null", i);
    labels.warps.push_back({label.first, label.last, label.name});
  }
  for (size_t i = 0; i < given.num_shared; ++i) {
    const fa4emu_shared_label& label = given.shared[i];
    if (label.name == nullptr) bad_argument("labels.shared[{}].name is null", i);
    if (label.bytes == 0 || label.count == 0) {
      bad_argument("labels.shared[{}], {}, has {} elements of {} bytes; both must be positive", i,
                   label.name, label.count, label.bytes);
    }
    labels.shared.push_back({label.name, label.offset, label.bytes, label.count});
  }
  for (size_t i = 0; i < given.num_tensor; ++i) {
    const fa4emu_tensor_label& label = given.tensor[i];
    if (label.name == nullptr) bad_argument("labels.tensor[{}].name is null", i);
    if (label.columns == 0 || label.count == 0) {
      bad_argument("labels.tensor[{}], {}, has {} elements of {} columns; both must be positive", i,
                   label.name, label.count, label.columns);
    }
    labels.tensor.push_back({label.name, label.column, label.columns, label.count});
  }
  return labels;
}

KernelLaunch kernel_launch(const fa4emu_machine& machine, const fa4emu_launch_config& given) {
  if (given.entry == nullptr) bad_argument("launch.entry is null");
  if (given.params == nullptr && given.param_bytes != 0) {
    bad_argument("launch.params is null, but launch.param_bytes is {}", given.param_bytes);
  }
  entries_of(machine, given.module);
  KernelLaunch launch;
  launch.module = given.module;
  launch.entry = given.entry;
  for (size_t i = 0; i < 3; ++i) {
    launch.grid[i] = given.grid[i];
    launch.block[i] = given.block[i];
    launch.cluster[i] = given.cluster[i];
  }
  launch.dynamic_shared_bytes = given.dynamic_shared_bytes;
  launch.non_portable_cluster = given.non_portable_cluster != 0;
  if (given.labels != nullptr) {
    launch.labels = launch_labels(read_struct(given.labels, "launch.labels"));
  }
  launch.params.resize(given.param_bytes);
  if (given.param_bytes != 0) {
    std::memcpy(launch.params.data(), given.params, given.param_bytes);
  }
  return launch;
}

}  // namespace
}  // namespace fa4::emu::host

extern "C" {

const char* fa4emu_version(void) { return FA4EMU_VERSION; }

fa4emu_status fa4emu_create(const fa4emu_options* options, fa4emu_machine** machine) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    if (machine == nullptr) host::bad_argument("machine is null; it must point to a pointer");
    *machine = nullptr;
    const fa4emu_options known = host::read_struct(options, "options");
    *machine = new fa4emu_machine(host::machine_options(known));
  });
}

void fa4emu_destroy(fa4emu_machine* machine) { delete machine; }

fa4emu_status fa4emu_load(fa4emu_machine* machine, const char* ptx, size_t bytes,
                          uint64_t* module) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    if (ptx == nullptr) host::bad_argument("ptx is null");
    if (module == nullptr) host::bad_argument("module is null; it must point to a number");
    const fa4::emu::ModuleId id = owner.machine.load(std::string(ptx, bytes));
    owner.entries.resize(id + 1);
    owner.entries[id] = owner.machine.entries(id);
    *module = id;
  });
}

fa4emu_status fa4emu_entry_name(fa4emu_machine* machine, uint64_t module, size_t index,
                                const char** name) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    const auto& entries = host::entries_of(host::checked_machine(machine), module);
    if (name == nullptr) host::bad_argument("name is null; it must point to a pointer");
    *name = index < entries.size() ? entries[index].c_str() : nullptr;
  });
}

fa4emu_status fa4emu_entry_facts(fa4emu_machine* machine, uint64_t module, const char* entry,
                                 fa4emu_entry* facts) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    host::entries_of(owner, module);
    if (entry == nullptr) host::bad_argument("entry is null");
    const fa4::emu::EntryFacts found = owner.machine.entry(module, entry);
    fa4emu_entry value = {};
    value.param_bytes = found.param_bytes;
    value.static_shared_bytes = found.static_shared_bytes;
    for (size_t i = 0; i < 3; ++i) {
      value.max_threads[i] = found.max_threads[i];
      value.threads[i] = found.threads[i];
    }
    host::write_struct(facts, "facts", value);
  });
}

fa4emu_status fa4emu_entry_param(fa4emu_machine* machine, uint64_t module, const char* entry,
                                 size_t index, uint32_t* offset, uint32_t* bytes) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    host::entries_of(owner, module);
    if (entry == nullptr || offset == nullptr || bytes == nullptr) {
      host::bad_argument("entry, offset and bytes must not be null");
    }
    const auto parameters = owner.machine.entry(module, entry).parameters;
    *offset = index < parameters.size() ? parameters[index].offset : 0;
    *bytes = index < parameters.size() ? parameters[index].bytes : 0;
  });
}

fa4emu_status fa4emu_variable(fa4emu_machine* machine, uint64_t module, const char* name,
                              void** address, uint64_t* bytes) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    host::entries_of(owner, module);
    if (name == nullptr || address == nullptr || bytes == nullptr) {
      host::bad_argument("name, address and bytes must not be null");
    }
    const fa4::emu::GlobalRange found = owner.machine.variable(module, name);
    *address = reinterpret_cast<void*>(found.base);
    *bytes = found.bytes;
  });
}

fa4emu_status fa4emu_add_memory(fa4emu_machine* machine, const char* name, const void* base,
                                uint64_t bytes, int32_t writable) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    if (name == nullptr) host::bad_argument("name is null");
    host::add_memory(owner, {name, reinterpret_cast<uint64_t>(base), bytes, writable != 0});
  });
}

fa4emu_status fa4emu_add_memory_range(fa4emu_machine* machine, const fa4emu_memory* memory) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    const fa4emu_memory known = host::read_struct(memory, "memory");
    if (known.name == nullptr) host::bad_argument("memory.name is null");
    if (known.uninitialised != 0 && known.uninitialised != 1) {
      host::bad_argument("memory.uninitialised is {}; it must be 0 or 1", known.uninitialised);
    }
    fa4::emu::GlobalRange range{known.name, reinterpret_cast<uint64_t>(known.base), known.bytes,
                                known.writable != 0};
    if (known.uninitialised == 1 && known.bytes != 0)
      range.written = fa4::emu::unwritten(known.bytes);
    host::add_memory(owner, range);
  });
}

fa4emu_status fa4emu_mark_initialised(fa4emu_machine* machine, const void* base, uint64_t bytes) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    host::checked_machine(machine).machine.memory().mark_written(reinterpret_cast<uint64_t>(base),
                                                                 bytes);
  });
}

fa4emu_status fa4emu_write_schedule(fa4emu_machine* machine, const char* path) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    if (path == nullptr) host::bad_argument("path is null");
    owner.machine.write_schedule(path);
  });
}

fa4emu_status fa4emu_follow_schedule(fa4emu_machine* machine, const char* path) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    if (path == nullptr) host::bad_argument("path is null");
    owner.machine.follow_schedule(path);
  });
}

fa4emu_status fa4emu_write_trace(fa4emu_machine* machine, const char* path) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    if (path == nullptr) host::bad_argument("path is null");
    owner.machine.write_trace(path);
  });
}

fa4emu_status fa4emu_remove_memory(fa4emu_machine* machine, const void* base) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    host::remove_memory(host::checked_machine(machine), reinterpret_cast<uint64_t>(base));
  });
}

fa4emu_status fa4emu_launch(fa4emu_machine* machine, const fa4emu_launch_config* launch,
                            fa4emu_report** report) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    fa4emu_machine& owner = host::checked_machine(machine);
    if (report == nullptr) host::bad_argument("report is null; it must point to a pointer");
    *report = nullptr;
    const fa4emu_launch_config known = host::read_struct(launch, "launch");
    auto made = std::make_unique<fa4emu_report>();
    made->run = owner.machine.launch(host::kernel_launch(owner, known));
    made->units.assign(made->run.units.begin(), made->run.units.end());
    made->text = host::text_of(made->run, known.entry);
    *report = made.release();
  });
}

}  // extern "C"
