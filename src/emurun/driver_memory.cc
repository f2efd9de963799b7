// SPDX-License-Identifier: Apache-2.0
// The driver's memory: addresses are numbers.
#include "emurun/base.h"
#include "emurun/memory.h"
#include "emurun/stream.h"

namespace fa4::emurun {
namespace {

using Address = unsigned long long;

void* at(Address address) { return reinterpret_cast<void*>(address); }

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cuMemAlloc_v2(Address* pointer, size_t bytes) {
  return driver_call(__func__, [&](const char* self) {
    if (bytes == 0) fail(kInvalidValue, "{}: 0 bytes are asked for", self);
    checked(pointer, self, "dptr") =
        reinterpret_cast<Address>(allocate(MemoryKind::Device, bytes, self));
  });
}

FA4_CUDA Status cuMemAllocAsync(Address* pointer, size_t bytes, void* /*stream*/) {
  return cuMemAlloc_v2(pointer, bytes);
}
FA4_CUDA_ALSO(cuMemAllocAsync, cuMemAllocAsync_ptsz);
FA4_CUDA_ALSO(cuMemAllocAsync, cuMemAllocManaged);  // the third argument is flags

FA4_CUDA Status cuMemAllocPitch_v2(Address* pointer, size_t* pitch, size_t width, size_t height,
                                   unsigned /*element*/) {
  return driver_call(__func__, [&](const char* self) {
    checked(pitch, self, "pPitch") = (width + 511) / 512 * 512;
    checked(pointer, self, "dptr") =
        reinterpret_cast<Address>(allocate(MemoryKind::Device, *pitch * height, self));
  });
}

FA4_CUDA Status cuMemFree_v2(Address pointer) {
  return driver_call(__func__,
                     [&](const char* self) { release(at(pointer), MemoryKind::Device, self); });
}
FA4_CUDA Status cuMemFreeAsync(Address pointer, void* /*stream*/) { return cuMemFree_v2(pointer); }
FA4_CUDA_ALSO(cuMemFreeAsync, cuMemFreeAsync_ptsz);

FA4_CUDA Status cuMemHostAlloc(void** pointer, size_t bytes, unsigned /*flags*/) {
  return driver_call(__func__, [&](const char* self) {
    checked(pointer, self, "pp") = allocate(MemoryKind::Pinned, bytes, self);
  });
}

FA4_CUDA Status cuMemAllocHost_v2(void** pointer, size_t bytes) {
  return cuMemHostAlloc(pointer, bytes, 0);
}

FA4_CUDA Status cuMemFreeHost(void* pointer) {
  return driver_call(__func__,
                     [&](const char* self) { release(pointer, MemoryKind::Pinned, self); });
}

FA4_CUDA Status cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned /*flags*/) {
  return driver_call(__func__, [&](const char* self) { register_host(pointer, bytes, self); });
}

FA4_CUDA Status cuMemHostUnregister(void* pointer) {
  return driver_call(__func__, [&](const char* self) { unregister_host(pointer, self); });
}

FA4_CUDA Status cuMemHostGetDevicePointer_v2(Address* device, void* host, unsigned /*flags*/) {
  return driver_call(__func__, [&](const char* self) {
    if (find_allocation(host) == nullptr)
      fail(kInvalidValue, "{}: {} is not page-locked", self, host);
    checked(device, self, "pdptr") = reinterpret_cast<Address>(host);
  });
}

FA4_CUDA Status cuMemGetInfo_v2(size_t* free, size_t* total) {
  return driver_call(__func__, [&](const char* self) {
    checked(free, self, "free") = memory_info().free;
    checked(total, self, "total") = memory_info().total;
  });
}

FA4_CUDA Status cuMemGetAddressRange_v2(Address* base, size_t* bytes, Address pointer) {
  return driver_call(__func__, [&](const char* self) {
    const Allocation* allocation = find_allocation(at(pointer));
    if (allocation == nullptr) fail(kNotFound, "{}: {:#x} is in no allocation", self, pointer);
    if (base != nullptr) *base = reinterpret_cast<Address>(allocation->base);
    if (bytes != nullptr) *bytes = allocation->bytes;
  });
}

// Of CUpointer_attribute: the context, the kind of memory, both addresses, whether it is managed, the device, the range.
FA4_CUDA Status cuPointerGetAttribute(void* value, int attribute, Address pointer) {
  return driver_call(__func__, [&](const char* self) {
    const Allocation* allocation = find_allocation(at(pointer));
    if (allocation == nullptr) throw Failure{kInvalidValue};
    const bool host =
        allocation->kind == MemoryKind::Pinned || allocation->kind == MemoryKind::Registered;
    switch (attribute) {
      case 2:
        *static_cast<unsigned*>(value) = host ? 1 : 2;
        return;
      case 3:
      case 4:
        *static_cast<Address*>(value) = pointer;
        return;
      case 8:
        *static_cast<unsigned*>(value) = allocation->kind == MemoryKind::Managed;
        return;
      case 9:
        *static_cast<int*>(value) = 0;
        return;
      case 11:
        *static_cast<Address*>(value) = reinterpret_cast<Address>(allocation->base);
        return;
      case 12:
        *static_cast<size_t*>(value) = allocation->bytes;
        return;
      default:
        fail(kInvalidValue, "{}: attribute {} is not served", self, attribute);
    }
  });
}

FA4_CUDA Status cuMemcpyHtoD_v2(Address to, const void* from, size_t bytes) {
  return driver_call(__func__,
                     [&](const char* self) { copy(at(to), from, bytes, kHostToDevice, self); });
}
FA4_CUDA_ALSO(cuMemcpyHtoD_v2, cuMemcpyHtoD_v2_ptds);

FA4_CUDA Status cuMemcpyDtoH_v2(void* to, Address from, size_t bytes) {
  return driver_call(__func__,
                     [&](const char* self) { copy(to, at(from), bytes, kDeviceToHost, self); });
}
FA4_CUDA_ALSO(cuMemcpyDtoH_v2, cuMemcpyDtoH_v2_ptds);

FA4_CUDA Status cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) {
  return driver_call(
      __func__, [&](const char* self) { copy(at(to), at(from), bytes, kDeviceToDevice, self); });
}
FA4_CUDA_ALSO(cuMemcpyDtoD_v2, cuMemcpyDtoD_v2_ptds);

