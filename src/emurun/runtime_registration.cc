// SPDX-License-Identifier: Apache-2.0
// What the code that nvcc writes calls before main: fat binaries, kernels and variables; and the two halves of <<<…>>>.
#include <map>

#include "emurun/base.h"
#include "emurun/launch.h"
#include "emurun/memory.h"
#include "emurun/module.h"

namespace fa4::emurun {
namespace {

struct ManagedVariable {
  Module* module;
  void** host;  // the pointer through which the host reads and writes
  std::string name;
};

std::vector<ManagedVariable>& managed_variables() {
  static auto* const all = new std::vector<ManagedVariable>;
  return *all;
}

std::vector<LaunchShape>& pushed_shapes() {
  thread_local std::vector<LaunchShape> shapes;
  return shapes;
}

Module* module_of(void** handle) { return reinterpret_cast<Module*>(handle); }

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT: this room's C functions are written in its words

FA4_CUDA void** __cudaRegisterFatBinary(void* image) {
  Module* module = nullptr;
  runtime_call("fat binary", [&](const char* self) { module = add_module(image, self); });
  return reinterpret_cast<void**>(module);
}

FA4_CUDA void __cudaRegisterFatBinaryEnd(void** /*handle*/) {}

// Modules stay: reports and graphs may still name them.
FA4_CUDA void __cudaUnregisterFatBinary(void** /*handle*/) {}

FA4_CUDA void __cudaRegisterFunction(void** handle, const char* host, char* /*device*/,
                                     const char* name, int /*thread_limit*/, void* /*tid*/,
                                     void* /*bid*/, void* /*block*/, void* /*grid*/,
                                     int* /*warp*/) {
  if (handle == nullptr) return;  // its fat binary was refused with a sentence
  runtime_call(__func__, [&](const char*) { register_kernel(host, module_of(handle), name); });
}

FA4_CUDA void __cudaRegisterVar(void** handle, char* host, char* /*device*/, const char* name,
                                int /*ext*/, size_t /*bytes*/, int /*constant*/, int /*global*/) {
  if (handle == nullptr) return;
  runtime_call(__func__, [&](const char*) { register_variable(host, module_of(handle), name); });
}

FA4_CUDA void __cudaRegisterHostVar(void** /*handle*/, const char* /*name*/, char* /*host*/,
                                    size_t /*bytes*/) {}

FA4_CUDA void __cudaRegisterManagedVar(void** handle, void** host, char* /*device*/,
                                       const char* name, int /*ext*/, size_t /*bytes*/,
                                       int /*constant*/, int /*global*/) {
  if (handle == nullptr) return;
  runtime_call(__func__, [&](const char*) {
    managed_variables().push_back({module_of(handle), host, name});
  });
}

// Called before the first use of a managed variable.
FA4_CUDA char __cudaInitModule(void** handle) {
  const Status status = runtime_call(__func__, [&](const char* self) {
    for (const ManagedVariable& variable : managed_variables()) {
      if (variable.module != module_of(handle)) continue;
      const auto place = find_variable(*variable.module, variable.name);
      if (!place) fail(kInvalidSymbol, "{}: no PTX has a variable {}", self, variable.name);
      *variable.host = place->address;
      register_variable(place->address, variable.module, variable.name.c_str());
    }
  });
  return status == kSuccess ? 1 : 0;
}

FA4_CUDA unsigned __cudaPushCallConfiguration(Extents grid, Extents block, size_t shared,
                                              void* stream) {
  LaunchShape shape;
  shape.grid = grid;
  shape.block = block;
  shape.dynamic_shared = shared;
  shape.stream = stream;
  pushed_shapes().push_back(shape);
  return 0;
}

FA4_CUDA Status __cudaPopCallConfiguration(Extents* grid, Extents* block, size_t* shared,
                                           void* stream) {
  auto& shapes = pushed_shapes();
  if (shapes.empty()) return last_error() = static_cast<Status>(52);  // a missing configuration
  const LaunchShape shape = shapes.back();
  shapes.pop_back();
  *grid = shape.grid;
  *block = shape.block;
  *shared = shape.dynamic_shared;
  *static_cast<void**>(stream) = shape.stream;
  return kSuccess;
}

FA4_CUDA Status __cudaGetKernel(Kernel** kernel, const void* host) {
  return runtime_call(__func__, [&](const char* self) {
    checked(kernel, self, "kernel") = &kernel_of(host, self);
  });
}

FA4_CUDA Status __cudaLaunchKernel(Kernel* kernel, Extents grid, Extents block, void** arguments,
                                   size_t shared, void* stream) {
  return runtime_call("<<<...>>>", [&](const char* self) {
    launch_kernel(kernel_of(kernel, self), LaunchShape{grid, block, {}, shared, stream}, arguments,
                  nullptr, 0, self);
  });
}
FA4_CUDA_ALSO(__cudaLaunchKernel, __cudaLaunchKernel_ptsz);
