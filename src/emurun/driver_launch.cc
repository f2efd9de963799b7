// SPDX-License-Identifier: Apache-2.0
// The driver's launches and what it says of functions.
#include <algorithm>

#include "emurun/base.h"
#include "emurun/device.h"
#include "emurun/launch.h"

namespace fa4::emurun {
namespace {

struct DriverLaunchConfig {  // CUlaunchConfig
  unsigned grid[3], block[3], dynamic_shared;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned num_attributes;
};

// CU_LAUNCH_PARAM_…: `extra` is a list of pairs.
struct Packed {
  const void* bytes = nullptr;
  size_t count = 0;
};

Packed packed_of(void** extra) {
  Packed packed;
  for (; extra != nullptr && *extra != nullptr; extra += 2) {
    if (*extra == reinterpret_cast<void*>(1)) packed.bytes = extra[1];
    if (*extra == reinterpret_cast<void*>(2)) packed.count = *static_cast<const size_t*>(extra[1]);
  }
  return packed;
}

LaunchShape shape_of(const DriverLaunchConfig& config, const char* self) {
  LaunchShape shape;
  shape.grid = {config.grid[0], config.grid[1], config.grid[2]};
  shape.block = {config.block[0], config.block[1], config.block[2]};
  shape.dynamic_shared = config.dynamic_shared;
  shape.stream = config.stream;
  read_attributes(config.attributes, config.num_attributes, self, &shape);
  return shape;
}

int attribute_of(const Kernel& kernel, int attribute, const char* self) {
  switch (attribute) {
    case 0:
      return static_cast<int>(most_threads(kernel.facts));
    case 1:
      return static_cast<int>(kernel.facts.static_shared_bytes);
    case 4:
      return kRegistersPerThread;
    case 5:
    case 6:
      return device().arch;
    case 8:
      return static_cast<int>(kernel.max_dynamic_shared);
    case 9:
      return -1;
    case 14:
      return kernel.non_portable_cluster ? 1 : 0;
    default:
      break;
  }
  if (attribute < 0 || attribute > 15) fail(kInvalidValue, "{}: attribute {}", self, attribute);
  return 0;
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cuLaunchKernelEx(const DriverLaunchConfig* config, Kernel* kernel, void** arguments,
                                 void** extra) {
  return driver_call(__func__, [&](const char* self) {
    const Packed packed = packed_of(extra);
    launch_kernel(kernel_of(kernel, self), shape_of(checked(config, self, "config"), self),
                  arguments, packed.bytes, packed.count, self);
  });
}
FA4_CUDA_ALSO(cuLaunchKernelEx, cuLaunchKernelEx_ptsz);

FA4_CUDA Status cuLaunchKernel(Kernel* kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                               unsigned block_x, unsigned block_y, unsigned block_z,
                               unsigned shared, void* stream, void** arguments, void** extra) {
  const DriverLaunchConfig config = {
      {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, kernel, arguments, extra);
}
FA4_CUDA_ALSO(cuLaunchKernel, cuLaunchKernel_ptsz);

FA4_CUDA Status cuLaunchCooperativeKernel() {
  return driver_call(__func__, [&](const char* self) { refuse_cooperative(self); });
}

FA4_CUDA Status cuFuncGetAttribute(int* value, int attribute, Kernel* kernel) {
  return driver_call(__func__, [&](const char* self) {
    checked(value, self, "pi") = attribute_of(resolve(kernel_of(kernel, self)), attribute, self);
  });
}
FA4_CUDA_ALSO(cuFuncGetAttribute, cuKernelGetAttribute);

FA4_CUDA Status cuFuncSetAttribute(Kernel* kernel, int attribute, int value) {
  return driver_call(__func__, [&](const char* self) {
    set_attribute(kernel_of(kernel, self), attribute, value, self);
  });
}

FA4_CUDA Status cuKernelSetAttribute(int attribute, int value, Kernel* kernel, int /*device*/) {
  return cuFuncSetAttribute(kernel, attribute, value);
}

FA4_CUDA Status cuFuncSetCacheConfig(Kernel* /*kernel*/, int /*config*/) { return kSuccess; }

FA4_CUDA Status cuFuncGetModule(Module** module, Kernel* kernel) {
  return driver_call(__func__, [&](const char* self) {
    checked(module, self, "hmod") = kernel_of(kernel, self).module;
  });
}
FA4_CUDA_ALSO(cuFuncGetModule, cuKernelGetLibrary);

FA4_CUDA Status cuFuncGetName(const char** name, Kernel* kernel) {
  return driver_call(__func__, [&](const char* self) {
    checked(name, self, "name") = kernel_of(kernel, self).name.c_str();
  });
}
FA4_CUDA_ALSO(cuFuncGetName, cuKernelGetName);

FA4_CUDA Status cuFuncGetParamInfo(Kernel* kernel, size_t index, size_t* offset, size_t* bytes) {
  return driver_call(__func__, [&](const char* self) {
    const auto& parameters = resolve(kernel_of(kernel, self)).parameters;
    if (index >= parameters.size()) throw Failure{kInvalidValue};  // how programs count them
    checked(offset, self, "paramOffset") = parameters[index].offset;
    if (bytes != nullptr) *bytes = parameters[index].bytes;
  });
}
FA4_CUDA_ALSO(cuFuncGetParamInfo, cuKernelGetParamInfo);

FA4_CUDA Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel* kernel,
                                                            int threads, size_t shared) {
  return driver_call(__func__, [&](const char* self) {
    checked(blocks, self, "numBlocks") =
        blocks_per_multiprocessor(resolve(kernel_of(kernel, self)).facts, threads, shared);
  });
}

FA4_CUDA Status cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, Kernel* kernel,
                                                                     int threads, size_t shared,
                                                                     unsigned /*flags*/) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, threads, shared);
}

FA4_CUDA Status cuOccupancyMaxPotentialClusterSize(int* size, Kernel* kernel,
                                                   const DriverLaunchConfig* /*config*/) {
  return driver_call(__func__, [&](const char* self) {
    checked(size, self, "clusterSize") = device().arch < 90                             ? 1
                                         : kernel_of(kernel, self).non_portable_cluster ? 16
                                                                                        : 8;
  });
}

FA4_CUDA Status cuOccupancyMaxActiveClusters(int* clusters, Kernel* kernel,
                                             const DriverLaunchConfig* config) {
  return driver_call(__func__, [&](const char* self) {
    const LaunchShape shape = shape_of(checked(config, self, "config"), self);
    const auto volume = [](const Extents& of) { return static_cast<int>(of.x * of.y * of.z); };
    const int blocks = blocks_per_multiprocessor(resolve(kernel_of(kernel, self)).facts,
                                                 volume(shape.block), shape.dynamic_shared);
    checked(clusters, self, "numClusters") =
        blocks * device().multiprocessors / std::max(1, volume(shape.cluster));
  });
}
