// SPDX-License-Identifier: Apache-2.0
#include "emu/gemm_faults.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "emu/programs.h"

namespace fa4::emu::test {

using fa4::test::GemmKernel;
using fa4::test::GemmProblem;

std::vector<SourceEdit> with_optional_waits(std::vector<SourceEdit> edits) {
  edits.insert(edits.begin(), {{"tile/ring.h", "wait_and_step(u32 barriers) {",
                                "wait_and_step(u32 barriers, bool waits = true) {"},
                               {"tile/ring.h", "    wait_for_phase(barriers",
                                "    if (waits) wait_for_phase(barriers"}});
  return edits;
}

void expect_found(const GemmKernel& kernel, const GemmFault& fault, GemmProblem problem) {
  const std::string ptx = ptx_with(kernel.spec, kernel.target(), fault.edits);
  const std::string right_ptx = fa4::test::gemm_ptx(kernel);
  gemm_on_machine(kernel, right_ptx, problem, 1, {.numerics = Numerics::Fast});
  ASSERT_EQ(problem.mistake(), "");
  const std::vector<uint16_t> right = problem.c.bits;

  std::set<std::string> seen, policies;
  std::string first_report;
  for (const Policy policy : kAllPolicies) {
    const bool drawn = policy == Policy::Torn || policy == Policy::Random;
    for (uint64_t seed = 0; seed < (drawn ? 3u : 1u); ++seed) {
      MachineOptions options{.policy = policy, .seed = seed, .numerics = Numerics::Fast};
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

}  // namespace fa4::emu::test
