// SPDX-License-Identifier: Apache-2.0
// Faults planted in the Hopper GEMM, as edits of its sources. compute-sanitizer's racecheck reports none of the first
// three, and on an H200 two of them even give right results. Here each is reported or spoils the result under some
// policy. FA4_FAULT_TABLE prints which, and FA4_FAULT_REPORTS the first report of each.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "emu/gemm_machine.h"
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

using fa4::test::GemmKernel;
using fa4::test::GemmProblem;

struct GemmFault {
  const char* name;
  std::vector<SourceEdit> edits;
  std::vector<std::string>
      signs;  // codes, beginnings of codes, or "spoiled"; empty: only a detector to come sees it
};

const std::vector<GemmFault>& gemm_faults() {
  static const std::string gemm = "sm90/gemm/";
  static const std::vector<GemmFault> faults = {
      {"AllWarpsInOneStoreBuffer",
       {{gemm + "mma.h", "smem.c[warp_idx]", "smem.c[0]"}},
       {"race", "spoiled"}},
      {"SlotReleasedBeforeItsWgmmaWasWaitedFor",
       {{gemm + "mma.h", "    ptx::wgmma_wait_group<1>();\n    ring.release(held_slot);",
         "    ring.release(held_slot);\n    ptx::wgmma_wait_group<1>();"}},
       {"race", "mbar", "deadlock", "spoiled"}},
      {"NoWarpBarrierBeforeTheStore",
       {{gemm + "store.h", "      ptx::fence_proxy_async();\n      __syncwarp();\n",
         "      ptx::fence_proxy_async();\n"}},
       {"proxy"}},
      {"NoProxyFenceBeforeTheStore",
       {{gemm + "store.h", "      ptx::fence_proxy_async();\n", ""}},
       {"proxy"}},
      {"LastSlotIsNotReleased",
       {{gemm + "mma.h", "  ptx::hold(acc);\n  ring.release(held_slot);", "  ptx::hold(acc);"}},
       {"deadlock"}},
      {"TooManyBytesExpected",
       {{gemm + "load.h", "expect_tx(full, kSlotBytes)", "expect_tx(full, kSlotBytes + 128)"}},
       {"deadlock", "mbar"}},
      {"TooFewBytesExpected",
       {{gemm + "load.h", "expect_tx(full, kSlotBytes)", "expect_tx(full, kSlotBytes - 8192)"}},
       {"race", "mbar", "smem", "deadlock", "spoiled"}},
      {"NoWaitForTheSlot",
       {{"tile/ring.h", "wait_and_step(u32 barriers) {",
         "wait_and_step(u32 barriers, bool waits = true) {"},
        {"tile/ring.h", "    wait_for_phase(barriers", "    if (waits) wait_for_phase(barriers"},
        {"tile/ring.h", "wait_and_step(full_)", "wait_and_step(full_, false)"}},
       {"race", "mbar", "smem", "spoiled", "deadlock"}},
      {"NoWaitForTheLastWgmma",
       {{gemm + "mma.h", "  ptx::wgmma_wait_group<0>();\n", ""}},
       {"reg", "race", "spoiled", "wgmma"}},
      {"BufferOverwrittenWhileItIsStored",
       {{gemm + "store.h", "wait_group_read<kStoreBuffers - 1>()",
         "wait_group_read<kStoreBuffers>()"}},
       {"race", "spoiled"}},
      {"PeersAreNotTold",
       {{gemm + "mma.h", "Place<config>(ptx::cluster_ctarank()).shares_with(thread)",
         "thread == ptx::cluster_ctarank()"}},
       {"deadlock"}},
      {"NobodyWaitsForPeersAtTheEnd",
       {{gemm + "kernel.h", "no CTA leaves before all are done.\n  sync_cluster();",
         "no CTA leaves before all are done."}},
       {"smem.peer_exited", "mbar"}},
  };
  return faults;
}

class Sm90GemmFault : public testing::TestWithParam<size_t> {};

TEST_P(Sm90GemmFault, IsFound) {
  FA4_NEEDS_GEMM_COMPILER();
  const GemmFault& fault = gemm_faults()[GetParam()];
  const GemmKernel& kernel = fa4::test::gemm_kernels()[1];  // 4 stages, 2 CTAs
  const std::string ptx = gemm_ptx_with(kernel, fault.edits);
  GemmProblem problem(256, 512, 640, 3);
  const std::string right_ptx = fa4::test::gemm_ptx(kernel);
  gemm_on_machine(kernel, right_ptx, problem, 1, {.arch = 90, .numerics = Numerics::Fast});
  ASSERT_EQ(problem.mistake(), "");
  const std::vector<uint16_t> right = problem.c.bits;

  std::set<std::string> seen, policies;
  std::string first_report;
  for (const Policy policy : kAllPolicies) {
    const bool drawn = policy == Policy::Torn || policy == Policy::Random;
    for (uint64_t seed = 0; seed < (drawn ? 3u : 1u); ++seed) {
      MachineOptions options{
          .arch = 90, .policy = policy, .seed = seed, .numerics = Numerics::Fast};
      options.most_instructions = 1 << 24;  // a deadlock may be a loop
      const RunReport report = gemm_on_machine(kernel, ptx, problem, 1, options);
      std::set<std::string> signs;
      for (const Report& one : report.reports) signs.insert(one.code);
      if (problem.c.bits != right) signs.insert("spoiled");
      if (!signs.empty()) policies.insert(name_of(policy));
      if (first_report.empty() && !report.reports.empty()) {
        first_report = fmt::format("{}\n      repeat  policy {}, seed {}\n",
                                   report.reports.front().text, name_of(policy), seed);
      }
      seen.insert(signs.begin(), signs.end());
    }
  }
  if (std::getenv("FA4_FAULT_TABLE") != nullptr) {
    fmt::print("| {} | {} | {} |\n", fault.name, fmt::join(seen, ", "), fmt::join(policies, ", "));
  }
  if (std::getenv("FA4_FAULT_REPORTS") != nullptr)
    fmt::print("{}\n\n{}\n", fault.name, first_report);
  if (fault.signs.empty()) {
    EXPECT_TRUE(seen.empty()) << "it is found now: " << fmt::format("{}", fmt::join(seen, ", "));
    return;
  }
  EXPECT_FALSE(seen.empty()) << "it is not found";
  for (const std::string& sign : seen) {
    if (sign == "spoiled" && seen.size() > 1)
      continue;  // what is reported may spoil the result too
    EXPECT_TRUE(std::any_of(fault.signs.begin(), fault.signs.end(),
                            [&](const std::string& one) { return sign.starts_with(one); }))
        << sign << " is not among the signs that are expected\n"
        << first_report;
  }
}

INSTANTIATE_TEST_SUITE_P(, Sm90GemmFault, testing::Range<size_t>(0, gemm_faults().size()),
                         [](const auto& index) { return gemm_faults()[index.param].name; });

}  // namespace
}  // namespace fa4::emu::test
