// SPDX-License-Identifier: Apache-2.0
// The device, as the runtime describes it. There is one.
#include <cstdio>
#include <cstring>

#include "emurun/base.h"
#include "emurun/device.h"
#include "emurun/device_properties.h"
#include "emurun/memory.h"

namespace fa4::emurun {
namespace {

int attribute(int number) {
  int value = 0;
  device_attribute(number, &value);
  return value;
}

template <class Properties>
Properties properties_of(const Device& on) {
  Properties to = {};
  std::snprintf(to.name, sizeof(to.name), "%s", on.name.c_str());
  std::memcpy(to.uuid, "fa4-ptx-machine", 16);
  to.global_bytes = memory_info().total;
  to.shared_per_block = kSharedPerBlock;
  to.registers_per_block = to.registers_per_multiprocessor = 65536;
  to.warp = 32;
  to.pitch = 0x7fffffff;
  to.threads_per_block = 1024;
  for (int i = 0; i < 3; ++i) {
    to.block[i] = attribute(2 + i);
    to.grid[i] = attribute(5 + i);
  }
  to.const_bytes = 64 << 10;
  to.major = on.arch / 10;
  to.minor = on.arch % 10;
  to.texture_alignment = to.surface_alignment = 512;
  to.texture_pitch_alignment = 32;
  to.multiprocessors = on.multiprocessors;
  to.can_map_host_memory = to.concurrent_kernels = to.unified_addresses = 1;
  to.copy_engines = attribute(40);
  to.memory_bus_width = attribute(37);
  to.l2_bytes = on.l2_bytes;
  to.threads_per_multiprocessor = on.threads_per_multiprocessor;
  to.stream_priorities = to.global_l1 = to.local_l1 = 1;
  to.shared_per_multiprocessor = static_cast<size_t>(on.shared_per_multiprocessor);
  to.managed_memory = to.concurrent_managed = to.preemption = to.host_pointer_for_registered = 1;
  to.cooperative_launch = attribute(95);
  to.shared_per_block_optin = static_cast<size_t>(on.shared_per_block);
  to.blocks_per_multiprocessor = on.blocks_per_multiprocessor;
  to.reserved_shared = kReservedShared;
  to.host_register = to.memory_pools = 1;
  to.cluster_launch = attribute(120);
  return to;
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaGetDeviceCount(int* count) {
  return runtime_call(__func__, [&](const char* self) { checked(count, self, "count") = 1; });
}

FA4_CUDA Status cudaGetDevice(int* index) {
  return runtime_call(__func__, [&](const char* self) { checked(index, self, "device") = 0; });
}

FA4_CUDA Status cudaSetDevice(int index) {
  return runtime_call(__func__, [&](const char* self) { check_device(index, self); });
}

FA4_CUDA Status cudaInitDevice(int index, unsigned /*device_flags*/, unsigned /*flags*/) {
  return cudaSetDevice(index);
}

FA4_CUDA Status cudaChooseDevice(int* index, const void* /*properties*/) {
  return cudaGetDevice(index);
}

FA4_CUDA Status cudaSetValidDevices(int* /*devices*/, int /*count*/) { return kSuccess; }
FA4_CUDA Status cudaSetDeviceFlags(unsigned /*flags*/) { return kSuccess; }
FA4_CUDA Status cudaGetDeviceFlags(unsigned* flags) {
  return runtime_call(__func__, [&](const char* self) { checked(flags, self, "flags") = 0; });
}

FA4_CUDA Status cudaGetDeviceProperties(DeviceProperties* properties, int index) {
  return runtime_call(__func__, [&](const char* self) {
    check_device(index, self);
    checked(properties, self, "prop") = properties_of<DeviceProperties>(device());
  });
}

FA4_CUDA Status cudaGetDeviceProperties_v2(DeviceProperties12* properties, int index) {
  return runtime_call(__func__, [&](const char* self) {
    check_device(index, self);
    DeviceProperties12& to = checked(properties, self, "prop");
    to = properties_of<DeviceProperties12>(device());
    to.clock_khz = attribute(13);
    to.overlap = 1;
    to.memory_clock_khz = attribute(36);
    to.double_ratio = attribute(87);
  });
}

FA4_CUDA Status cudaDeviceGetAttribute(int* value, int number, int index) {
  return runtime_call(__func__, [&](const char* self) {
    check_device(index, self);
    if (!device_attribute(number, &checked(value, self, "value"))) {
      fail(kInvalidValue, "{}: there is no attribute {}", self, number);
    }
  });
}

FA4_CUDA Status cudaDeviceGetPCIBusId(char* text, int bytes, int index) {
  return runtime_call(__func__, [&](const char* self) {
    check_device(index, self);
    std::snprintf(&checked(text, self, "pciBusId"), static_cast<size_t>(bytes), "%s", kPciBusId);
  });
}

FA4_CUDA Status cudaDeviceGetByPCIBusId(int* index, const char* /*text*/) {
  return cudaGetDevice(index);
}

FA4_CUDA Status cudaDeviceCanAccessPeer(int* can, int /*index*/, int /*peer*/) {
  return runtime_call(__func__, [&](const char* self) { checked(can, self, "canAccessPeer") = 0; });
}

FA4_CUDA Status cudaDeviceEnablePeerAccess(int peer, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) {
    fail(kPeerAccessUnsupported, "{}: peerDevice is {}; there is device 0 alone", self, peer);
  });
}

FA4_CUDA Status cudaDeviceSynchronize() { return kSuccess; }
FA4_CUDA_ALSO(cudaDeviceSynchronize, cudaThreadSynchronize);
FA4_CUDA Status cudaDeviceReset() { return kSuccess; }
FA4_CUDA_ALSO(cudaDeviceReset, cudaThreadExit);

FA4_CUDA Status cudaDeviceSetLimit(int /*limit*/, size_t /*value*/) { return kSuccess; }
FA4_CUDA Status cudaDeviceGetLimit(size_t* value, int limit) {
  return runtime_call(__func__, [&](const char* self) {
    static constexpr size_t kLimits[] = {1024, 1 << 20, 8 << 20, 2, 2048, 128, 0};
    if (limit < 0 || limit > 6) fail(kUnsupportedLimit, "{}: limit is {}", self, limit);
    checked(value, self, "pValue") = kLimits[limit];
  });
}

FA4_CUDA Status cudaDeviceSetCacheConfig(int /*config*/) { return kSuccess; }
FA4_CUDA Status cudaDeviceGetCacheConfig(int* config) { return cudaGetDevice(config); }
FA4_CUDA Status cudaDeviceSetSharedMemConfig(int /*config*/) { return kSuccess; }
FA4_CUDA Status cudaDeviceGetSharedMemConfig(int* config) { return cudaGetDevice(config); }
FA4_CUDA Status cudaCtxResetPersistingL2Cache() { return kSuccess; }

FA4_CUDA Status cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return kSuccess;
}

FA4_CUDA Status cudaRuntimeGetVersion(int* version) {
  return runtime_call(__func__,
                      [&](const char* self) { checked(version, self, "runtimeVersion") = 13000; });
}
FA4_CUDA_ALSO(cudaRuntimeGetVersion, cudaDriverGetVersion);
FA4_CUDA_ALSO(cudaRuntimeGetVersion, cuDriverGetVersion);

// Textures are not served, but headers name this where programs have none.
FA4_CUDA ChannelFormat cudaCreateChannelDesc(int x, int y, int z, int w, int kind) {
  return {x, y, z, w, kind};
}

FA4_CUDA Status cudaProfilerStart() { return kSuccess; }
FA4_CUDA Status cudaProfilerStop() { return kSuccess; }
