// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "emu/gemm.h"
#include "emu/gemm_labels.h"
#include "sm90/gemm/roles.h"
#include "sm90/gemm/storage.h"

namespace fa4::test {
namespace {

template <Sm90GemmConfig config>
GemmKernel sm90_gemm_kernel() {
  using namespace sm90::gemm;
  GemmKernel kernel;
  kernel.spec.entry = fmt::format("fa4_sm90_gemm_s{}_c{}x{}", config.stages, config.cluster_rows,
                                  config.cluster_cols);
  kernel.spec.header = "sm90/gemm/kernel.h";
  kernel.spec.function = "fa4::sm90::gemm::kernel";
  kernel.spec.config =
      fmt::format("fa4::Sm90GemmConfig{{.stages = {}, .cluster_rows = {}, .cluster_cols = {}}}",
                  config.stages, config.cluster_rows, config.cluster_cols);
  kernel.spec.params = "fa4::GemmParams";
  kernel.spec.threads = kNumThreads;
  kernel.spec.smem_bytes = smem_bytes<config>();
  kernel.spec.cluster = config.cluster();
  kernel.arch = 90;
  kernel.tile_rows = kBlockM;
  kernel.tile_cols = kBlockN;
  kernel.cluster_rows = config.cluster_rows;
  kernel.cluster_cols = config.cluster_cols;
  kernel.a_box_rows = kBlockM / sm90::gemm::Place<config>::kASharers;
  kernel.b_box_rows = kBlockN / sm90::gemm::Place<config>::kBSharers;
  kernel.c_box_rows = kStoreRows;
  kernel.labels = gemm_labels({{kMma, "Mma"}, {kLoad, "Load"}, {kIdle, "Idle"}},
                              {{"a", sizeof(Storage<config>::a[0]), config.stages},
                               {"b", sizeof(Storage<config>::b[0]), config.stages},
                               {"c", kStoreRows * kStoreCols * 2, kMmaWarps * kStoreBuffers},
                               {"full", sizeof(Mbarrier), config.stages},
                               {"empty", sizeof(Mbarrier), config.stages}});
  return kernel;
}

}  // namespace

const std::vector<GemmKernel>& sm90_gemm_kernels() {
  static const std::vector<GemmKernel> kernels = {
      sm90_gemm_kernel<Sm90GemmConfig{.stages = 4, .cluster_rows = 1, .cluster_cols = 1}>(),
      sm90_gemm_kernel<Sm90GemmConfig{.stages = 4, .cluster_rows = 2, .cluster_cols = 1}>(),
      sm90_gemm_kernel<Sm90GemmConfig{.stages = 3, .cluster_rows = 1, .cluster_cols = 2}>(),
      sm90_gemm_kernel<Sm90GemmConfig{.stages = 2, .cluster_rows = 2, .cluster_cols = 2}>(),
      sm90_gemm_kernel<Sm90GemmConfig{.stages = 3, .cluster_rows = 4, .cluster_cols = 1}>()};
  return kernels;
}

}  // namespace fa4::test
