// SPDX-License-Identifier: Apache-2.0
// The CUDA driver, opened at run time: the entry points that are used, declared here, and its errors as
// statuses. Handles are plain pointers; nothing of the toolkit is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/status.h"

namespace fa4::device {

using Address = unsigned long long;  // CUdeviceptr

// The driver's numbers that we use.
enum DriverNumber : int {
  kErrorOutOfMemory = 2,
  kErrorNoDevice = 100,
  kAttributeNumSms = 16,
  kAttributeL2Bytes = 38,
  kAttributeCapabilityMajor = 75,
  kAttributeCapabilityMinor = 76,
  kAttributeSmemPerSm = 81,
  kAttributeSmemPerBlockOptin = 97,
  kFunctionRegisters = 4,
  kFunctionMaxDynamicSmem = 8,
  kPoolReleaseThreshold = 4
};

// CUmemPoolProps.
struct PoolProperties {
  int allocation_type = 1;  // pinned
  int handle_types = 0;
  int location_type = 1;  // a device
  int location_id = 0;
  void* security_attributes = nullptr;
  size_t max_bytes = 0;
  unsigned char reserved[56] = {};
};
static_assert(sizeof(PoolProperties) == 88);

struct Driver {
  int (*init)(unsigned);
  int (*driver_version)(int*);
  int (*error_name)(int, const char**);
  int (*error_string)(int, const char**);
  int (*device_count)(int*);
  int (*device_get)(int*, int ordinal);
  int (*device_name)(char*, int, int device);
  int (*device_attribute)(int*, int attribute, int device);
  int (*retain_primary)(void** context, int device);
  int (*current_context)(void**);
  int (*context_device)(int*);
  int (*push_context)(void*);
  int (*pop_context)(void**);
  int (*stream_context)(void* stream, void** context);
  int (*stream_synchronize)(void*);
  int (*allocate)(Address*, size_t);
  int (*free)(Address);
  int (*copy_in)(Address, const void*, size_t);
  int (*copy_out)(void*, Address, size_t);
  int (*pool_create)(void**, const PoolProperties*);
  int (*pool_set)(void* pool, int attribute, void* value);
  int (*pool_allocate)(Address*, size_t, void* pool, void* stream);
  int (*pool_free)(Address, void* stream);
  int (*event_create)(void**, unsigned);
  int (*event_destroy)(void*);
  int (*event_record)(void*, void* stream);
  int (*event_synchronize)(void*);
  int (*event_elapsed)(float*, void*, void*);
  int (*library_load)(void**, const void* image, int* jit_options, void** jit_values, unsigned,
                      int* options, void** values, unsigned);
  int (*library_kernel)(void**, void* library, const char* name);
  int (*kernel_function)(void**, void* kernel);
  int (*kernel_attribute)(int*, int attribute, void* kernel, int device);
  int (*set_kernel_attribute)(int attribute, int value, void* kernel, int device);
  int (*launch)(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                unsigned block_y, unsigned block_z, unsigned smem_bytes, void* stream,
                void** params, void** extra);
  int (*encode_tensor_map)(void* map, int type, unsigned rank, void* address, const uint64_t* sizes,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* steps,
                           int interleave, int swizzle, int l2_promotion, int fill);
  // Newer than the oldest driver that is served; may be null.
  int (*kernel_param_info)(void* kernel, size_t index, size_t* offset, size_t* size);

  std::string path;  // of the library
  int version = 0;   // 13000 for 13.0

  // "what: CUDA_ERROR_…, the driver's sentence", or ok.
  Status check(int result, const std::string& what) const;
};

// Opened and initialised once, on the first call. The sentence says what is missing.
Status find_driver(const Driver** driver);

std::string driver_version_text(int version);  // 13000 -> "13.0"

}  // namespace fa4::device
