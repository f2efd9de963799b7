// SPDX-License-Identifier: Apache-2.0
// tcgen05.mma and commit in time: what must be waited for, which operations come in order, and what is refused. The assembler,
// where there is one, accepts the programs.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "emu/tcgen05_ones.h"
#include "emu/tcgen05_programs.h"

// Tests are compiled as one file: these names are its own.
namespace fa4::emu::test::tcgen05_order {

TEST(Tcgen05Order, AccumulatesInOrderUnderEveryPolicy) {
  for (const Policy policy : kAllPolicies) {
    for (uint64_t seed = 1; seed < 4; ++seed) {
      const Words words = multiply(kMma + kMore + kMore + kCommit + kWait + kLoad,
                                   {.policy = policy, .seed = seed});
      EXPECT_EQ(words.texts(), "") << name_of(policy);
      EXPECT_TRUE(all_are(words, 48)) << name_of(policy);
    }
  }
}

TEST(Tcgen05Order, DIsWaitedFor) {
  for (const Policy policy : kAllPolicies) {
    const Words words =
        multiply(kMma + kCommit + "bar.sync 0;\n" + kLoad + kWait, {.policy = policy});
    EXPECT_TRUE(says(words, "tmem.in_flight", {"tcgen05.mma.cta_group::1"})) << name_of(policy);
  }
  const Words values = multiply(kMma + kCommit + "bar.sync 0;\n" + kLoad + kWait,
                                {.policy = Policy::Reverse, .checks = false});
  EXPECT_FALSE(all_are(values, 16));
}

// A commit tells of what was issued before it, and of nothing else.
TEST(Tcgen05Order, ACommitBeforeTheMultiplicationTellsNothing) {
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(kCommit + kMma + kWait + kLoad, {.policy = policy});
    EXPECT_TRUE(words.reported("tmem.in_flight")) << name_of(policy) << words.texts();
  }
}

TEST(Tcgen05Order, ACommitWithNothingOutstandingArrives) {
  for (const Policy policy : kAllPolicies) {
    const Words words =
        multiply(kCommit + kWait + "st.global.b32 [%rd2], 0;\n", {.policy = policy});
    EXPECT_EQ(words.texts(), "");
  }
}

// A later commit tells of all before it, too.
TEST(Tcgen05Order, TheLaterOfTwoCommitsTellsOfAll) {
  const std::string second =
      "@%p2 tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r21];\n";
  for (const Policy policy : kAllPolicies) {
    const Words words =
        multiply(kMma + kCommit + second + wait("%r21") + kLoad, {.policy = policy, .seed = 5});
    EXPECT_EQ(words.texts(), "") << name_of(policy);
    EXPECT_TRUE(all_are(words, 16));
  }
}

TEST(Tcgen05Order, AThreadThatDidNotIssueItTellsNothing) {
  std::string other = kCommit;
  other.replace(other.find("%p2"), 3, "%p4");
  const std::string one = "setp.eq.u32 %p4, %r1, 1;\n";
  for (const Policy policy : {Policy::Lazy, Policy::Random, Policy::Torn}) {
    const Words words = multiply(one + kMma + "bar.sync 0;\n" + other + kWait + kLoad,
                                 {.policy = policy, .seed = 2});
    EXPECT_TRUE(words.reported("tmem.in_flight")) << name_of(policy) << words.texts();
  }
}

TEST(Tcgen05Order, SourcesAreReadUntilTheCommitIsKnown) {
  const std::string overwrite = "mov.u32 %r11, tile;\nst.shared.u32 [%r11], 0;\n";
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(kMma + kCommit + "bar.sync 0;\n@%p2 bra ON;\nbra OVER;\nON:\n" +
                                     overwrite + "OVER:\n" + kWait + kLoad,
                                 {.policy = policy});
    EXPECT_TRUE(words.reported("race.copy_pending")) << name_of(policy) << words.texts();
    const Words right = multiply(kMma + kCommit + kWait + kLoad +
                                     "bar.sync 0;\n@%p2 bra ON;\nbra "
                                     "OVER;\nON:\n" +
                                     overwrite + "OVER:\n",
                                 {.policy = policy});
    EXPECT_EQ(right.texts(), "") << name_of(policy);
  }
}

TEST(Tcgen05Order, OperandsAreFenced) {
  const Words words = multiply("mov.u32 %r11, tile;\n@%p2 st.shared.u32 [%r11], %r12;\n" + kMma +
                               kCommit + kWait + kLoad);
  EXPECT_TRUE(words.reported("proxy.unfenced")) << words.texts();
}

// Another accumulator that overlaps is made in order, as kernels assume, and the manual's silence is told.
TEST(Tcgen05Order, AnotherShapeIsNotPipelined) {
  const std::string wider =
      "mov.u32 %idesc, 0x04020490;\n@%p2 tcgen05.mma.cta_group::1.kind::f16 [%r23], %rd10, %rd11, "
      "%idesc, 1;\n";
  for (const Policy policy : kAllPolicies) {
    const Words words = multiply(kMma + wider + kCommit + kWait + kLoad, {.policy = policy});
    EXPECT_TRUE(says(words, "tmem.pipe_order", {"order assumed"})) << words.texts();
    EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
  }
}

TEST(Tcgen05Order, AnAccumulatorHasAValue) {
  const Words words = multiply(kMore + kCommit + kWait + kLoad);
  EXPECT_TRUE(says(words, "tmem.uninit", {"D"})) << words.texts();
}

