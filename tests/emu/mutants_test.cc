// SPDX-License-Identifier: Apache-2.0
// How many mutants of our kernels the machine notices: by a report, or by another result under some policy. A sample;
// all in `make soak` (FA4_MUTANTS, mutant_count.h).
#include "emu/mutants.h"

#include <gtest/gtest.h>

#include "emu/gemm_machine.h"
#include "emu/mutant_count.h"
#include "emu/portable.h"

namespace fa4::emu::test {
namespace {

void count_portable(Pass pass, size_t usual_step) {
  FA4_NEEDS_GEMM_COMPILER();
  PortableRun portable(pass);
  MutantCount total;
  for (size_t kernel = 0; kernel < portable.ptx().size(); ++kernel) {
    const auto run = [&](const std::string& text, const MachineOptions& options) {
      std::vector<std::string> ptx = portable.ptx();
      ptx[kernel] = text;
      return portable.run(ptx, options);
    };
    total += count_mutants({.name = portable.entry(kernel),
                            .ptx = portable.ptx()[kernel],
                            .run = run,
                            .usual_step = usual_step});
  }
  expect_noticed(total);
}

void count_gemm(const fa4::test::GemmKernel& kernel, fa4::test::GemmProblem problem,
                size_t usual_step) {
  const auto run = [&](const std::string& text, const MachineOptions& options) {
    RunReport report = gemm_on_machine(kernel, text, problem, 1, options);
    const auto* bytes = reinterpret_cast<const std::byte*>(problem.c.bits.data());
    return FamilyRun::Result{std::move(report.reports),
                             report.finished,
                             report.warp_instructions,
                             {bytes, bytes + problem.c.bytes()}};
  };
  expect_noticed(count_mutants({.name = kernel.spec.entry,
                                .ptx = fa4::test::gemm_ptx(kernel),
                                .arch = kernel.arch,
                                .run = run,
                                .usual_step = usual_step}));
}

// Two CTAs that share B walk over two tiles each, and the ring over its slots two and a half times.
TEST(Mutants, OfTheHopperGemmAreNoticed) {
  FA4_NEEDS_GEMM_COMPILER();
  count_gemm(fa4::test::sm90_gemm_kernels()[1], {256, 512, 320, 5}, 8);
}

// A pair walks over four tiles, so that each half of TMEM and each slot of the ring is used again.
TEST(Mutants, OfTheBlackwellGemmAreNoticed) {
  FA4_NEEDS_GEMM_COMPILER();
  count_gemm(fa4::test::sm100_gemm_kernels()[3], {256, 1024, 192, 5}, 8);
}

TEST(Mutants, OfThePortableForwardAreNoticed) { count_portable(Pass::Forward, 1); }
TEST(Mutants, OfThePortableBackwardAreNoticed) { count_portable(Pass::Backward, 2); }

}  // namespace
}  // namespace fa4::emu::test
