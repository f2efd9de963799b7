// SPDX-License-Identifier: Apache-2.0
#include "emu/family_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "device/models.h"
#include "emu/machine/tensor_map.h"
#include "gpu/buffers.h"
#include "jit/compiler.h"
#include "support/random.h"

namespace fa4::emu::test {
namespace {

LaunchLabels labels_of(const plan::KernelSpec& spec) {
  LaunchLabels labels;
  for (const plan::WarpLabel& label : spec.warps) {
    labels.warps.push_back({label.first, label.last, label.name});
  }
  for (const plan::SharedLabel& label : spec.shared) {
    labels.shared.push_back({label.name, label.offset, label.bytes, label.count});
  }
  for (const plan::TensorLabel& label : spec.tensor) {
    labels.tensor.push_back({label.name, label.column, label.columns, label.count});
  }
  return labels;
}

void encode_map(const plan::TensorMapSpec& spec, std::byte* to) {
  TensorMap map;
  map.type = spec.data_type;
  map.rank = static_cast<uint32_t>(spec.sizes.size());
  map.address = reinterpret_cast<uint64_t>(spec.address);
  std::copy(spec.sizes.begin(), spec.sizes.end(), map.sizes.begin());
  std::copy(spec.strides.begin(), spec.strides.end(), map.strides.begin() + 1);
  map.strides[0] = 2;
  std::copy(spec.box.begin(), spec.box.end(), map.box.begin());
  map.steps.fill(1);
  map.swizzle = spec.swizzle;
  EXPECT_EQ(encode_tensor_map(map, to), "");
}

}  // namespace

FamilyRun::FamilyRun(const plan::KernelFamily& family, Pass pass, const char* model)
    : family_(family), pass_(pass), facts_(device::find_model(model)->facts) {
  tensors_.reserve(16);  // views point into it
}

std::vector<std::byte>& FamilyRun::tensor(const char* name, size_t bytes) {
  return tensors_.emplace_back(name, std::vector<std::byte>(bytes)).second;
}

RowsView FamilyRun::rows(const char* name, int64_t rows, int64_t heads, int64_t dim, uint64_t seed,
                         const Value& factor) {
  const int64_t count = rows * heads * dim;
  std::vector<std::byte>& data = tensor(name, static_cast<size_t>(count) * 2);
  if (seed != 0) {
    fa4::test::Random random(seed);
    for (int64_t i = 0; i < count; ++i) {
      auto value = static_cast<float>(random.normal());
      if (factor) value *= factor(i / (heads * dim), i / dim % heads);
      const auto bits = std::bit_cast<uint32_t>(value) >> 16;
      data[static_cast<size_t>(2 * i)] = static_cast<std::byte>(bits & 0xff);
      data[static_cast<size_t>(2 * i + 1)] = static_cast<std::byte>(bits >> 8);
    }
  }
  return {data.data(), Dtype::BFloat16, rows * heads * dim, heads * dim, dim};
}

void FamilyRun::set_outputs(int64_t query_rows) {
  const int64_t heads = problem_.heads;
  LseView lse{nullptr, Dtype::Float32, heads * query_rows, query_rows, 1};
  lse.data = tensor("lse", static_cast<size_t>(heads * query_rows) * 4).data();
  const RowsView out = rows("out", query_rows, heads, problem_.value_dim, 0);
  forward_.out = backward_.out = out;
  forward_.lse = backward_.lse = lse;
  forward_.has_lse = true;
}

void FamilyRun::make_plan() {
  const Status status = family_.supports(problem_, pass_, facts_);
  EXPECT_TRUE(status.ok()) << status.message;
  plan_ = family_.prepare(problem_, pass_, facts_);
  workspace_.resize(plan_.workspace_bytes + 256);
}

void FamilyRun::compile() {
  for (const plan::KernelSpec& spec : plan_.kernels) {
    const Status compiled = jit::compiler().ptx_of({spec, facts_.arch, ""}, &ptx_.emplace_back());
    EXPECT_TRUE(compiled.ok()) << compiled.message;
  }
}

FamilyRun::Result FamilyRun::run(const std::vector<std::string>& ptx,
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
      forward ? family_.forward_launches(problem_, plan_, facts_, forward_, workspace)
              : family_.backward_launches(problem_, plan_, facts_, backward_, workspace);
  Result result;
  for (const plan::Launch& launch : launches) {
    const plan::KernelSpec& spec = plan_.kernels[launch.kernel];
    KernelLaunch on_machine;
    on_machine.module = modules[launch.kernel];
    on_machine.entry = spec.entry;
    on_machine.grid = launch.grid;
    if (most_blocks_ != 0) on_machine.grid[0] = std::min(launch.grid[0], most_blocks_);
    on_machine.block = {spec.threads, 1, 1};
    on_machine.dynamic_shared_bytes = spec.smem_bytes;
    on_machine.params = launch.params;
    for (const plan::TensorMapSpec& map : launch.maps) {
      encode_map(map, on_machine.params.data() + map.offset);
    }
    on_machine.labels = labels_of(spec);
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
