// SPDX-License-Identifier: Apache-2.0
// Modules loaded by hand: cudaLibrary…, cuLibrary… and cuModule….
#include <fstream>
#include <iterator>

#include "emurun/base.h"
#include "emurun/memory.h"
#include "emurun/module.h"

namespace fa4::emurun {
namespace {

Module* load_file(const char* path, const char* self) {
  std::ifstream file(&checked(path, self, "the file's name"), std::ios::binary);
  if (!file) fail(kFileNotFound, "{}: {} cannot be read", self, path);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return add_module(bytes.c_str(), path);
}

Kernel* kernel_in(Module* module, const char* name, const char* self) {
  Kernel* kernel = find_kernel(checked(module, self, "the library"), &checked(name, self, "name"));
  if (kernel == nullptr) fail(kNotFound, "{}: {} has no entry {}", self, module->name, name);
  return kernel;
}

VariablePlace variable_in(Module* module, const char* name, const char* self) {
  const auto place =
      find_variable(checked(module, self, "the library"), &checked(name, self, "name"));
  if (!place) fail(kNotFound, "{}: {} has no variable {}", self, module->name, name);
  return *place;
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaLibraryLoadData(Module** library, const void* code) {
  return runtime_call(__func__, [&](const char* self) {
    checked(library, self, "library") = add_module(code, self);
  });
}

FA4_CUDA Status cudaLibraryLoadFromFile(Module** library, const char* path) {
  return runtime_call(__func__, [&](const char* self) {
    checked(library, self, "library") = load_file(path, self);
  });
}

FA4_CUDA Status cudaLibraryUnload(Module* /*library*/) { return kSuccess; }

FA4_CUDA Status cudaLibraryGetKernel(Kernel** kernel, Module* library, const char* name) {
  return runtime_call(__func__, [&](const char* self) {
    checked(kernel, self, "pKernel") = kernel_in(library, name, self);
  });
}

FA4_CUDA Status cudaLibraryGetGlobal(void** pointer, size_t* bytes, Module* library,
                                     const char* name) {
  return runtime_call(__func__, [&](const char* self) {
    const VariablePlace place = variable_in(library, name, self);
    if (pointer != nullptr) *pointer = place.address;
    if (bytes != nullptr) *bytes = place.bytes;
  });
}
FA4_CUDA_ALSO(cudaLibraryGetGlobal, cudaLibraryGetManaged);

FA4_CUDA Status cudaLibraryGetKernelCount(unsigned* count, Module* library) {
  return runtime_call(__func__, [&](const char* self) {
    checked(count, self, "count") =
        static_cast<unsigned>(all_kernels(checked(library, self, "lib")).size());
  });
}

FA4_CUDA Status cudaLibraryEnumerateKernels(Kernel** kernels, unsigned count, Module* library) {
  return runtime_call(__func__, [&](const char* self) {
    const auto all = all_kernels(checked(library, self, "lib"));
    for (unsigned i = 0; i < count && i < all.size(); ++i) kernels[i] = all[i];
  });
}

FA4_CUDA Status cuModuleLoadData(Module** module, const void* image) {
  return driver_call(__func__, [&](const char* self) {
    checked(module, self, "module") = add_module(image, self);
  });
}
FA4_CUDA_ALSO(cuModuleLoadData, cuModuleLoadFatBinary);

FA4_CUDA Status cuModuleLoadDataEx(Module** module, const void* image, unsigned /*count*/,
                                   int* /*options*/, void** /*values*/) {
  return cuModuleLoadData(module, image);
}

FA4_CUDA Status cuLibraryLoadData(Module** library, const void* code) {
  return cuModuleLoadData(library, code);
}

FA4_CUDA Status cuModuleLoad(Module** module, const char* path) {
  return driver_call(
      __func__, [&](const char* self) { checked(module, self, "module") = load_file(path, self); });
}
FA4_CUDA Status cuLibraryLoadFromFile(Module** library, const char* path) {
  return cuModuleLoad(library, path);
}

FA4_CUDA Status cuModuleUnload(Module* /*module*/) { return kSuccess; }
FA4_CUDA_ALSO(cuModuleUnload, cuLibraryUnload);

FA4_CUDA Status cuModuleGetFunction(Kernel** kernel, Module* module, const char* name) {
  return driver_call(__func__, [&](const char* self) {
    checked(kernel, self, "function") = kernel_in(module, name, self);
  });
}
FA4_CUDA_ALSO(cuModuleGetFunction, cuLibraryGetKernel);

FA4_CUDA Status cuKernelGetFunction(Kernel** function, Kernel* kernel) {
  return driver_call(__func__, [&](const char* self) {
    checked(function, self, "pFunc") = &kernel_of(kernel, self);
  });
}

FA4_CUDA Status cuLibraryGetModule(Module** module, Module* library) {
  return driver_call(__func__, [&](const char* self) { checked(module, self, "pMod") = library; });
}

FA4_CUDA Status cuModuleGetGlobal_v2(void** pointer, size_t* bytes, Module* module,
                                     const char* name) {
  return driver_call(__func__, [&](const char* self) {
    const VariablePlace place = variable_in(module, name, self);
    if (pointer != nullptr) *pointer = place.address;
    if (bytes != nullptr) *bytes = place.bytes;
  });
}
FA4_CUDA_ALSO(cuModuleGetGlobal_v2, cuLibraryGetGlobal);
FA4_CUDA_ALSO(cuModuleGetGlobal_v2, cuLibraryGetManaged);
