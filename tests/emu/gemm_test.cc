// SPDX-License-Identifier: Apache-2.0
// The GEMMs on the machine: right and with the same bits in every order of events, for every cluster.
#include <gtest/gtest.h>

#include "emu/gemm_machine.h"
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

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
  EXPECT_TRUE(report.finished && report.reports.empty()) << kernel.spec.entry << "\n"
                                                         << texts_of(report);
  EXPECT_EQ(problem.mistake(), "") << kernel.spec.entry;
}

void expect_right_for_every_shape(const std::vector<GemmKernel>& kernels) {
  for (const GemmKernel& kernel : kernels) {
    const std::string ptx = gemm_ptx(kernel);
    for (const auto& [m, n, k, most_clusters] : kGemmShapes) {
      GemmProblem problem(m, n, k, 7);
      expect_right(kernel, gemm_on_machine(kernel, ptx, problem, most_clusters, {}), problem);
    }
  }
}

void expect_same_bits_in_every_order(const std::vector<GemmKernel>& kernels) {
  for (const GemmKernel& kernel : kernels) {
    const std::string ptx = gemm_ptx(kernel);
    GemmProblem first(390, 520, 328, 9), problem = first;
    expect_right(kernel, gemm_on_machine(kernel, ptx, first, 1, {}), first);
    for (const Policy policy : kAllPolicies) {
      const bool drawn = policy == Policy::Torn || policy == Policy::Random;
      for (uint64_t seed = 0; seed < (drawn ? 3u : 1u); ++seed) {
        SCOPED_TRACE(kernel.spec.entry + " " + name_of(policy) + " " + std::to_string(seed));
        const RunReport report =
            gemm_on_machine(kernel, ptx, problem, 1, {.policy = policy, .seed = seed});
        EXPECT_TRUE(report.finished && report.reports.empty()) << texts_of(report);
        EXPECT_TRUE(problem.c.bits == first.c.bits);
      }
    }
  }
}

void expect_fast_within_bound(const GemmKernel& kernel) {
  GemmProblem problem(300, 300, 1000, 11);
  expect_right(kernel,
               gemm_on_machine(kernel, gemm_ptx(kernel), problem, 8, {.numerics = Numerics::Fast}),
               problem);
}

TEST(Sm90Gemm, IsRightForEveryClusterAndShape) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_right_for_every_shape(fa4::test::sm90_gemm_kernels());
}

TEST(Sm90Gemm, HasTheSameBitsInEveryOrderOfEvents) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_same_bits_in_every_order(fa4::test::sm90_gemm_kernels());
}

TEST(Sm90Gemm, FastSumsAreWithinTheBound) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_fast_within_bound(fa4::test::sm90_gemm_kernels()[1]);
}

TEST(Sm100Gemm, IsRightForEveryClusterAndShape) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_right_for_every_shape(fa4::test::sm100_gemm_kernels());
}

TEST(Sm100Gemm, HasTheSameBitsInEveryOrderOfEvents) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_same_bits_in_every_order(fa4::test::sm100_gemm_kernels());
}

TEST(Sm100Gemm, FastSumsAreWithinTheBound) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_fast_within_bound(fa4::test::sm100_gemm_kernels()[3]);
}

}  // namespace
}  // namespace fa4::emu::test
