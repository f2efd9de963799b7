// SPDX-License-Identifier: Apache-2.0
// What a device is asked to do, as plain data: kernels to compile and launches of them. Written by the planners
// of the kernel families, run by whoever owns a device; nothing here knows a driver.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fa4::plan {

// What a planner asks about a device. Filled from the driver, or from a table for one that is not here.
struct DeviceFacts {
  std::string arch;            // what NVRTC is told: "sm_80", "sm_90a"
  int compute_capability = 0;  // 80, 86, 89, 90, 100, 120
  int num_sms = 0;
  int64_t smem_per_block_bytes = 0;  // the opt-in limit
  int64_t smem_per_sm_bytes = 0;
  int64_t l2_bytes = 0;
};

// What a kernel calls its warps, its shared and its tensor memory; the PTX machine's reports and traces use these names.
struct WarpLabel {
  uint32_t first = 0, last = 0;  // of a CTA
  std::string name;              // "Load"
};
struct SharedLabel {
  std::string name;  // "kv_full"
  uint32_t offset = 0, bytes = 0,
           count = 1;  // from the start of the dynamic shared memory; of one element; elements
};

struct TensorLabel {
  std::string name;                             // "S0"
  uint32_t column = 0, columns = 0, count = 1;  // the first; of one element; elements
};

// One kernel as it is compiled: the generated source is `#include "header"` and an entry of that name which
// calls `function<config>(params)`.
struct KernelSpec {
  std::string
      entry;  // "fa4_sm80_forward_bf16_d128_causal": unique for the config, and its cache key's first part
  std::string header;    // "sm80/forward/kernel.h", from the root of src/kernels
  std::string function;  // "fa4::sm80::forward::kernel"
  std::string
      config;  // "fa4::Sm80ForwardConfig{.dtype = fa4::ElementType::BFloat16, .head_dim = 128}"
  std::string params;       // "fa4::ForwardParams": the type of the one parameter
  uint32_t threads = 0;     // of a block
  uint32_t min_blocks = 1;  // per SM, for the launch bounds
  uint32_t smem_bytes = 0;  // dynamic
  uint32_t cluster = 1;     // CTAs along x that run together, part of the code
  std::vector<WarpLabel> warps{};
  std::vector<SharedLabel> shared{};
  std::vector<TensorLabel> tensor{};
};

// A tensor as TMA copies boxes of it, with the numbers of the driver's cuTensorMapEncodeTiled. The device encodes it, in
// its own way, into the kernel's parameter. Zeros out of bounds, element steps of 1.
struct TensorMapSpec {
  size_t offset = 0;       // of its 128 bytes in the parameter
  uint32_t data_type = 9;  // 6: fp16, 9: bf16
  const void* address = nullptr;
  std::vector<uint64_t> sizes;    // in elements, the contiguous dimension first
  std::vector<uint64_t> strides;  // in bytes, of dimensions 1 and up
  std::vector<uint32_t> box;
  uint32_t swizzle = 3;  // 0 none, 1, 2, 3: 32, 64, 128 bytes
};

struct Launch {
  size_t kernel = 0;  // index into the kernels of the plan
  std::array<uint32_t, 3> grid = {1, 1, 1};
  std::vector<std::byte> params;  // the bytes of the kernel's parameter
  std::vector<TensorMapSpec> maps{};
};

template <class Params>
std::vector<std::byte> bytes_of(const Params& params) {
  const auto* first = reinterpret_cast<const std::byte*>(&params);
  return {first, first + sizeof(Params)};
}

}  // namespace fa4::plan
