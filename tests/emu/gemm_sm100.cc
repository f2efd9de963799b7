// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "emu/gemm.h"
#include "emu/gemm_labels.h"
#include "sm100/gemm/roles.h"
#include "sm100/gemm/storage.h"

namespace fa4::test {
namespace {

template <Sm100GemmConfig config>
GemmKernel sm100_gemm_kernel() {
  using namespace sm100::gemm;
  GemmKernel kernel;
  kernel.spec.entry = fmt::format("fa4_sm100_gemm_g{}_s{}_c{}x{}", config.cta_group, config.stages,
                                  config.cluster_rows, config.cluster_cols);
  kernel.spec.header = "sm100/gemm/kernel.h";
  kernel.spec.function = "fa4::sm100::gemm::kernel";
  kernel.spec.config = fmt::format(
      "fa4::Sm100GemmConfig{{.cta_group = {}, .stages = {}, .cluster_rows = {}, .cluster_cols = {}}}",
      config.cta_group, config.stages, config.cluster_rows, config.cluster_cols);
  kernel.spec.params = "fa4::GemmParams";
  kernel.spec.threads = kNumThreads;
  kernel.spec.smem_bytes = smem_bytes<config>();
  kernel.spec.cluster = config.cluster();
  kernel.arch = 100;
  kernel.tile_rows = kBlockM;
  kernel.tile_cols = kBlockN;
  kernel.cluster_rows = config.cluster_rows;
  kernel.cluster_cols = config.cluster_cols;
  kernel.a_box_rows = kBlockM / sm100::gemm::Place<config>::kASharers;
  kernel.b_box_rows = b_rows(config) / sm100::gemm::Place<config>::kBSharers;
  kernel.c_box_rows = kStoreRows;
  kernel.labels = gemm_labels({{kStore, "Store"}, {kLoad, "Load"}, {kMma, "Mma"}},
                              {{"a", sizeof(Storage<config>::a[0]), config.stages},
                               {"b", sizeof(Storage<config>::b[0]), config.stages},
                               {"c", kStoreRows * kStoreCols * 2, kStoreWarps * kStoreBuffers},
                               {"full", sizeof(Mbarrier), config.stages},
                               {"empty", sizeof(Mbarrier), config.stages},
                               {"tile_full", sizeof(Mbarrier), kTiles},
                               {"tile_empty", sizeof(Mbarrier), kTiles},
                               {"tmem", sizeof(u32), 1}});
  kernel.labels.tensor = {{"tile", 0, kBlockN, kTiles}};
  return kernel;
}

}  // namespace

const std::vector<GemmKernel>& sm100_gemm_kernels() {
  static const std::vector<GemmKernel> kernels = {sm100_gemm_kernel<Sm100GemmConfig{1, 4, 1, 1}>(),
                                                  sm100_gemm_kernel<Sm100GemmConfig{1, 3, 2, 1}>(),
                                                  sm100_gemm_kernel<Sm100GemmConfig{1, 2, 2, 2}>(),
                                                  sm100_gemm_kernel<Sm100GemmConfig{2, 6, 2, 1}>(),
                                                  sm100_gemm_kernel<Sm100GemmConfig{2, 4, 2, 2}>(),
                                                  sm100_gemm_kernel<Sm100GemmConfig{2, 3, 4, 1}>()};
  return kernels;
}

}  // namespace fa4::test
