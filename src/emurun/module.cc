// SPDX-License-Identifier: Apache-2.0
#include "emurun/module.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "emurun/base.h"
#include "emurun/memory.h"

namespace fa4::emurun {
namespace {

struct Registry {
  std::vector<std::unique_ptr<Module>> modules;
  std::map<const void*, Kernel*> kernels;  // by host function
  std::map<const void*, RegisteredVariable> variables;
  std::set<const void*> handles;  // of kernels
  std::set<const void*> noted;    // variables that memory knows
};

Registry& registry() {
  static auto* const all = new Registry;
  return *all;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(kFileNotFound, "--ptx: {} cannot be read", path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

// The modules of --ptx, for programs that bring no PTX.
const std::vector<uint64_t>& extra_modules() {
  static bool read = false;
  static auto* const ids = new std::vector<uint64_t>;
  if (read || settings().ptx.empty()) return *ids;
  read = true;
  const std::filesystem::path given = settings().ptx;
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(given)) {
    for (const auto& entry : std::filesystem::directory_iterator(given)) {
      if (entry.path().extension() == ".ptx") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(given);
  }
  for (const auto& file : files) ids->push_back(machine_load(read_file(file), file.string()));
  return *ids;
}

void load(Module& module) {
  if (module.loaded) return;
  module.loaded = true;
  for (const auto& binary : module.image.binaries) {
    const FatImage* ptx = best_ptx(binary, settings().arch);
    if (ptx != nullptr) module.ids.push_back(machine_load(ptx->ptx, module.name));
  }
  if (module.ids.empty()) module.ids = extra_modules();
}

// What a program without PTX for this machine is told.
void say_without_ptx(const Module& module) {
  std::string contents;
  const bool has_own_forms = settings().arch >= 90 && settings().arch < 110;
  const char* const suffix = has_own_forms ? "a" : "";
  for (const auto& binary : module.image.binaries) {
    contents += (contents.empty() ? "" : "; ") + contents_of(binary);
  }
  say(fmt::format(
      "{} holds {}, and no PTX that sm_{} runs: build it with -gencode "
      "arch=compute_{}{},code=compute_{}{}, or name a PTX with --ptx",
      module.name, contents, settings().arch, settings().arch, suffix, settings().arch, suffix));
}

std::optional<uint64_t> id_with_entry(Module& module, const std::string& name) {
  load(module);
  for (const uint64_t id : module.ids) {
    const auto names = machine_entries(id);
    if (std::find(names.begin(), names.end(), name) != names.end()) return id;
  }
  return std::nullopt;
}

Kernel& kernel_named(Module& module, const std::string& name) {
  std::unique_ptr<Kernel>& kernel = module.kernels[name];
  if (kernel == nullptr) {
    kernel = std::make_unique<Kernel>();
    kernel->module = &module;
    kernel->name = name;
    registry().handles.insert(kernel.get());
  }
  return *kernel;
}

}  // namespace

Module* add_module(const void* image, const char* function) {
  auto& modules = registry().modules;
  auto made = std::make_unique<Module>();
  made->name = fmt::format("{} #{}", function, modules.size() + 1);
  made->image = read_image(image, made->name);
  modules.push_back(std::move(made));
  return modules.back().get();
}

Kernel& resolve(Kernel& kernel) {
  if (kernel.resolved) return kernel;
  const auto id = id_with_entry(*kernel.module, kernel.name);
  if (!id) {
    count_errors(1);
    if (kernel.module->ids.empty()) {
      say_without_ptx(*kernel.module);
      throw Failure{kNoImageForDevice};
    }
    fail(kInvalidDeviceFunction, "{}: no PTX has an entry {}", kernel.module->name, kernel.name);
  }
  kernel.id = *id;
  kernel.facts = machine_entry_facts(*id, kernel.name);
  kernel.parameters = machine_parameters(*id, kernel.name);
  kernel.resolved = true;
  return kernel;
}

Kernel* find_kernel(Module& module, const std::string& name) {
  if (!id_with_entry(module, name)) {
    if (module.ids.empty()) say_without_ptx(module);
    return nullptr;
  }
  return &kernel_named(module, name);
}

std::vector<Kernel*> all_kernels(Module& module) {
  load(module);
  std::vector<Kernel*> kernels;
  for (const uint64_t id : module.ids) {
    for (const std::string& name : machine_entries(id)) {
      kernels.push_back(&kernel_named(module, name));
    }
  }
  return kernels;
}

std::optional<VariablePlace> find_variable(Module& module, const std::string& name) {
  load(module);
  VariablePlace place;
  for (const uint64_t id : module.ids) {
    if (!machine_variable(id, name, &place)) continue;
    if (registry().noted.insert(place.address).second) {
      note_variable(name, place.address, place.bytes);
    }
    return place;
  }
  if (module.ids.empty()) say_without_ptx(module);
  return std::nullopt;
}

void register_kernel(const void* host, Module* module, const char* name) {
  registry().kernels[host] = &kernel_named(*module, name);
}

void register_variable(const void* host, Module* module, const char* name) {
  registry().variables[host] = {module, name};
}

Kernel& kernel_of(const void* host_or_handle, const char* function) {
  const auto& kernels = registry().kernels;
  const auto found = kernels.find(host_or_handle);
  if (found != kernels.end()) return *found->second;
  if (registry().handles.count(host_or_handle) != 0) {
    return *static_cast<Kernel*>(const_cast<void*>(host_or_handle));
  }
  fail(kInvalidDeviceFunction, "{}: {:#x} is no kernel that the program has registered", function,
       reinterpret_cast<uint64_t>(host_or_handle));
}

VariablePlace variable_of(const void* host, const char* function) {
  const auto& variables = registry().variables;
  const auto found = variables.find(host);
  if (found == variables.end()) {
    fail(kInvalidSymbol, "{}: {:#x} is no variable that the program has registered", function,
         reinterpret_cast<uint64_t>(host));
  }
  const auto place = find_variable(*found->second.module, found->second.name);
  if (place) return *place;
  fail(kInvalidSymbol, "{}: no PTX has a variable {}", function, found->second.name);
}

}  // namespace fa4::emurun
