// SPDX-License-Identifier: Apache-2.0
// The Hopper GEMM on the machine: right and with the same bits in every order of events, for every cluster.
#include <gtest/gtest.h>

#include "emu/gemm_machine.h"
#include "emu/mutants.h"
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

using fa4::test::gemm_kernels;
using fa4::test::gemm_ptx;
using fa4::test::GemmKernel;
using fa4::test::GemmProblem;

struct GemmShape {
  uint32_t m, n, k, most_clusters;
};

// One element; edges on every side; a CTA to spare in a cluster; clusters that walk over several tiles.
constexpr GemmShape kGemmShapes[] = {
    {1, 1, 8, 8}, {127, 255, 56, 8}, {129, 257, 72, 8}, {300, 300, 304, 8}, {390, 520, 328, 1}};

void expect_right(const GemmKernel& kernel, const RunReport& report, const GemmProblem& problem) {
  EXPECT_TRUE(report.finished && report.num_errors == 0) << kernel.spec.entry << "\n"
                                                         << texts_of(report);
  EXPECT_EQ(problem.mistake(), "") << kernel.spec.entry;
}

TEST(Sm90Gemm, IsRightForEveryClusterAndShape) {
  FA4_NEEDS_GEMM_COMPILER();
  for (const GemmKernel& kernel : gemm_kernels()) {
    const std::string ptx = gemm_ptx(kernel);
    for (const auto& [m, n, k, most_clusters] : kGemmShapes) {
      GemmProblem problem(m, n, k, 7);
      expect_right(kernel, gemm_on_machine(kernel, ptx, problem, most_clusters, {.arch = 90}),
                   problem);
    }
  }
}

TEST(Sm90Gemm, HasTheSameBitsInEveryOrderOfEvents) {
  FA4_NEEDS_GEMM_COMPILER();
  for (const GemmKernel& kernel : gemm_kernels()) {
    const std::string ptx = gemm_ptx(kernel);
    GemmProblem first(390, 520, 328, 9), problem = first;
    expect_right(kernel, gemm_on_machine(kernel, ptx, first, 1, {.arch = 90}), first);
    for (const Policy policy : kAllPolicies) {
      const bool drawn = policy == Policy::Torn || policy == Policy::Random;
      for (uint64_t seed = 0; seed < (drawn ? 3u : 1u); ++seed) {
        const RunReport report =
            gemm_on_machine(kernel, ptx, problem, 1, {.arch = 90, .policy = policy, .seed = seed});
        EXPECT_TRUE(report.finished && report.num_errors == 0)
            << kernel.spec.entry << " " << name_of(policy) << " " << seed << "\n"
            << texts_of(report);
        EXPECT_TRUE(problem.c.bits == first.c.bits)
            << kernel.spec.entry << " " << name_of(policy) << " " << seed;
      }
    }
  }
}

TEST(Sm90Gemm, FastSumsAreWithinTheBound) {
  FA4_NEEDS_GEMM_COMPILER();
  const GemmKernel& kernel = gemm_kernels()[1];
  GemmProblem problem(300, 300, 1000, 11);
  expect_right(kernel,
               gemm_on_machine(kernel, gemm_ptx(kernel), problem, 8,
                               {.arch = 90, .numerics = Numerics::Fast}),
               problem);
}

}  // namespace
}  // namespace fa4::emu::test
