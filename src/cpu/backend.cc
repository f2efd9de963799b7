// SPDX-License-Identifier: Apache-2.0
// Backend "cpu": which kernels run here, what a plan of them looks like, and running it. Tested in
// tests/cpu.
#include "cpu/backend.h"

#include <hwy/targets.h>
#include <omp.h>

#include "cpu/run.h"
#include "cpu/workspace.h"

namespace fa4::cpu {
namespace {

constexpr int64_t kMaxDim = 512;

bool has_bfloat16_dot() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

Status runs_here(const Kernel& kernel) {
  if ((hwy::SupportedTargets() & kernel.target) == 0) {
    return unsupported("kernel {} needs an instruction set that this CPU lacks", kernel.name);
  }
  if (kernel.bfloat16_dot && !has_bfloat16_dot()) {
    return unsupported("kernel {} needs AVX512_BF16, which this CPU lacks", kernel.name);
  }
  return {};
}

const Kernel& find_kernel(std::string_view name) {
  for (const Kernel& kernel : compiled_kernels()) {
    if (name == kernel.name) return kernel;
  }
  return compiled_kernels().back();
}

class CpuBackend final : public Backend {
 public:
  std::string_view name() const override { return "cpu"; }

  std::vector<KernelInfo> kernels() const override {
    std::vector<KernelInfo> infos;
    for (const Kernel& kernel : compiled_kernels()) {
      infos.push_back({kernel.name, kernel.summary, runs_here(kernel)});
    }
    return infos;
  }

  Status supports(const Problem& problem, Pass pass, std::string_view name) const override {
    const Kernel& kernel = find_kernel(name);
    const Dtype dtype = problem.q.dtype;
    if (dtype == Dtype::Float64) {
      return unsupported("q is float64; backend cpu serves float32, bfloat16 and float16");
    }
    if (kernel.bfloat16_dot && dtype != Dtype::BFloat16) {
      return unsupported("q is {}; kernel {} serves bfloat16 only", name_of(dtype), name);
    }
    if (problem.head_dim > kMaxDim || problem.value_dim > kMaxDim) {
      return unsupported("head dims are {} (q, k) and {} (v); backend cpu serves 1 to {}",
                         problem.head_dim, problem.value_dim, kMaxDim);
    }
    if (pass == Pass::Backward && problem.paged) {
      return unsupported("k and v are paged; the backward serves dense and packed tensors");
    }
    return {};
  }

  Blueprint prepare(const Problem& problem, Pass pass, std::string_view name) const override {
    const Kernel& kernel = find_kernel(name);
    Blueprint blueprint;
    blueprint.kernel = kernel.name;
    blueprint.threads = problem.num_threads > 0 ? problem.num_threads : omp_get_max_threads();
    if (pass == Pass::Forward) {
      blueprint.tiles = {{"panel_rows", kernel.panel_rows},
                         {"panels", panels_per_task(problem, kernel.panel_rows)},
                         {"keys", kForwardKeys}};
      blueprint.grid = max_forward_tasks(problem, kernel.panel_rows);
      blueprint.workspace_bytes =
          ForwardWorkspace(problem, kernel, blueprint.threads, nullptr).arena.used();
    } else {
      const int64_t chunk = backward_chunk_keys(problem);
      blueprint.tiles = {
          {"panel_rows", kernel.panel_rows}, {"chunk_keys", chunk}, {"keys", kBackwardKeys}};
      blueprint.grid = problem.batch * problem.kv_heads * ((problem.seq_k + chunk - 1) / chunk);
      blueprint.workspace_bytes =
          BackwardWorkspace(problem, kernel, blueprint.threads, nullptr).arena.used();
    }
    return blueprint;
  }

  Status forward(const Problem& problem, const Blueprint& blueprint, const ForwardTensors& tensors,
                 void* base, void*) const override {
    run_forward(problem, find_kernel(blueprint.kernel), tensors, blueprint.threads, base);
    return {};
  }

  Status backward(const Problem& problem, const Blueprint& blueprint,
                  const BackwardTensors& tensors, void* base, void*) const override {
    run_backward(problem, find_kernel(blueprint.kernel), tensors, blueprint.threads, base);
    return {};
  }
};

}  // namespace

const Backend& backend() {
  static const CpuBackend instance;
  return instance;
}

}  // namespace fa4::cpu
