// SPDX-License-Identifier: Apache-2.0
// The proof of the Blackwell forward: each wait, arrival, fence, commit and byte count of its PTX is needed, or it is
// written here why it may go. A sample; all by scripts/mutate-forward, whose page is
// docs/measurements/*-sm100-forward-mutants.md.
#include <gtest/gtest.h>

#include "abi/sm100_forward_storage.h"
#include "emu/gemm.h"
#include "emu/mutant_count.h"
#include "emu/sm100_forward_run.h"

namespace fa4::emu::test {
namespace {

const std::vector<ExplainedSurvivor>& forward_survivors() {
  static const std::vector<ExplainedSurvivor> survivors = {
      // What the machine does not see.
      {"deleted", "tcgen05.fence", "",
       "gap: the machine orders nothing by it and does not ask for it, because kernels that run on GPUs leave it out"},
      {"deleted", "bar.warp.sync", "",
       "gap: on the machine the lanes of a warp are in step, and its detector takes a warp for one thread; on a GPU the "
       "lane that speaks for all needs it"},
      {"deleted", "fence.mbarrier_init", "",
       "gap: the machine does not tell the proxies of an mbarrier apart"},
      {"deleted", "fence.proxy", "advance: ",
       "gap: it stands between reads and the next write of the asynchronous proxy; the machine asks for it behind writes only"},
      // What needs no notice.
      {"deleted", "tcgen05.wait::ld", "",
       "equivalent: each register of the load is used before anything is handed over, and a use waits for the load"},
      {"deleted", "tcgen05.relinquish", "",
       "equivalent: with 227 KB of SMEM the CTA is alone on its SM, and nobody else allocates"},
      {"", "mbarrier.try_wait", "loader.drain()*acquire()",
       "equivalent: commits signal in their order, so that the last slot's wait implies the others, as does o_full"},
      {"", "mbarrier.try_wait", "loader.drain()*kQEmpty",
       "equivalent: commits signal in their order, so that o_full, for which Correction has waited, implies it"},
      {"", "mbarrier.try_wait", "load_q: *kQEmpty",
       "equivalent: both commits stand together behind the last S of the tile, so that each wait implies the other; where "
       "O lies over Q, out_empty implies both"},
      {"", "mbarrier.try_wait", "load_last_v(tile, last)*acquire()",
       "equivalent: the slot's last reader came before the last S of the tile before, for which q_empty was waited"},
      {"another barrier", "mbarrier.try_wait", "load_q: *kOutEmpty",
       "equivalent: Store releases tile 1 behind tile 0"},
      {"another barrier", "mbarrier.try_wait", "d192*load_tile: load_k(tile, last)*kKvEmpty, 1",
       "equivalent: slot 2 holds the last V of the tile before, which is released behind the K of slot 1"},
      {"no wait", "mbarrier.try_wait", "d192*finish: *kOutEmpty",
       "equivalent: where O lies over Q, Load has waited for it before the Q of the tile whose o_full has come"},
      {"", "mbarrier.try_wait", "d192*run_tile: wait_for_slot()",
       "equivalent: S of the tile comes after its Q, that after O of the tile before has left, and that after Correction "
       "has read the row values"},
  };
  return survivors;
}

std::vector<std::string> forward_roles() {
  std::vector<std::string> roles;
  for (const sm100::forward::RoleRow& role : sm100::forward::kRoles) roles.emplace_back(role.name);
  return roles;
}

// Both problems run the same kernel; what the first has noticed the second need not see.
void count_forward(const ForwardKind& kind, size_t usual_step) {
  FA4_NEEDS_GEMM_COMPILER();
  Sm100ForwardRun dense(ForwardRows::Dense, kind), packed(ForwardRows::Packed, kind);
  const auto run = [&](const std::string& text, MachineOptions options) {
    if (kind.claims_tiles) options.resident = 1;  // the others have not begun and can be claimed
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
  expect_noticed(count_mutants({.name = dense.entry(0),
                                .ptx = dense.ptx()[0],
                                .arch = 100,
                                .run = run,
                                .usual_step = usual_step,
                                .roles = forward_roles(),
                                .most_times = 6,
                                .explained = &forward_survivors()}));
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
