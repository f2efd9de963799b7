// SPDX-License-Identifier: Apache-2.0
// The proof of the Blackwell forward: each wait, arrival, fence, commit and byte count of its PTX is needed, or it is
// written here why it may go. A sample; all by scripts/mutate-forward, whose page is
// docs/measurements/*-sm100-forward-mutants.md.
#include <gtest/gtest.h>

#include "emu/gemm.h"
#include "emu/mutant_count.h"
#include "emu/sm100_forward_run.h"

namespace fa4::emu::test {
namespace {

const std::vector<ExplainedSurvivor>& forward_survivors() {
  static const std::vector<ExplainedSurvivor> survivors = {};
  return survivors;
}

// Both problems run the same kernel; what the first has noticed the second need not see.
void count_forward(const ForwardKind& kind, size_t usual_step) {
  FA4_NEEDS_GEMM_COMPILER();
  Sm100ForwardRun dense(ForwardRows::Dense, kind), packed(ForwardRows::Packed, kind);
  const auto run = [&](const std::string& text, const MachineOptions& options) {
    FamilyRun::Result result = dense.run({text}, options);
    bool reported = !result.finished;
    for (const Report& report : result.reports) reported |= report.level == Level::Error;
    if (reported) return result;
    FamilyRun::Result second = packed.run({text}, options);
    result.finished = second.finished;
    result.warp_instructions += second.warp_instructions;
    result.reports.insert(result.reports.end(), second.reports.begin(), second.reports.end());
    result.bytes.insert(result.bytes.end(), second.bytes.begin(), second.bytes.end());
    return result;
  };
  ASSERT_EQ(dense.ptx(), packed.ptx());
  expect_noticed(
      count_mutants({.name = dense.entry(0),
                     .ptx = dense.ptx()[0],
                     .arch = 100,
                     .run = run,
                     .usual_step = usual_step,
                     .most_times = 6,
                     .explained = forward_survivors().empty() ? nullptr : &forward_survivors()}));
}

TEST(Mutants, OfTheBlackwellForwardAreNoticed) { count_forward({}, 37); }
// Claims of tiles; O over Q and a ring of uneven slots.
TEST(Mutants, OfTheBlackwellForwardThatClaimsTilesAreNoticed) {
  count_forward({.claims_tiles = true}, 101);
}
TEST(Mutants, OfTheBlackwellForwardOfWideHeadsAreNoticed) {
  count_forward({.head_dim = 192, .value_dim = 128}, 101);
}

}  // namespace
}  // namespace fa4::emu::test
