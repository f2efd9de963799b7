// SPDX-License-Identifier: Apache-2.0
// Faults in the Blackwell GEMM: those of the Hopper GEMM as they look here, and what can go wrong with tensor memory and
// with a pair of CTAs.
#include <gtest/gtest.h>

#include "emu/gemm_faults.h"

namespace fa4::emu::test {
namespace {

// Gives FullSlots a form that does not wait, and makes it the base of MmaRing or ConsumerRing: `base` in its constructor.
std::vector<SourceEdit> without_waits(SourceEdit base, const std::string& user) {
  static const std::string ring = "tile/ring.h";
  return with_optional_waits({{ring, "template <u32 kStages>\nclass FullSlots",
                               "template <u32 kStages, bool kWaits = true>\nclass FullSlots"},
                              {ring, "wait_and_step(full_)", "wait_and_step(full_, kWaits)"},
                              {ring, "class " + user + " : public FullSlots<kStages>",
                               "class " + user + " : public FullSlots<kStages, false>"},
                              std::move(base)});
}

const std::vector<GemmFault>& sm100_gemm_faults() {
  static const std::string gemm = "sm100/gemm/", boxes = "tile/box_store.h";
  static const std::vector<GemmFault> faults = {
      {"AllWarpsInOneStoreBuffer",
       {{gemm + "store.h", "smem.c[warp_idx]", "smem.c[0]"}},
       {"race", "spoiled"}},
      {"NoWarpBarrierBeforeTheStore",
       {{boxes, "    ptx::fence_proxy_async();\n    __syncwarp();\n",
         "    ptx::fence_proxy_async();\n"}},
       {"proxy"}},
      {"NoProxyFenceBeforeTheStore", {{boxes, "    ptx::fence_proxy_async();\n", ""}}, {"proxy"}},
      {"BufferOverwrittenWhileItIsStored",
       {{boxes, "wait_group_read<kBuffers - 1>()", "wait_group_read<kBuffers>()"}},
       {"race", "spoiled"}},
      {"SlotReleasedBeforeItsMmas",
       {{gemm + "mma.h", "k == 0);\n      commit<config>(ring.empty(slot), place.writers_mask());",
         "k == 0);"},
        {gemm + "mma.h", "slot = ring.acquire();",
         "slot = ring.acquire();\n      commit<config>(ring.empty(slot), place.writers_mask());"}},
       {"race", "spoiled", "smem"}},
      {"LastSlotIsNotReleased",
       {{gemm + "mma.h", "      commit<config>(ring.empty(slot)",
         "      if (k + kBlockK < p.k) commit<config>(ring.empty(slot)"}},
       {"deadlock"}},
      {"TooManyBytesExpected",
       {{gemm + "load.h", "config.cta_group * slot_bytes(config))",
         "config.cta_group * slot_bytes(config) + 128)"}},
       {"deadlock", "mbar"}},
      {"TooFewBytesExpected",
       {{gemm + "load.h", "config.cta_group * slot_bytes(config))",
         "config.cta_group * slot_bytes(config) - 8192)"}},
       {"race", "mbar", "smem", "deadlock", "spoiled"}},
      {"BytesOfOneCtaExpected",
       {{gemm + "load.h", "config.cta_group * slot_bytes(config))", "slot_bytes(config))"}},
       {"race", "mbar", "smem", "deadlock", "spoiled"}},
      {"BytesCountedInEachCta",
       {{gemm + "load.h", "full = ptx::pair_leader(full)", "full = full"}},
       {"deadlock", "mbar"}},
      {"NoWaitForTheSlot",
       without_waits({"tile/ring.h", "FullSlots<kStages>(full), empty_",
                      "FullSlots<kStages, false>(full), empty_"},
                     "MmaRing"),
       {"race", "smem", "mbar", "spoiled", "deadlock"}},
      {"NoWaitForTheHalf",
       without_waits({"tile/ring.h", "FullSlots<kStages>(full),\n        signals_",
                      "FullSlots<kStages, false>(full),\n        signals_"},
                     "ConsumerRing"),
       {"tmem", "race", "mbar", "spoiled", "deadlock"}},
      {"HalfOverwrittenBeforeItIsRead",
       with_optional_waits(
           {{"tile/ring.h", "wait_and_step(empty_)", "wait_and_step(empty_, kStages != 2)"}}),
       {"tmem", "race", "mbar", "spoiled"}},
      {"HalfReleasedBeforeItIsRead",
       {{gemm + "store.h", "if (box == kBlockN / kStoreCols - 1) {", "if (box == 0) {"}},
       {"tmem", "race", "spoiled"}},
      {"HalfReleasedBeforeTheLoadsAreDone",
       {{gemm + "store.h", "      ptx::tcgen05_wait_ld();\n      ptx::hold(row);\n", ""}},
       {"tmem", "race", "spoiled"}},
      {"HalfGivenToStoreBeforeTheLastMma",
       {{gemm + "mma.h", "    commit<config>(halves.full(half), place.pair_mask());\n", ""},
        {gemm + "mma.h", "      multiply_slot<config>(",
         "      if (k + kBlockK >= p.k) commit<config>(halves.full(half), place.pair_mask());\n"
         "      multiply_slot<config>("}},
       {"tmem", "race", "spoiled"}},
      {"OddCtaIsNotTold", {{gemm + "mma.h", "place.writers_mask()", "u16{1}"}}, {"deadlock"}},
      {"OddCtaMultipliesToo",
       {{gemm + "kernel.h", "ptx::cluster_ctarank() % config.cta_group == 0", "true"}},
       {"deadlock", "tmem", "race", "mbar", "spoiled", "smem"}},
      {"QuarterOfAnotherWarp",
       {{gemm + "store.h", "(warp_row_ << 16)", "((warp_row_ ^ 32) << 16)"}},
       {"tmem"}},
      {"FirstMmaAdds", {{gemm + "mma.h", "!is_first || k > 0", "true"}}, {"tmem", "spoiled"}},
      {"AddressReadBeforeTheBarrier",
       {{gemm + "kernel.h", "  sync_cluster();\n  const u32 tmem = smem.tmem;",
         "  const u32 tmem = smem.tmem;\n  sync_cluster();"}},
       {"race", "smem", "tmem", "unwritten"}},
      {"TmemIsNotFreed",
       {{gemm + "kernel.h",
         "  if (kMma.has(warp_idx)) ptx::tcgen05_dealloc<config.cta_group>(tmem, kTileColumns);\n",
         ""}},
       {"tmem"}},
      {"TmemFreedByTheEvenCta",
       {{gemm + "kernel.h", "  if (kMma.has(warp_idx)) ptx::tcgen05_dealloc",
         "  if (kMma.has(warp_idx) && ptx::cluster_ctarank() == 0) ptx::tcgen05_dealloc"}},
       {"tmem", "deadlock"}},
      {"NobodyWaitsForPeersAtTheEnd",
       {{gemm + "kernel.h", "before all are done.\n  sync_cluster();", "before all are done."}},
       {"smem.peer_exited", "mbar", "tmem", "deadlock"}},
      // Commits of a thread signal in their order: that of the accumulators, which the peers wait for, is the last.
      {"LoadLeavesBeforeTheLastCommits", {{gemm + "load.h", "  ring.drain();\n", ""}}, {}},
  };
  return faults;
}

class Sm100GemmFault : public testing::TestWithParam<size_t> {};

TEST_P(Sm100GemmFault, IsFound) {
  FA4_NEEDS_GEMM_COMPILER();
  expect_found(fa4::test::sm100_gemm_kernels()[3],  // a pair, 6 stages
               sm100_gemm_faults()[GetParam()], {256, 768, 448, 3});
}

INSTANTIATE_TEST_SUITE_P(, Sm100GemmFault, testing::Range<size_t>(0, sm100_gemm_faults().size()),
                         [](const auto& index) { return sm100_gemm_faults()[index.param].name; });

}  // namespace
}  // namespace fa4::emu::test
