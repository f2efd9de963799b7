// SPDX-License-Identifier: Apache-2.0
#include "emu/portable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "device/models.h"
#include "gpu/buffers.h"
#include "jit/compiler.h"
#include "plan/sm80.h"
#include "support/random.h"

namespace fa4::emu::test {
namespace {

constexpr int64_t kQueries = 150, kKeys = 200, kHeads = 2, kKvHeads = 1, kDim = 64;

}  // namespace

std::vector<std::byte>& PortableRun::tensor(const char* name, size_t bytes) {
  return tensors_.emplace_back(name, std::vector<std::byte>(bytes)).second;
}

// N(0, 1) in bf16, or nothing yet (seed 0).
RowsView PortableRun::rows(const char* name, int64_t rows, int64_t heads, uint64_t seed) {
  const auto count = static_cast<size_t>(rows * heads * kDim);
  std::vector<std::byte>& data = tensor(name, count * 2);
  if (seed != 0) {
    fa4::test::Random random(seed);
    for (size_t i = 0; i < count; ++i) {
      const auto bits = std::bit_cast<uint32_t>(static_cast<float>(random.normal())) >> 16;
      data[2 * i] = static_cast<std::byte>(bits & 0xff);
      data[2 * i + 1] = static_cast<std::byte>(bits >> 8);
    }
  }
  return {data.data(), Dtype::BFloat16, rows * heads * kDim, heads * kDim, kDim};
}

PortableRun::PortableRun(Pass pass) : pass_(pass), facts_(device::find_model("sm_80")->facts) {
  problem_.batch = 1;
  problem_.heads = kHeads;
  problem_.kv_heads = kKvHeads;
  problem_.head_dim = problem_.value_dim = kDim;
  problem_.seq_q = problem_.total_q = kQueries;
  problem_.seq_k = problem_.total_k = kKeys;
  problem_.scale = 1 / std::sqrt(double{kDim});
  problem_.window_right = 0;
  problem_.num_splits = 1;
  problem_.deterministic = true;
  tensors_.reserve(16);  // views point into it
  problem_.q = rows("q", kQueries, kHeads, 1);
  problem_.k = rows("k", kKeys, kKvHeads, 2);
  problem_.v = rows("v", kKeys, kKvHeads, 3);
  LseView lse{nullptr, Dtype::Float32, kHeads * kQueries, kQueries, 1};
  lse.data = tensor("lse", kHeads * kQueries * 4).data();
  const RowsView out = rows("out", kQueries, kHeads, 0);
  forward_.out = backward_.out = out;
  forward_.lse = backward_.lse = lse;
  forward_.has_lse = true;
  if (pass == Pass::Backward) {
    PortableRun forward(Pass::Forward);
    forward.run(forward.ptx(), {});
    for (auto& [name, bytes] : tensors_) {
      for (const auto& [given, values] : forward.tensors_) {
        if (given == name) std::copy(values.begin(), values.end(), bytes.begin());
      }
    }
    backward_.dout = rows("dout", kQueries, kHeads, 4);
    backward_.dq = rows("dq", kQueries, kHeads, 0);
    backward_.dk = rows("dk", kKeys, kKvHeads, 0);
    backward_.dv = rows("dv", kKeys, kKvHeads, 0);
  }
  const Status status = plan::sm80().supports(problem_, pass, facts_);
  EXPECT_TRUE(status.ok()) << status.message;
  plan_ = plan::sm80().prepare(problem_, pass, facts_);
  workspace_.resize(plan_.workspace_bytes + 256);
  for (const plan::KernelSpec& spec : plan_.kernels) {
    const Status compiled = jit::compiler().ptx_of({spec, facts_.arch, ""}, &ptx_.emplace_back());
    EXPECT_TRUE(compiled.ok()) << compiled.message;
  }
}

PortableRun::Result PortableRun::run(const std::vector<std::string>& ptx,
                                     const MachineOptions& options) {
  const bool forward = pass_ == Pass::Forward;
  const auto is_output = [&](const std::string& name) {
    return forward ? name == "out" || name == "lse" : name == "dq" || name == "dk" || name == "dv";
  };
  for (auto& [name, bytes] : tensors_) {
    if (is_output(name)) std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  }
  std::fill(workspace_.begin(), workspace_.end(), std::byte{0xff});
  const auto address = reinterpret_cast<uintptr_t>(workspace_.data());
  std::byte* workspace = workspace_.data() + (256 - address % 256) % 256;

  Machine machine(options);
  std::vector<ModuleId> modules;
  for (const std::string& text : ptx) modules.push_back(machine.load(text));
  const auto buffers =
      forward ? gpu::forward_buffers(problem_, forward_, workspace, plan_.workspace_bytes)
              : gpu::backward_buffers(problem_, backward_, workspace, plan_.workspace_bytes);
  for (const device::Buffer& buffer : buffers) {
    machine.memory().add(
        {buffer.name, reinterpret_cast<uint64_t>(buffer.base), buffer.bytes, buffer.writable});
  }
  const auto launches =
      forward ? plan::sm80().forward_launches(problem_, plan_, facts_, forward_, workspace)
              : plan::sm80().backward_launches(problem_, plan_, facts_, backward_, workspace);
  Result result;
  for (const plan::Launch& launch : launches) {
    const plan::KernelSpec& spec = plan_.kernels[launch.kernel];
    KernelLaunch on_machine;
    on_machine.module = modules[launch.kernel];
    on_machine.entry = spec.entry;
    on_machine.grid = launch.grid;
    on_machine.block = {spec.threads, 1, 1};
    on_machine.dynamic_shared_bytes = spec.smem_bytes;
    on_machine.params = launch.params;
    RunReport report = machine.launch(on_machine);
    result.warp_instructions += report.warp_instructions;
    for (Report& one : report.reports) result.reports.push_back(std::move(one));
    result.finished = report.finished;
    if (!report.finished) break;
  }
  for (const auto& [name, bytes] : tensors_) {
    if (is_output(name)) result.bytes.insert(result.bytes.end(), bytes.begin(), bytes.end());
  }
  return result;
}

}  // namespace fa4::emu::test
