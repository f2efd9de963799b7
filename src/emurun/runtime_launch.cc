// SPDX-License-Identifier: Apache-2.0
// Launches, and what can be asked and set of kernels.
#include <algorithm>
#include <cstring>

#include "emurun/base.h"
#include "emurun/device.h"
#include "emurun/launch.h"

namespace fa4::emurun {
namespace {

struct LaunchConfig {  // cudaLaunchConfig_t
  Extents grid, block;
  size_t dynamic_shared;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned num_attributes;
};

struct FunctionAttributes {  // cudaFuncAttributes
  size_t static_shared_bytes, const_bytes, local_bytes;
  int max_threads, registers, ptx_version, binary_version, cache_mode, max_dynamic_shared, carveout;
  int cluster_must_be_set, cluster[3], cluster_policy, non_portable_cluster;
  int reserved[16];
};

LaunchShape shape_of(const LaunchConfig& config, const char* self) {
  LaunchShape shape;
  shape.grid = config.grid;
  shape.block = config.block;
  shape.dynamic_shared = config.dynamic_shared;
  shape.stream = config.stream;
  read_attributes(config.attributes, config.num_attributes, self, &shape);
  return shape;
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaLaunchKernel(const void* function, Extents grid, Extents block,
                                 void** arguments, size_t shared, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    launch_kernel(kernel_of(function, self), LaunchShape{grid, block, {}, shared, stream},
                  arguments, nullptr, 0, self);
  });
}
FA4_CUDA_ALSO(cudaLaunchKernel, cudaLaunchKernel_ptsz);

FA4_CUDA Status cudaLaunchCooperativeKernel() {
  return runtime_call(__func__, [&](const char* self) { refuse_cooperative(self); });
}
FA4_CUDA_ALSO(cudaLaunchCooperativeKernel, cudaLaunchCooperativeKernel_ptsz);

FA4_CUDA Status cudaLaunchKernelExC(const LaunchConfig* config, const void* function,
                                    void** arguments) {
  return runtime_call(__func__, [&](const char* self) {
    const LaunchShape shape = shape_of(checked(config, self, "config"), self);
    launch_kernel(kernel_of(function, self), shape, arguments, nullptr, 0, self);
  });
}
FA4_CUDA_ALSO(cudaLaunchKernelExC, cudaLaunchKernelExC_ptsz);

FA4_CUDA Status cudaFuncGetAttributes(FunctionAttributes* attributes, const void* function) {
  return runtime_call(__func__, [&](const char* self) {
    const Kernel& kernel = resolve(kernel_of(function, self));
    FunctionAttributes& to = checked(attributes, self, "attr");
    to = {};
    to.static_shared_bytes = kernel.facts.static_shared_bytes;
    to.max_threads = static_cast<int>(most_threads(kernel.facts));
    to.registers = kRegistersPerThread;
    to.ptx_version = to.binary_version = device().arch;
    to.max_dynamic_shared = static_cast<int>(kernel.max_dynamic_shared);
    to.carveout = -1;
    to.non_portable_cluster = kernel.non_portable_cluster ? 1 : 0;
  });
}

FA4_CUDA Status cudaFuncSetAttribute(const void* function, int attribute, int value) {
  return runtime_call(__func__, [&](const char* self) {
    set_attribute(kernel_of(function, self), attribute, value, self);
  });
}

FA4_CUDA Status cudaKernelSetAttributeForDevice(Kernel* kernel, int attribute, int value,
                                                int /*device*/) {
  return cudaFuncSetAttribute(kernel, attribute, value);
}

FA4_CUDA Status cudaFuncSetCacheConfig(const void* /*function*/, int /*config*/) {
  return kSuccess;
}
FA4_CUDA Status cudaFuncSetSharedMemConfig(const void* /*function*/, int /*config*/) {
  return kSuccess;
}

FA4_CUDA Status cudaFuncGetName(const char** name, const void* function) {
  return runtime_call(__func__, [&](const char* self) {
    checked(name, self, "name") = kernel_of(function, self).name.c_str();
  });
}

FA4_CUDA Status cudaFuncGetParamInfo(const void* function, size_t index, size_t* offset,
                                     size_t* bytes) {
  return runtime_call(__func__, [&](const char* self) {
    const auto& parameters = resolve(kernel_of(function, self)).parameters;
    if (index >= parameters.size()) {
      fail(kInvalidValue, "{}: index is {}; there are {} parameters", self, index,
           parameters.size());
    }
    checked(offset, self, "paramOffset") = parameters[index].offset;
    if (bytes != nullptr) *bytes = parameters[index].bytes;
  });
}

FA4_CUDA Status cudaGetKernel(Kernel** kernel, const void* function) {
  return runtime_call(__func__, [&](const char* self) {
    checked(kernel, self, "kernelPtr") = &kernel_of(function, self);
  });
}
FA4_CUDA_ALSO(cudaGetKernel, cudaGetFuncBySymbol);

FA4_CUDA Status cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                              int threads, size_t shared) {
  return runtime_call(__func__, [&](const char* self) {
    const Kernel& kernel = resolve(kernel_of(function, self));
    checked(blocks, self, "numBlocks") = blocks_per_multiprocessor(kernel.facts, threads, shared);
  });
}

FA4_CUDA Status cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks,
                                                                       const void* function,
                                                                       int threads, size_t shared,
                                                                       unsigned /*flags*/) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared);
}

FA4_CUDA Status cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, const void* function,
                                                          int blocks, int /*threads*/) {
  return runtime_call(__func__, [&](const char* self) {
    const Kernel& kernel = resolve(kernel_of(function, self));
    if (blocks <= 0) fail(kInvalidValue, "{}: numBlocks is {}", self, blocks);
    const int64_t each = device().shared_per_multiprocessor / blocks - kReservedShared -
                         static_cast<int64_t>(kernel.facts.static_shared_bytes);
    checked(bytes, self, "dynamicSmemSize") =
        static_cast<size_t>(std::clamp<int64_t>(each, 0, device().shared_per_block));
  });
}

FA4_CUDA Status cudaOccupancyMaxPotentialClusterSize(int* size, const void* function,
                                                     const LaunchConfig* /*config*/) {
  return runtime_call(__func__, [&](const char* self) {
    checked(size, self, "clusterSize") = device().arch < 90                               ? 1
                                         : kernel_of(function, self).non_portable_cluster ? 16
                                                                                          : 8;
  });
}

FA4_CUDA Status cudaOccupancyMaxActiveClusters(int* clusters, const void* function,
                                               const LaunchConfig* config) {
  return runtime_call(__func__, [&](const char* self) {
    const Kernel& kernel = resolve(kernel_of(function, self));
    const LaunchShape shape = shape_of(checked(config, self, "config"), self);
    const int threads = static_cast<int>(shape.block.x * shape.block.y * shape.block.z);
    const int blocks = blocks_per_multiprocessor(kernel.facts, threads, shape.dynamic_shared);
    const int cluster = static_cast<int>(shape.cluster.x * shape.cluster.y * shape.cluster.z);
    checked(clusters, self, "numClusters") =
        blocks * device().multiprocessors / std::max(1, cluster);
  });
}
