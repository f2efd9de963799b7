// SPDX-License-Identifier: Apache-2.0
#include "device/driver.h"

#include <dlfcn.h>

#include <cstdlib>

namespace fa4::device {
namespace {

constexpr int kOldestVersion = 12000;  // the first with libraries that belong to no context

struct Opened {
  Driver driver{};
  Status status;
};

template <class Function>
bool bind(void* library, const char* name, Function** function) {
  *function = reinterpret_cast<Function*>(dlsym(library, name));
  return *function != nullptr;
}

// The name of the first entry point that is missing, or null.
const char* bind_all(void* library, Driver* driver) {
  const char* missing = nullptr;
  const auto need = [&](const char* name, auto** function) {
    if (!bind(library, name, function) && missing == nullptr) missing = name;
  };
  need("cuInit", &driver->init);
  need("cuDriverGetVersion", &driver->driver_version);
  need("cuGetErrorName", &driver->error_name);
  need("cuGetErrorString", &driver->error_string);
  need("cuDeviceGetCount", &driver->device_count);
  need("cuDeviceGet", &driver->device_get);
  need("cuDeviceGetName", &driver->device_name);
  need("cuDeviceGetAttribute", &driver->device_attribute);
  need("cuDevicePrimaryCtxRetain", &driver->retain_primary);
  need("cuCtxGetCurrent", &driver->current_context);
  need("cuCtxGetDevice", &driver->context_device);
  need("cuCtxPushCurrent_v2", &driver->push_context);
  need("cuCtxPopCurrent_v2", &driver->pop_context);
  need("cuStreamGetCtx", &driver->stream_context);
  need("cuStreamSynchronize", &driver->stream_synchronize);
  need("cuMemAlloc_v2", &driver->allocate);
  need("cuMemFree_v2", &driver->free);
  need("cuMemcpyHtoD_v2", &driver->copy_in);
  need("cuMemcpyDtoH_v2", &driver->copy_out);
  need("cuMemPoolCreate", &driver->pool_create);
  need("cuMemPoolSetAttribute", &driver->pool_set);
  need("cuMemAllocFromPoolAsync", &driver->pool_allocate);
  need("cuMemFreeAsync", &driver->pool_free);
  need("cuEventCreate", &driver->event_create);
  need("cuEventDestroy_v2", &driver->event_destroy);
  need("cuEventRecord", &driver->event_record);
  need("cuEventSynchronize", &driver->event_synchronize);
  need("cuEventElapsedTime", &driver->event_elapsed);
  need("cuLibraryLoadData", &driver->library_load);
  need("cuLibraryGetKernel", &driver->library_kernel);
  need("cuKernelGetFunction", &driver->kernel_function);
  need("cuKernelGetAttribute", &driver->kernel_attribute);
  need("cuKernelSetAttribute", &driver->set_kernel_attribute);
  need("cuLaunchKernel", &driver->launch);
  need("cuTensorMapEncodeTiled", &driver->encode_tensor_map);
  bind(library, "cuKernelGetParamInfo", &driver->kernel_param_info);
  return missing;
}

Status open_driver(Driver* driver) {
  const char* named = std::getenv("FA4_CUDA");
  driver->path = named != nullptr && *named != '\0' ? named : "libcuda.so.1";
  void* library = dlopen(driver->path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return unsupported("no CUDA driver: {} cannot be opened ({})", driver->path, dlerror());
  }
  const char* missing = bind_all(library, driver);
  if (driver->driver_version != nullptr) driver->driver_version(&driver->version);
  if (missing != nullptr || driver->version < kOldestVersion) {
    return unsupported("the CUDA driver {} is too old: it is for CUDA {}, and 12.0 is needed{}{}",
                       driver->path, driver_version_text(driver->version),
                       missing != nullptr ? "; it has no " : "", missing != nullptr ? missing : "");
  }
  Status status = driver->check(driver->init(0), "the CUDA driver does not start");
  if (!status.ok()) status.code = FA4_ERROR_UNSUPPORTED;
  return status;
}

}  // namespace

Status Driver::check(int result, const std::string& what) const {
  if (result == 0) return {};
  const char *name = "an unknown error", *sentence = "";
  error_name(result, &name);
  error_string(result, &sentence);
  const fa4_status code = result == kErrorOutOfMemory ? FA4_ERROR_OUT_OF_MEMORY : FA4_ERROR_DEVICE;
  return {code, fmt::format("{}: {} ({})", what, sentence, name)};
}

Status find_driver(const Driver** driver) {
  static const Opened opened = [] {
    Opened result;
    result.status = open_driver(&result.driver);
    return result;
  }();
  *driver = &opened.driver;
  return opened.status;
}

std::string driver_version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace fa4::device
