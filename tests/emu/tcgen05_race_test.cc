// SPDX-License-Identifier: Apache-2.0
// Races about operands of tcgen05.mma are told to who reads what comes of them, and to nobody else; and the address of
// tcgen05.alloc behind a relaxed barrier.
#include <fmt/format.h>

#include "emu/cluster_programs.h"
#include "emu/tcgen05_ones.h"

namespace fa4::emu::test::tcgen05_order {

// Of the tile: a row of A, a column of B.
uint32_t place_of_row(uint32_t row) { return row / 8 * 128 + row % 8 * 16; }
uint32_t place_of_column(uint32_t column) { return 4096 + column * 16; }

std::string overwrite_at(uint32_t place) {
  return fmt::format("@%p2 st.shared.u32 [%r10+{}], %r12;\n", place);
}

// Column 0 of D, by warps 0 and 1.
const std::string kLoadTheUpperHalf =
    "setp.gt.u32 %p6, %r14, 1;\n@%p6 bra LOWER;\n" + kLoad + "LOWER:\n";

// A copy of 512 bytes to a place, and the wait for it.
std::string copy_to(uint32_t place) {
  return fmt::format(
      "@%p2 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r21], 512;\n"
      "add.s32 %r16, %r10, {};\n"
      "@%p2 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r16], [%rd1], 512, "
      "[%r21];\n",
      place);
}
const std::string kWaitForCopy =
    "{\n.reg .pred %q;\nAGAIN2:\nmbarrier.try_wait.parity.shared::cta.b64 %q, [%r21], 0;\n@!%q bra "
    "AGAIN2;\n}\nbar.sync 0;\n";

TEST(Tcgen05Race, RowsThatNobodyReadsMayBeOverwritten) {
  const auto with = [](uint32_t place, const std::string& load, const MachineOptions& options) {
    return multiply(kMma + kCommit + overwrite_at(place) + kWait + load, options);
  };
  for_all_schedules([&](const MachineOptions& options) {
    const Words lower = with(place_of_row(100), kLoadTheUpperHalf, options);
    EXPECT_EQ(lower.texts(), "");
    for (size_t i = 0; i < 64; ++i) EXPECT_EQ(lower.values[i], 0x41800000u) << i;
    EXPECT_TRUE(says(with(place_of_row(100), kLoad, options), "race.copy_pending",
                     {"tcgen05.mma", "is read here", "lanes [96, 112)"}));
    EXPECT_TRUE(with(place_of_row(3), kLoadTheUpperHalf, options).reported("race.copy_pending"));
    EXPECT_TRUE(with(place_of_column(0), kLoad, options).reported("race.copy_pending"));
    EXPECT_EQ(with(place_of_column(2), kLoad, options).texts(), "");  // nobody reads column 2
  });
}

// Who has read it cannot be told later, so that the one who overwrites it is.
TEST(Tcgen05Race, WhatHasBeenReadMayNotBeOverwritten) {
  const std::string other = "setp.ne.u32 %p7, %r1, 96;\n@!%p7 st.shared.u32 [%r10+48], %r12;\n";
  for_all_schedules([&](const MachineOptions& options) {
    // Warp 3 waits for nothing and comes last; it reads column 0 of its own lanes afterwards.
    const Words words =
        multiply(kMma + kCommit + "setp.eq.u32 %p6, %r14, 3;\n@%p6 bra LAST;\n" + kWait + kLoad +
                     "LAST:\n@!%p6 bra END;\nnanosleep.u32 1000;\n" + other + "END:\n",
                 options);
    EXPECT_GT(words.report.num_errors, 0u) << words.texts();
  });
}

TEST(Tcgen05Race, WhatIsOverwrittenIsNoLongerOfTheRace) {
  const std::string second =
      "@%p2 tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r21];\n";
  const auto with = [&](const std::string& mma) {
    return multiply(kMma + overwrite_at(place_of_row(3)) +
                    "fence.proxy.async;\nbar.warp.sync -1;\n" + mma + second + wait("%r21") +
                    kLoad);
  };
  EXPECT_EQ(with(kMma).texts(), "");
  EXPECT_TRUE(with(kMore).reported("race.copy_pending"));
}

TEST(Tcgen05Race, RowsUnderWayMayBeMultiplied) {
  const auto with = [](uint32_t place, const std::string& load, const MachineOptions& options) {
    return multiply(copy_to(place) + kMma + kCommit + kWait + load + kWaitForCopy, options);
  };
  for_all_schedules([&](const MachineOptions& options) {
    const Words lower = with(place_of_row(64), kLoadTheUpperHalf, options);
    EXPECT_EQ(lower.texts(), "");
    for (size_t i = 0; i < 64; ++i) EXPECT_EQ(lower.values[i], 0x41800000u) << i;
    EXPECT_GT(with(place_of_row(64), kLoad, options).report.num_errors, 0u);
    EXPECT_GT(with(place_of_row(32), kLoadTheUpperHalf, options).report.num_errors, 0u);
  });
}

// The address is written by tcgen05.alloc, or, for comparison, by a store over it.
Words read_address(const std::string& barrier, bool store, const MachineOptions& options) {
  std::string text = program(R"(
  .shared .align 16 .b32 where;
  setp.lt.u32 %p8, %r1, 32;
  mov.u32 %r40, where;
  @%p8 tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r40], 32;
)" + std::string(store ? "@%p8 st.shared.u32 [%r40], 0;\n" : "") +
                             barrier + R"(
  ld.shared.u32 %r41, [%r40];
  st.global.u32 [%rd2], %r41;
  bar.sync 0;
  @%p8 tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r41, 32;
)");
  text.replace(text.find("sm_80"), 5, "sm_100a");
  return run(text, {.threads = 64}, options, 64);
}

