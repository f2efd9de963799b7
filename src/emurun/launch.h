// SPDX-License-Identifier: Apache-2.0
// A launch, whichever of the CUDA interfaces asks for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "emurun/module.h"

namespace fa4::emurun {

struct Extents {  // dim3
  unsigned x = 1, y = 1, z = 1;
};

// cudaLaunchAttribute, CUlaunchAttribute.
struct LaunchAttribute {
  int id;
  int padding;
  union {
    Extents cluster;
    int cooperative;
    char bytes[64];
  };
};
static_assert(sizeof(LaunchAttribute) == 72);

struct LaunchShape {
  Extents grid, block, cluster;
  uint64_t dynamic_shared = 0;
  void* stream = nullptr;
};

void read_attributes(const LaunchAttribute* attributes, unsigned count, const char* function,
                     LaunchShape* shape);

// The machine runs clusters independently of one another: a grid whose blocks wait for all others is not served.
[[noreturn]] void refuse_cooperative(const char* function);

// `arguments` has a pointer to each parameter's value. `packed`, if it is not null, has the values themselves instead, as the
// entry lays them out.
void launch_kernel(Kernel& kernel, const LaunchShape& shape, void* const* arguments,
                   const void* packed, size_t packed_bytes, const char* function);

// Of cudaFuncAttribute, CUfunction_attribute.
void set_attribute(Kernel& kernel, int attribute, int value, const char* function);

}  // namespace fa4::emurun
