// SPDX-License-Identifier: Apache-2.0
// Allocation, and what can be asked about addresses.
#include <cstring>

#include "emurun/base.h"
#include "emurun/memory.h"
#include "emurun/module.h"
#include "emurun/stream.h"

namespace fa4::emurun {
namespace {

constexpr uint64_t kPitch = 512;

struct PointerAttributes {  // cudaPointerAttributes
  int type;
  int device;
  void* device_pointer;
  void* host_pointer;
  long reserved[8];
};

struct PitchedPointer {  // cudaPitchedPtr
  void* base;
  size_t pitch, width, height;
};

struct Extent {  // cudaExtent, in bytes, rows and slices
  size_t width, height, depth;
};

int memory_type_of(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::Pinned:
    case MemoryKind::Registered:
      return 1;
    case MemoryKind::Managed:
      return 3;
    default:
      return 2;
  }
}

// A pool is a name: all memory comes from one place.
struct Pool {
  uint64_t release_threshold = 0;
};

Pool& default_pool() {
  static auto* const pool = new Pool;
  return *pool;
}

constexpr int kReleaseThreshold = 4, kFirstCounter = 5;  // of cudaMemPoolAttr

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaMalloc(void** pointer, size_t bytes) {
  return runtime_call(__func__, [&](const char* self) {
    checked(pointer, self, "devPtr") = allocate(MemoryKind::Device, bytes, self);
  });
}

FA4_CUDA Status cudaFree(void* pointer) {
  return runtime_call(__func__,
                      [&](const char* self) { release(pointer, MemoryKind::Device, self); });
}

FA4_CUDA Status cudaMallocManaged(void** pointer, size_t bytes, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) {
    checked(pointer, self, "devPtr") = allocate(MemoryKind::Managed, bytes, self);
  });
}

FA4_CUDA Status cudaMallocHost(void** pointer, size_t bytes) {
  return runtime_call(__func__, [&](const char* self) {
    checked(pointer, self, "ptr") = allocate(MemoryKind::Pinned, bytes, self);
  });
}

FA4_CUDA Status cudaHostAlloc(void** pointer, size_t bytes, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) {
    checked(pointer, self, "pHost") = allocate(MemoryKind::Pinned, bytes, self);
  });
}

FA4_CUDA Status cudaFreeHost(void* pointer) {
  return runtime_call(__func__,
                      [&](const char* self) { release(pointer, MemoryKind::Pinned, self); });
}

FA4_CUDA Status cudaHostRegister(void* pointer, size_t bytes, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) { register_host(pointer, bytes, self); });
}

FA4_CUDA Status cudaHostUnregister(void* pointer) {
  return runtime_call(__func__, [&](const char* self) { unregister_host(pointer, self); });
}

FA4_CUDA Status cudaHostGetDevicePointer(void** device, void* host, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) {
    if (find_allocation(host) == nullptr) {
      fail(kInvalidValue, "{}: {} is not page-locked", self, host);
    }
    checked(device, self, "pDevice") = host;
  });
}

FA4_CUDA Status cudaHostGetFlags(unsigned* flags, void* host) {
  return runtime_call(__func__, [&](const char* self) {
    if (find_allocation(host) == nullptr) {
      fail(kInvalidValue, "{}: {} is not page-locked", self, host);
    }
    checked(flags, self, "pFlags") = 2;  // mapped
  });
}

FA4_CUDA Status cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
  return runtime_call(__func__, [&](const char* self) {
    checked(pitch, self, "pitch") = (width + kPitch - 1) / kPitch * kPitch;
    checked(pointer, self, "devPtr") = allocate(MemoryKind::Device, *pitch * height, self);
  });
}

FA4_CUDA Status cudaMalloc3D(PitchedPointer* pitched, Extent extent) {
  return runtime_call(__func__, [&](const char* self) {
    PitchedPointer& made = checked(pitched, self, "pitchedDevPtr");
    made.pitch = (extent.width + kPitch - 1) / kPitch * kPitch;
    made.width = extent.width;
    made.height = extent.height;
    made.base = allocate(MemoryKind::Device, made.pitch * extent.height * extent.depth, self);
  });
}

// In a captured stream too, memory is there at once: a graph keeps what it has from one launch to the next.
FA4_CUDA Status cudaMallocAsync(void** pointer, size_t bytes, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    stream_of(stream, self);
    checked(pointer, self, "devPtr") = allocate(MemoryKind::Device, bytes, self);
  });
}
FA4_CUDA_ALSO(cudaMallocAsync, cudaMallocAsync_ptsz);

FA4_CUDA Status cudaMallocFromPoolAsync(void** pointer, size_t bytes, void* /*pool*/,
                                        void* stream) {
  return cudaMallocAsync(pointer, bytes, stream);
}
FA4_CUDA_ALSO(cudaMallocFromPoolAsync, cudaMallocFromPoolAsync_ptsz);

