// SPDX-License-Identifier: Apache-2.0
// A kernel of three lines to compile.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "jit/compiler.h"
#include "jit/files.h"
#include "support/scratch.h"

namespace fa4::jit {

using test::Scratch;

inline void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  ASSERT_TRUE(write_file(path, text).ok());
}

inline constexpr const char* kScaleKernel = R"(#pragma once
#include "tiny/params.h"
namespace tiny {
template <Config kConfig>
__device__ void scale(const Params& p) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.count) p.data[i] = p.data[i] * p.factor + kConfig.offset;
}
}
)";
inline constexpr const char* kScaleParams = R"(#pragma once
namespace tiny {
struct Config { int offset; };
struct Params { float* data; float factor; unsigned count; };
}
)";

struct ScaleParams {
  float* data;
  float factor;
  unsigned count;
};

// Kernel sources in `folder`: data[i] = data[i] * factor + offset.
inline void write_scale_kernel(const std::string& folder) {
  write(folder + "/tiny/scale.h", kScaleKernel);
  write(folder + "/tiny/params.h", kScaleParams);
}

inline plan::KernelSpec scale_spec(int offset = 1) {
  return {.entry = "fa4_tiny_scale_" + std::to_string(offset),
          .header = "tiny/scale.h",
          .function = "tiny::scale",
          .config = "tiny::Config{.offset = " + std::to_string(offset) + "}",
          .params = "tiny::Params",
          .threads = 128};
}

inline Image some_image(const std::string& name, size_t bytes) {
  Image image;
  image.entry = name;
  image.arch = "sm_80";
  image.code = std::string(bytes, 'c') + name;
  image.source = "source of " + name;
  image.log = "Used 40 registers, 0 bytes spill stores";
  image.resources = resources_of(image.log);
  return image;
}

inline bool has_nvrtc() {
  NvrtcFile file;
  return find_nvrtc(settings_from_environment().nvrtc, &file).ok();
}

#define FA4_NEEDS_NVRTC() \
  if (!has_nvrtc()) GTEST_SKIP() << "needs NVRTC, which was not found (make puts it under build/)"

// Quiet, with sources and cache in the scratch folder.
inline Settings settings_in(const Scratch& scratch) {
  Settings settings = settings_from_environment();
  settings.kernel_dir = scratch / "kernels";
  settings.cache_dir = scratch / "cache";
  settings.packs.clear();
  settings.verbosity = Verbosity::Quiet;
  return settings;
}

}  // namespace fa4::jit
