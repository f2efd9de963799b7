// SPDX-License-Identifier: Apache-2.0
// The driver's devices and contexts. There is one of each, and it is always current.
#include <cstdio>
#include <cstring>

#include "emurun/base.h"
#include "emurun/device.h"
#include "emurun/memory.h"

namespace fa4::emurun {
namespace {

void* only_context() {
  static char context;
  return &context;
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cuInit(unsigned /*flags*/) { return kSuccess; }

FA4_CUDA Status cuDeviceGet(int* index, int ordinal) {
  return driver_call(__func__, [&](const char* self) {
    check_device(ordinal, self);
    checked(index, self, "device") = 0;
  });
}

FA4_CUDA Status cuDeviceGetCount(int* count) {
  return driver_call(__func__, [&](const char* self) { checked(count, self, "count") = 1; });
}

FA4_CUDA Status cuDeviceGetName(char* name, int bytes, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    std::snprintf(&checked(name, self, "name"), static_cast<size_t>(bytes), "%s",
                  device().name.c_str());
  });
}

FA4_CUDA Status cuDeviceGetUuid_v2(char* uuid, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    std::memcpy(&checked(uuid, self, "uuid"), "fa4-ptx-machine", 16);
  });
}
FA4_CUDA_ALSO(cuDeviceGetUuid_v2, cuDeviceGetUuid);

FA4_CUDA Status cuDeviceTotalMem_v2(size_t* bytes, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    checked(bytes, self, "bytes") = memory_info().total;
  });
}

FA4_CUDA Status cuDeviceGetAttribute(int* value, int number, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    if (!device_attribute(number, &checked(value, self, "pi"))) {
      fail(kInvalidValue, "{}: there is no attribute {}", self, number);
    }
  });
}

FA4_CUDA Status cuDeviceComputeCapability(int* major, int* minor, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    checked(major, self, "major") = device().arch / 10;
    checked(minor, self, "minor") = device().arch % 10;
  });
}

FA4_CUDA Status cuDeviceGetPCIBusId(char* text, int bytes, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    std::snprintf(&checked(text, self, "pciBusId"), static_cast<size_t>(bytes), "%s", kPciBusId);
  });
}

FA4_CUDA Status cuDevicePrimaryCtxRetain(void** context, int index) {
  return driver_call(__func__, [&](const char* self) {
    check_device(index, self);
    checked(context, self, "pctx") = only_context();
  });
}

FA4_CUDA Status cuDevicePrimaryCtxRelease_v2(int /*index*/) { return kSuccess; }
FA4_CUDA_ALSO(cuDevicePrimaryCtxRelease_v2, cuDevicePrimaryCtxReset_v2);
FA4_CUDA Status cuDevicePrimaryCtxSetFlags_v2(int /*index*/, unsigned /*flags*/) {
  return kSuccess;
}

FA4_CUDA Status cuDevicePrimaryCtxGetState(int /*index*/, unsigned* flags, int* active) {
  return driver_call(__func__, [&](const char* self) {
    checked(flags, self, "flags") = 0;
    checked(active, self, "active") = 1;
  });
}

FA4_CUDA Status cuCtxGetCurrent(void** context) {
  return driver_call(__func__,
                     [&](const char* self) { checked(context, self, "pctx") = only_context(); });
}
FA4_CUDA_ALSO(cuCtxGetCurrent, cuCtxPopCurrent_v2);
FA4_CUDA_ALSO(cuCtxGetCurrent, cuCtxCreate_v2);  // which has flags and a device behind it
FA4_CUDA_ALSO(cuCtxGetCurrent, cuCtxCreate_v3);
FA4_CUDA_ALSO(cuCtxGetCurrent, cuCtxCreate_v4);

FA4_CUDA Status cuStreamGetCtx(void* /*stream*/, void** context) {
  return cuCtxGetCurrent(context);
}

FA4_CUDA Status cuCtxSetCurrent(void* /*context*/) { return kSuccess; }
FA4_CUDA_ALSO(cuCtxSetCurrent, cuCtxPushCurrent_v2);
FA4_CUDA_ALSO(cuCtxSetCurrent, cuCtxDestroy_v2);
FA4_CUDA Status cuCtxSynchronize() { return kSuccess; }
FA4_CUDA Status cuCtxSetLimit(int /*limit*/, size_t /*value*/) { return kSuccess; }
FA4_CUDA Status cuCtxSetCacheConfig(int /*config*/) { return kSuccess; }

FA4_CUDA Status cuCtxGetDevice(int* index) {
  return driver_call(__func__, [&](const char* self) { checked(index, self, "device") = 0; });
}

FA4_CUDA Status cuCtxGetApiVersion(void* /*context*/, unsigned* version) {
  return driver_call(__func__,
                     [&](const char* self) { checked(version, self, "version") = 13000; });
}

FA4_CUDA Status cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return kSuccess;
}
