// SPDX-License-Identifier: Apache-2.0
// Modules, kernels and variables, as a program knows them. A module's PTX is parsed when the first of its kernels or
// variables is asked for.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emurun/fatbin.h"
#include "emurun/machine.h"

namespace fa4::emurun {

struct Module;

// Also cudaKernel_t, cudaFunction_t, CUfunction and CUkernel.
struct Kernel {
  Module* module = nullptr;
  std::string name;
  uint32_t max_dynamic_shared = 48
                                << 10;  // cudaFuncAttributeMaxDynamicSharedMemorySize; its default
  bool non_portable_cluster = false;
  // Known once it is resolved.
  bool resolved = false;
  uint64_t id = 0;  // the machine's module
  fa4emu_entry facts = {};
  std::vector<Parameter> parameters;
};

// Also CUmodule, CUlibrary, cudaLibrary_t and what __cudaRegisterFatBinary hands back.
struct Module {
  std::string name;  // "fat binary #1"
  ProgramImage image;
  bool loaded = false;
  std::vector<uint64_t> ids;  // the machine's modules
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
};

Module* add_module(const void* image, const char* function);

// Finds its PTX, or throws Failure after a sentence.
Kernel& resolve(Kernel& kernel);

// Null: the module has no such entry.
Kernel* find_kernel(Module& module, const std::string& name);
std::vector<Kernel*> all_kernels(Module& module);
std::optional<VariablePlace> find_variable(Module& module, const std::string& name);

// What nvcc's code registers by addresses of the host.
struct RegisteredVariable {
  Module* module = nullptr;
  std::string name;
};
void register_kernel(const void* host, Module* module, const char* name);
void register_variable(const void* host, Module* module, const char* name);

// The kernel of a host function, or of a handle of one; throws Failure.
Kernel& kernel_of(const void* host_or_handle, const char* function);
VariablePlace variable_of(const void* host, const char* function);

}  // namespace fa4::emurun