FA4_CUDA Status cudaFreeAsync(void* pointer, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    if (stream_of(stream, self).capture == nullptr) release(pointer, MemoryKind::Device, self);
  });
}
FA4_CUDA_ALSO(cudaFreeAsync, cudaFreeAsync_ptsz);

FA4_CUDA Status cudaMemGetInfo(size_t* free, size_t* total) {
  return runtime_call(__func__, [&](const char* self) {
    const MemoryInfo info = memory_info();
    checked(free, self, "free") = info.free;
    checked(total, self, "total") = info.total;
  });
}

FA4_CUDA Status cudaPointerGetAttributes(PointerAttributes* attributes, const void* pointer) {
  return runtime_call(__func__, [&](const char* self) {
    PointerAttributes& to = checked(attributes, self, "attributes");
    to = {};
    to.device = -2;
    const Allocation* allocation = find_allocation(pointer);
    if (allocation == nullptr) {
      to.host_pointer = const_cast<void*>(pointer);
      return;
    }
    to.type = memory_type_of(allocation->kind);
    to.device = 0;
    to.device_pointer = const_cast<void*>(pointer);
    to.host_pointer = to.type == 2 ? nullptr : const_cast<void*>(pointer);
  });
}

// Where memory lies is the same for all.
FA4_CUDA Status cudaMemAdvise(const void* /*pointer*/, size_t /*bytes*/) { return kSuccess; }
FA4_CUDA Status cudaMemPrefetchAsync(const void* /*pointer*/, size_t /*bytes*/) { return kSuccess; }
FA4_CUDA_ALSO(cudaMemPrefetchAsync, cudaMemPrefetchAsync_ptsz);
FA4_CUDA_ALSO(cudaMemAdvise, cudaMemAdvise_v2);
FA4_CUDA_ALSO(cudaMemPrefetchAsync, cudaMemPrefetchAsync_v2);
FA4_CUDA_ALSO(cudaMemPrefetchAsync, cudaMemPrefetchAsync_v2_ptsz);

FA4_CUDA Status cudaGetSymbolAddress(void** pointer, const void* symbol) {
  return runtime_call(__func__, [&](const char* self) {
    checked(pointer, self, "devPtr") = variable_of(symbol, self).address;
  });
}

FA4_CUDA Status cudaGetSymbolSize(size_t* bytes, const void* symbol) {
  return runtime_call(__func__, [&](const char* self) {
    checked(bytes, self, "size") = variable_of(symbol, self).bytes;
  });
}

FA4_CUDA Status cudaDeviceGetDefaultMemPool(Pool** pool, int /*device*/) {
  return runtime_call(__func__,
                      [&](const char* self) { checked(pool, self, "memPool") = &default_pool(); });
}
FA4_CUDA_ALSO(cudaDeviceGetDefaultMemPool, cudaDeviceGetMemPool);

FA4_CUDA Status cudaDeviceSetMemPool(int /*device*/, Pool* /*pool*/) { return kSuccess; }

FA4_CUDA Status cudaMemPoolCreate(Pool** pool, const void* /*properties*/) {
  return runtime_call(__func__,
                      [&](const char* self) { checked(pool, self, "memPool") = new Pool; });
}

FA4_CUDA Status cudaMemPoolDestroy(Pool* pool) {
  return runtime_call(__func__, [&](const char*) {
    if (pool != &default_pool()) delete pool;
  });
}

FA4_CUDA Status cudaMemPoolTrimTo(Pool* /*pool*/, size_t /*keep*/) { return kSuccess; }
FA4_CUDA Status cudaMemPoolSetAccess(Pool* /*pool*/, const void* /*list*/, size_t /*count*/) {
  return kSuccess;
}

FA4_CUDA Status cudaMemPoolSetAttribute(Pool* pool, int attribute, void* value) {
  return runtime_call(__func__, [&](const char* self) {
    if (attribute == kReleaseThreshold) {
      std::memcpy(&checked(pool, self, "memPool").release_threshold, value, sizeof(uint64_t));
    }
  });
}

FA4_CUDA Status cudaMemPoolGetAttribute(Pool* pool, int attribute, void* value) {
  return runtime_call(__func__, [&](const char* self) {
    if (value == nullptr) fail(kInvalidValue, "{}: value is null", self);
    if (attribute >= kFirstCounter) {
      const uint64_t used = memory_info().total - memory_info().free;
      std::memcpy(value, &used, sizeof(used));
    } else if (attribute == kReleaseThreshold) {
      std::memcpy(value, &checked(pool, self, "memPool").release_threshold, sizeof(uint64_t));
    } else {
      const int on = 1;
      std::memcpy(value, &on, sizeof(on));
    }
  });
}
