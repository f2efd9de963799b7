// SPDX-License-Identifier: Apache-2.0
#include "emu/gemm_machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "emu/machine/tensor_map.h"
#include "jit/compiler.h"
#include "jit/files.h"
#include "sm90/gemm/roles.h"
#include "support/scratch.h"

namespace fa4::emu::test {
namespace {

fa4::TensorMap gemm_map(const fa4::test::GemmMatrix& matrix, uint64_t base, uint32_t box_rows) {
  TensorMap map;
  map.type = static_cast<uint32_t>(MapType::BF16);
  map.rank = 2;
  map.address = base;
  map.sizes = {matrix.cols, matrix.rows};
  map.strides = {2, uint64_t{matrix.ld} * 2};
  map.box = {64, box_rows};
  map.steps = {1, 1};
  map.swizzle = static_cast<uint32_t>(MapSwizzle::B128);
  fa4::TensorMap bytes;
  const std::string refusal = encode_tensor_map(map, reinterpret_cast<std::byte*>(&bytes));
  EXPECT_EQ(refusal, "");
  return bytes;
}

// What reports call the warps (roles.h) and the shared memory (storage.h).
LaunchLabels gemm_labels(const fa4::Sm90GemmConfig& config) {
  using namespace fa4::sm90::gemm;
  LaunchLabels labels;
  const auto name_warps = [&](const RoleRow& row, const char* name) {
    labels.warps.push_back({row.first_warp, row.first_warp + row.num_warps - 1, name});
  };
  name_warps(kMma, "Mma");
  name_warps(kLoad, "Load");
  name_warps(kIdle, "Idle");
  uint32_t offset = 0;
  const auto name_next = [&](const char* name, uint32_t bytes, uint32_t count) {
    labels.shared.push_back({name, offset, bytes, count});
    offset += bytes * count;
  };
  name_next("a", kBlockM * kBlockK * 2, config.stages);
  name_next("b", kBlockN * kBlockK * 2, config.stages);
  name_next("c", kStoreRows * kStoreCols * 2, kMmaWarps * kStoreBuffers);
  name_next("full", 8, config.stages);
  name_next("empty", 8, config.stages);
  return labels;
}

}  // namespace

RunReport gemm_on_machine(const fa4::test::GemmKernel& kernel, const std::string& ptx,
                          fa4::test::GemmProblem& problem, uint32_t most_clusters,
                          const MachineOptions& options) {
  std::fill(problem.c.bits.begin(), problem.c.bits.end(), fa4::test::GemmMatrix::kPoison);
  Machine machine(options);
  KernelLaunch launch;
  launch.module = machine.load(ptx);
  launch.entry = kernel.spec.entry;
  const auto base_of = [&](const char* name, fa4::test::GemmMatrix& matrix, bool writable) {
    const auto base = reinterpret_cast<uint64_t>(matrix.bits.data());
    machine.memory().add({name, base, matrix.bytes(), writable});
    return base;
  };
  const uint64_t a = base_of("a", problem.a, false), b = base_of("b", problem.b, false),
                 c = base_of("c", problem.c, true);
  const GemmParams params = problem.params(kernel.config, gemm_map, a, b, c);
  launch.params.resize(sizeof(params));
  std::memcpy(launch.params.data(), &params, sizeof(params));
  launch.grid = {problem.grid(kernel.config, most_clusters), 1, 1};
  launch.block = {kernel.spec.threads, 1, 1};
  launch.cluster = {kernel.spec.cluster, 1, 1};
  launch.dynamic_shared_bytes = kernel.spec.smem_bytes;
  launch.labels = gemm_labels(kernel.config);
  return machine.launch(launch);
}

std::string texts_of(const RunReport& report) {
  std::string texts;
  for (const Report& one : report.reports) texts += one.code + ": " + one.text + "\n";
  return texts;
}

std::string gemm_ptx_with(const fa4::test::GemmKernel& kernel,
                          const std::vector<SourceEdit>& edits) {
  const fa4::test::Scratch scratch;
  std::filesystem::copy("src/kernels", scratch.path(), std::filesystem::copy_options::recursive);
  for (const SourceEdit& edit : edits) {
    const std::string path = scratch / edit.file;
    std::string text = jit::read_file(path).value_or("");
    const size_t at = text.find(edit.from);
    EXPECT_TRUE(at != std::string::npos && text.find(edit.from, at + 1) == std::string::npos)
        << edit.file << " does not hold this once: " << edit.from;
    if (at == std::string::npos) continue;
    std::ofstream(path) << text.replace(at, edit.from.size(), edit.to);
  }
  jit::Settings settings = jit::settings_from_environment();
  settings.kernel_dir = scratch.path();
  settings.verbosity = jit::Verbosity::Quiet;
  jit::Compiler compiler(settings);
  std::string ptx;
  const Status status = compiler.ptx_of({kernel.spec, "sm_90a", ""}, &ptx);
  EXPECT_TRUE(status.ok()) << status.message;
  return ptx;
}

}  // namespace fa4::emu::test