TEST(Tcgen05Order, DescriptorsAreChecked) {
  const auto faulty = [](const std::string& before) {
    return multiply(before + kMma + kCommit + kWait);
  };
  EXPECT_TRUE(faulty("or.b64 %rd10, %rd10, 0x8000;\n").reported("desc.reserved"));
  EXPECT_TRUE(faulty("and.b64 %rd11, %rd11, 0xffffbfffffffffff;\n").reported("desc.version"));
  EXPECT_TRUE(says(faulty("or.b64 %rd11, %rd11, 0x3fff;\n"), "desc.bounds", {"B, of 8 columns"}));
  EXPECT_TRUE(faulty("or.b32 %idesc, %idesc, 4;\n").reported("idesc.sparse"));
  EXPECT_TRUE(faulty("mov.u32 %idesc, 0x10020490;\n").reported("idesc.shape"));
  EXPECT_TRUE(faulty("add.s32 %r23, %r23, 0x100000;\n").reported("tmem.lane"));
  EXPECT_TRUE(faulty("add.s32 %r23, %r23, 60;\n").reported("tmem.freed"));
}

TEST(Tcgen05Order, APairNeedsAPeer) {
  std::string pair = kMma;
  pair.replace(pair.find("cta_group::1"), 12, "cta_group::2");
  EXPECT_TRUE(says(multiply(pair), "tcgen05.no_peer", {"pairs of CTAs"}));
}

std::string refusal(const std::string& instruction) {
  try {
    multiply(instruction + "\n");
  } catch (const MachineError& error) {
    return error.what();
  }
  return "";
}

TEST(Tcgen05Forms, WhatIsNotServedStops) {
  const std::string rest = " [%r23], %rd10, %rd11, %idesc, 0;";
  for (const std::string& form :
       {"tcgen05.mma.cta_group::1.kind::i8" + rest, "tcgen05.mma.ws.cta_group::1.kind::f16" + rest,
        std::string(
            "tcgen05.mma.sp.cta_group::1.kind::f16 [%r23], %rd10, %rd11, [%r24], %idesc, 0;"),
        std::string("tcgen05.mma.cta_group::1.kind::mxf8f6f4.block_scale [%r23], %rd10, %rd11, "
                    "%idesc, [%r24], [%r24], 0;"),
        "tcgen05.mma.cta_group::1.kind::f16.ashift.collector::a::fill" + rest}) {
    EXPECT_NE(refusal(form).find("unknown form"), std::string::npos) << form << refusal(form);
  }
  const auto refused = [&](const std::string& text, const char* part) {
    EXPECT_NE(refusal(text).find(part), std::string::npos) << refusal(text);
  };
  refused("tcgen05.mma.cta_group::1.kind::f16.ashift" + rest, "A in tensor memory");
  refused("tcgen05.mma.cta_group::1.kind::f8f6f4 [%r23], %rd10, %rd11, %idesc, 0, 3;",
          "no scale-input-d");
  refused("tcgen05.mma.cta_group::1.kind::f16 [%r23], %rd10, %rd11, %idesc, 0, 16;", "0 to 15");
  refused("tcgen05.mma.cta_group::1.kind::f16 [%r23], %rd10, %rd11, %idesc, 2;", "0 or 1");
  refused(
      "tcgen05.mma.cta_group::2.kind::f16 [%r23], %rd10, %rd11, %idesc, {%r1, %r1, %r1, %r1}, 0;",
      "a vector of 8 registers");
  MachineOptions hopper;
  hopper.arch = 90;
  EXPECT_THROW(run(text_of(kMma), {0}, {}, hopper), MachineError);
}

bool assembles(const std::string& text, const std::string& arch) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / fmt::format("fa4-tcgen05-{}", ::getpid());
  fs::create_directories(folder);
  std::ofstream(folder / "program.ptx") << text;
  const std::string command = "ptxas -arch=" + arch + " " + (folder / "program.ptx").string() +
                              " -o " + (folder / "program.cubin").string() + " 2>" +
                              (folder / "log").string();
  const bool done = std::system(command.c_str()) == 0;
  if (!done) {
    std::ifstream log(folder / "log");
    ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(log), {}).substr(0, 500);
  }
  fs::remove_all(folder);
  return done;
}

TEST(Tcgen05Forms, TheAssemblerAcceptsThem) {
  if (std::system("ptxas --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no ptxas";
  for (const std::string& arch : {std::string("sm_100a"), std::string("sm_103a")}) {
    for (const uint32_t group : {1u, 2u}) {
      MmaProgram program;
      program.arch = arch;
      program.group = group;
      const std::string base = "cta_group::" + std::to_string(group) + ".kind::";
      program.form = base + "f8f6f4.collector::a::lastuse";
      program.masked = true;
      EXPECT_TRUE(assembles(mma_program(program), arch));
      program.form = base + "tf32.ashift.collector::a::discard";
      program.tensor_a = true;
      program.shift = ", 3";
      EXPECT_TRUE(assembles(mma_program(program), arch));
      program.form = base + "f16.collector::a::use";
      program.masked = false;
      EXPECT_TRUE(assembles(mma_program(program), arch));
    }
    EXPECT_TRUE(assembles(text_of(kMma + kMore + kCommit + kWait + kLoad), "sm_100a"));
  }
}

}  // namespace fa4::emu::test::tcgen05_order
