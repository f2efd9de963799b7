// SPDX-License-Identifier: Apache-2.0
// Functions by name, as programs that do not link libcuda get them.
#include <dlfcn.h>

#include <algorithm>
#include <iterator>

#include "emurun/base.h"
#include "emurun/not_served.h"

namespace fa4::emurun {
namespace {

constexpr int kMostSaid = 8;

// What a function of ours is called that the header of CUDA calls without its version.
void* function_named(const std::string& name) {
  static void* const self = [] {
    Dl_info info = {};
    dladdr(reinterpret_cast<const void*>(&settings), &info);
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }();
  if (self == nullptr) return nullptr;
  for (const char* version : {"_v4", "_v3", "_v2", ""}) {
    const std::string full = name + version;
    void* const found = is_not_served(full) ? nullptr : dlsym(self, full.c_str());
    if (found != nullptr) return found;
  }
  return nullptr;
}

// Each name is said, but libraries that ask for hundreds to have them at hand are not followed to the end.
void say_not_served(const char* name, const char* self) {
  static int said = 0;
  if (said < kMostSaid) {
    say(fmt::format("{}: {} is asked for, and is not served", self, name));
  } else if (said == kMostSaid) {
    say(fmt::format("{}: other functions are asked for that are not served", self));
  }
  ++said;
}

// The words of cudaDriverEntryPointQueryResult and CUdriverProcAddressQueryResult.
constexpr int kFound = 0, kNoSuchName = 1;

void find(const char* name, void** function, int* status, const char* self) {
  void*& to = checked(function, self, "the function's place");
  to = function_named(&checked(name, self, "the name"));
  if (status != nullptr) *status = to == nullptr ? kNoSuchName : kFound;
  if (to != nullptr) return;
  say_not_served(name, self);
  if (status == nullptr) throw Failure{kNotFound};
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaGetDriverEntryPoint(const char* name, void** function,
                                        unsigned long long /*flags*/, int* status) {
  return runtime_call(__func__, [&](const char* self) { find(name, function, status, self); });
}
FA4_CUDA_ALSO(cudaGetDriverEntryPoint, cudaGetDriverEntryPoint_ptsz);

FA4_CUDA Status cudaGetDriverEntryPointByVersion(const char* name, void** function,
                                                 unsigned /*version*/, unsigned long long /*flags*/,
                                                 int* status) {
  return runtime_call(__func__, [&](const char* self) { find(name, function, status, self); });
}
FA4_CUDA_ALSO(cudaGetDriverEntryPointByVersion, cudaGetDriverEntryPointByVersion_ptsz);

FA4_CUDA Status cuGetProcAddress_v2(const char* name, void** function, int /*version*/,
                                    unsigned long long /*flags*/, int* status) {
  return driver_call(__func__, [&](const char* self) { find(name, function, status, self); });
}

FA4_CUDA Status cuGetProcAddress(const char* name, void** function, int version,
                                 unsigned long long flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}

// The CUDA runtime itself, when it is inside a program, asks the driver for this first.
FA4_CUDA Status cuGetExportTable(const void** table, const void* /*uuid*/) {
  return driver_call(__func__, [&](const char*) {
    if (table != nullptr) *table = nullptr;
    count_errors(1);  // nothing of the program will run
    fail(kNotFound,
         "the program has the CUDA runtime inside (nvcc's default), where nothing can stand in for "
         "it: build it with -cudart shared");
  });
}

FA4_CUDA Status cudaGetExportTable(const void** table, const void* /*uuid*/) {
  return runtime_call(__func__, [&](const char* self) {
    if (table != nullptr) *table = nullptr;
    fail(kNotSupported, "{}: NVIDIA's private tables are not served", self);
  });
}
