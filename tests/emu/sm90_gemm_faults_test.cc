// SPDX-License-Identifier: Apache-2.0
// Faults in the Hopper GEMM. compute-sanitizer's racecheck reports none of the first three, and on an H200 two of them
// even give right results.
#include <gtest/gtest.h>

#include "emu/gemm_faults.h"

namespace fa4::emu::test {
namespace {

const std::vector<GemmFault>& sm90_gemm_faults() {
  static const std::string gemm = "sm90/gemm/", boxes = "tile/box_store.h";
  static const std::vector<GemmFault> faults = {
      {"AllWarpsInOneStoreBuffer",
       {{gemm + "mma.h", "smem.c[warp_idx]", "smem.c[0]"}},
       {"race", "spoiled"}},
      {"SlotReleasedBeforeItsWgmmaWasWaitedFor",
       {{gemm + "mma.h", "    ptx::wgmma_wait_group<1>();\n    ring.release(held_slot);",
         "    ring.release(held_slot);\n    ptx::wgmma_wait_group<1>();"}},
       {"race", "mbar", "deadlock", "spoiled"}},
      {"NoWarpBarrierBeforeTheStore",
       {{boxes, "    ptx::fence_proxy_async();\n    __syncwarp();\n",
         "    ptx::fence_proxy_async();\n"}},
       {"proxy"}},
      {"NoProxyFenceBeforeTheStore", {{boxes, "    ptx::fence_proxy_async();\n", ""}}, {"proxy"}},
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
       with_optional_waits(
           {{"tile/ring.h", "wait_and_step(full_)", "wait_and_step(full_, false)"}}),
       {"race", "mbar", "smem", "spoiled", "deadlock"}},
      {"NoWaitForTheLastWgmma",
       {{gemm + "mma.h", "  ptx::wgmma_wait_group<0>();\n", ""}},
       {"reg", "race", "spoiled", "wgmma"}},
      {"BufferOverwrittenWhileItIsStored",
       {{boxes, "wait_group_read<kBuffers - 1>()", "wait_group_read<kBuffers>()"}},
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
  expect_found(fa4::test::sm90_gemm_kernels()[1],  // 4 stages, 2 CTAs
               sm90_gemm_faults()[GetParam()], {256, 512, 640, 3});
}

INSTANTIATE_TEST_SUITE_P(, Sm90GemmFault, testing::Range<size_t>(0, sm90_gemm_faults().size()),
                         [](const auto& index) { return sm90_gemm_faults()[index.param].name; });

}  // namespace
}  // namespace fa4::emu::test