FA4_CUDA Status cuMemcpy(Address to, Address from, size_t bytes) {
  return driver_call(__func__,
                     [&](const char* self) { copy(at(to), at(from), bytes, kDefault, self); });
}

FA4_CUDA Status cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { copy(at(to), from, bytes, kHostToDevice, self); });
  });
}
FA4_CUDA_ALSO(cuMemcpyHtoDAsync_v2, cuMemcpyHtoDAsync_v2_ptsz);

FA4_CUDA Status cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { copy(to, at(from), bytes, kDeviceToHost, self); });
  });
}
FA4_CUDA_ALSO(cuMemcpyDtoHAsync_v2, cuMemcpyDtoHAsync_v2_ptsz);

FA4_CUDA Status cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { copy(at(to), at(from), bytes, kDeviceToDevice, self); });
  });
}
FA4_CUDA_ALSO(cuMemcpyDtoDAsync_v2, cuMemcpyDtoDAsync_v2_ptsz);

FA4_CUDA Status cuMemcpyAsync(Address to, Address from, size_t bytes, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { copy(at(to), at(from), bytes, kDefault, self); });
  });
}

FA4_CUDA Status cuMemsetD8Async(Address to, unsigned char value, size_t count, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { fill(at(to), value, 1, count, self); });
  });
}
FA4_CUDA Status cuMemsetD16Async(Address to, unsigned short value, size_t count, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { fill(at(to), value, 2, count, self); });
  });
}
FA4_CUDA Status cuMemsetD32Async(Address to, unsigned value, size_t count, void* stream) {
  return driver_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { fill(at(to), value, 4, count, self); });
  });
}

FA4_CUDA Status cuMemsetD8_v2(Address to, unsigned char value, size_t count) {
  return cuMemsetD8Async(to, value, count, nullptr);
}
FA4_CUDA Status cuMemsetD16_v2(Address to, unsigned short value, size_t count) {
  return cuMemsetD16Async(to, value, count, nullptr);
}
FA4_CUDA Status cuMemsetD32_v2(Address to, unsigned value, size_t count) {
  return cuMemsetD32Async(to, value, count, nullptr);
}
