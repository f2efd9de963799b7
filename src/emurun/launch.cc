// SPDX-License-Identifier: Apache-2.0
#include "emurun/launch.h"

#include <cstring>
#include <utility>

#include "emurun/base.h"
#include "emurun/device.h"
#include "emurun/stream.h"

namespace fa4::emurun {
namespace {

constexpr int kCooperative = 2, kClusterDimension = 4,
              kLastAttribute = 16;  // of cudaLaunchAttributeID

uint64_t volume_of(const Extents& extents) { return uint64_t{extents.x} * extents.y * extents.z; }

// What CUDA refuses with a code of its own; programs probe for these. The machine refuses the rest.
void check_shape(const Kernel& kernel, const LaunchShape& shape, const char* function) {
  const uint64_t threads = volume_of(shape.block);
  const uint64_t most = most_threads(kernel.facts);
  if (threads == 0 || volume_of(shape.grid) == 0 || threads > most) {
    fail(kInvalidConfiguration,
         "{}: {} is launched with block ({}, {}, {}) and grid ({}, {}, {}); a block has 1 to {} "
         "threads, and a grid at least one block",
         function, kernel.name, shape.block.x, shape.block.y, shape.block.z, shape.grid.x,
         shape.grid.y, shape.grid.z, most);
  }
  if (shape.dynamic_shared > kernel.max_dynamic_shared) {
    fail(kInvalidValue,
         "{}: {} is launched with {} bytes of dynamic shared memory; "
         "cudaFuncAttributeMaxDynamicSharedMemorySize is {}",
         function, kernel.name, shape.dynamic_shared, kernel.max_dynamic_shared);
  }
  const uint64_t cluster = volume_of(shape.cluster);
  if (cluster == 0 || shape.grid.x % shape.cluster.x != 0 || shape.grid.y % shape.cluster.y != 0 ||
      shape.grid.z % shape.cluster.z != 0 || cluster > (kernel.non_portable_cluster ? 16 : 8)) {
    fail(kInvalidClusterSize,
         "{}: {} is launched with clusters ({}, {}, {}) and grid ({}, {}, {}); a cluster divides "
         "the grid and has at most 8 blocks (16 where the kernel allows a non-portable size)",
         function, kernel.name, shape.cluster.x, shape.cluster.y, shape.cluster.z, shape.grid.x,
         shape.grid.y, shape.grid.z);
  }
}

std::vector<std::byte> params_of(const Kernel& kernel, void* const* arguments, const void* packed,
                                 size_t packed_bytes, const char* function) {
  std::vector<std::byte> params(kernel.facts.param_bytes);
  if (packed != nullptr) {
    if (packed_bytes < params.size()) {
      fail(kInvalidValue, "{}: {} takes {} bytes of parameters, and {} are given", function,
           kernel.name, params.size(), packed_bytes);
    }
    if (!params.empty()) std::memcpy(params.data(), packed, params.size());
    return params;
  }
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    if (arguments == nullptr || arguments[i] == nullptr) {
      fail(kInvalidValue, "{}: argument {} of {} is null", function, i, kernel.name);
    }
    const Parameter& parameter = kernel.parameters[i];
    std::memcpy(params.data() + parameter.offset, arguments[i], parameter.bytes);
  }
  return params;
}

}  // namespace

void refuse_cooperative(const char* function) {
  fail(kNotSupported, "{}: cooperative launches are not served, for blocks do not run at once",
       function);
}

void read_attributes(const LaunchAttribute* attributes, unsigned count, const char* function,
                     LaunchShape* shape) {
  for (unsigned i = 0; i < count; ++i) {
    const LaunchAttribute& attribute = *(&checked(attributes, function, "attrs") + i);
    if (attribute.id == kClusterDimension) shape->cluster = attribute.cluster;
    if (attribute.id == kCooperative && attribute.cooperative != 0) refuse_cooperative(function);
    if (attribute.id < 0 || attribute.id > kLastAttribute) {
      fail(kInvalidValue, "{}: attribute {} is not known", function, attribute.id);
    }
    // The others are about time, or say what is the case: a launch begins when the one before it has ended.
  }
}

void launch_kernel(Kernel& kernel, const LaunchShape& shape, void* const* arguments,
                   const void* packed, size_t packed_bytes, const char* function) {
  resolve(kernel);
  check_shape(kernel, shape, function);
  auto params = params_of(kernel, arguments, packed, packed_bytes, function);
  enqueue(shape.stream, function, [&kernel, shape, params = std::move(params)] {
    fa4emu_launch_config config = {};
    config.struct_size = sizeof(config);
    config.module = kernel.id;
    config.entry = kernel.name.c_str();
    const auto write = [](const Extents& from, uint32_t* to) {
      to[0] = from.x;
      to[1] = from.y;
      to[2] = from.z;
    };
    write(shape.grid, config.grid);
    write(shape.block, config.block);
    write(shape.cluster, config.cluster);
    config.dynamic_shared_bytes = static_cast<uint32_t>(shape.dynamic_shared);
    config.params = params.data();
    config.param_bytes = params.size();
    machine_launch(config);
  });
}

void set_attribute(Kernel& kernel, int attribute, int value, const char* function) {
  switch (attribute) {
    case 8: {  // the most dynamic shared memory
      resolve(kernel);
      const int most =
          device().shared_per_block - static_cast<int>(kernel.facts.static_shared_bytes);
      if (value < 0 || value > most) {
        fail(kInvalidValue, "{}: {} bytes of dynamic shared memory for {}; it may have {}",
             function, value, kernel.name, most);
      }
      kernel.max_dynamic_shared = static_cast<uint32_t>(value);
      return;
    }
    case 14:
      kernel.non_portable_cluster = value != 0;
      return;
    case 9:   // how L1 and shared memory are split
    case 15:  // where clusters go
      return;
    default:
      fail(kInvalidValue, "{}: attribute {} cannot be set", function, attribute);
  }
}

}  // namespace fa4::emurun
