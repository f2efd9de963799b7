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

}  // namespace

RunReport gemm_on_machine(const fa4::test::GemmKernel& kernel, const std::string& ptx,
                          fa4::test::GemmProblem& problem, uint32_t most_clusters,
                          MachineOptions options) {
  options.arch = kernel.arch;
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
  const GemmParams params = problem.params(kernel, gemm_map, a, b, c);
  launch.params.resize(sizeof(params));
  std::memcpy(launch.params.data(), &params, sizeof(params));
  launch.grid = {problem.grid(kernel, most_clusters), 1, 1};
  launch.block = {kernel.spec.threads, 1, 1};
  launch.cluster = {kernel.spec.cluster, 1, 1};
  launch.dynamic_shared_bytes = kernel.spec.smem_bytes;
  launch.labels = kernel.labels;
  return machine.launch(launch);
}

std::string texts_of(const RunReport& report) {
  std::string texts;
  for (const Report& one : report.reports) texts += one.code + ": " + one.text + "\n";
  return texts;
}

std::string ptx_with(const plan::KernelSpec& spec, const std::string& target,
                     const std::vector<SourceEdit>& edits, const std::vector<SourceFile>& files) {
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
  for (const SourceFile& file : files) {
    const std::filesystem::path path = scratch / file.file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << file.text;
  }
  jit::Settings settings = jit::settings_from_environment();
  settings.kernel_dir = scratch.path();
  settings.verbosity = jit::Verbosity::Quiet;
  jit::Compiler compiler(settings);
  std::string ptx;
  const Status status = compiler.ptx_of({spec, target, ""}, &ptx);
  EXPECT_TRUE(status.ok()) << status.message;
  return ptx;
}

}  // namespace fa4::emu::test