TEST(Tcgen05Race, TheAddressBehindARelaxedBarrierIsAWarning) {
  const std::string relaxed =
      "barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;\n";
  for_all_schedules(
      [&](const MachineOptions& options) {
        const Words words = read_address(relaxed, false, options);
        EXPECT_TRUE(says(words, "race.relaxed_barrier", {"order assumed", "tcgen05.alloc"}));
        EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
        EXPECT_EQ(read_address(kClusterSync, false, options).texts(), "");
        EXPECT_TRUE(read_address(relaxed, true, options).reported("race.write_vs_read"));
        EXPECT_GT(read_address("", false, options).report.num_errors, 0u);
      },
      100);
}

std::string collecting(const std::string& mma, const std::string& use) {
  std::string text = mma;
  return text.insert(text.find(" [%r23]"), ".collector::a::" + use);
}

TEST(Tcgen05Collector, WhatIsUsedHasBeenFilled) {
  const std::string fill = collecting(kMma, "fill"), use = collecting(kMore, "use"),
                    last = collecting(kMore, "lastuse"), rest = kCommit + kWait + kLoad;
  for_all_schedules([&](const MachineOptions& options) {
    const Words words = multiply(fill + use + last + fill + last + rest, options);
    EXPECT_EQ(words.texts(), "");
    EXPECT_TRUE(all_are(words, 32));
  });
  const auto reported = [&](const std::string& body, const char* why) {
    return says(multiply(body + rest), "tcgen05.collector", {"collector buffer", why});
  };
  EXPECT_TRUE(reported(collecting(kMma, "use"), "nothing has filled it"));
  EXPECT_TRUE(reported(fill + last + use, "may have emptied it"));
  EXPECT_TRUE(reported(fill + kMore + last, "may have emptied it"));  // no hint discards
  EXPECT_TRUE(reported(fill + collecting(kMore, "discard") + use, "may have emptied it"));
  EXPECT_TRUE(reported(fill + "mov.u64 %rd10, %rd11;\n" + use, "holds another A"));
}

}  // namespace fa4::emu::test::tcgen05_order
