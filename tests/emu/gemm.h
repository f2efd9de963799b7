// SPDX-License-Identifier: Apache-2.0
// The GEMMs of src/kernels/sm90/gemm and sm100/gemm as tests launch them: the kernels, operands surrounded by signalling
// NaN, what the result must be. Shared with tests/gpu.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "abi/gemm.h"
#include "emu/run/machine.h"
#include "plan/launch.h"

namespace fa4::test {

struct GemmKernel {
  plan::KernelSpec spec;
  uint32_t arch;                        // compute capability
  uint32_t tile_rows, tile_cols;        // of C; each CTA of a cluster has a place among its tiles
  uint32_t cluster_rows, cluster_cols;  // places
  uint32_t a_box_rows, b_box_rows, c_box_rows;
  emu::LaunchLabels
      labels;  // what reports call the warps (roles.h) and the shared memory (storage.h)

  std::string target() const;  // "sm_90a"
};

// Clusters of 1x1, 2x1, 1x2, 2x2 and 4x1 CTAs; 2 to 4 stages.
const std::vector<GemmKernel>& sm90_gemm_kernels();
// By one CTA: clusters of 1x1, 2x1 and 2x2; by pairs: 2x1, 2x2 and 4x1; 2 to 6 stages.
const std::vector<GemmKernel>& sm100_gemm_kernels();

bool has_gemm_compiler();  // NVRTC

#define FA4_NEEDS_GEMM_COMPILER()        \
  if (!::fa4::test::has_gemm_compiler()) \
  GTEST_SKIP() << "needs NVRTC, which was not found (make puts it under build/)"

// Kept by the disk cache.
std::string gemm_ptx(const GemmKernel& kernel);

// bf16, rows `ld` apart; what lies between and around is poison.
struct GemmMatrix {
  static constexpr uint16_t kPoison =
      0x7fa5;  // a signalling NaN, which no sum of finite products gives

  GemmMatrix(uint32_t rows, uint32_t cols, uint32_t ld)
      : rows(rows), cols(cols), ld(ld), bits(size_t{rows} * ld, kPoison) {}
  void randomize(uint64_t seed);  // about N(0, 1)
  size_t bytes() const { return bits.size() * sizeof(uint16_t); }

  uint32_t rows, cols, ld;
  std::vector<uint16_t> bits;
};

struct GemmProblem {
  GemmProblem(uint32_t m, uint32_t n, uint32_t k, uint64_t seed);

  // Of the three maps, whose bases are where the caller has put a, b and c.
  using Encode =
      std::function<TensorMap(const GemmMatrix& matrix, uint64_t base, uint32_t box_rows)>;
  GemmParams params(const GemmKernel& kernel, const Encode& encode, uint64_t a_base,
                    uint64_t b_base, uint64_t c_base) const;
  // CTAs: a cluster for each unit of tiles, or at most `most_clusters`, which then walk over several.
  uint32_t grid(const GemmKernel& kernel, uint32_t most_clusters) const;

  // What is wrong with c: "" or a sentence with the first bad element. Each element within half a bf16 step of the sum
  // in double and what truncating fp32 sums over K can add; columns from n to the next multiple of 8 zero (TMA stores
  // whole 16 bytes); what lies beyond untouched.
  std::string mistake() const;

  GemmMatrix a, b, c;
  uint32_t m, n, k;
};

}  // namespace fa4::test
