// SPDX-License-Identifier: Apache-2.0
// emurun with a program that was built without nvcc.
#include "command.h"

namespace fa4::emurun {
namespace {

using Emurun = EmurunTest;

void expect_right(const Answer& answer, const std::string& out = "") {
  EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_EQ(answer.out, out);
  EXPECT_EQ(answer.err, "");
}

TEST_F(Emurun, WithoutItTheProgramHasAnotherRuntime) {
  const Answer answer = shell("'" FA4_EMURUN_PROGRAM "' plain");
  EXPECT_EQ(answer.exit, 99);
  EXPECT_TRUE(holds(answer.err, "the other runtime was called: __cudaRegisterFatBinary"));
}

TEST_F(Emurun, RunsFatBinariesOfEveryKind) {
  for (const char* mode : {"plain", "lz4", "zstd"}) {
    expect_right(program(mode), "right, by the PTX for 80\n");
  }
}

TEST_F(Emurun, TakesTheHighestPtxThatTheArchitectureRuns) {
  expect_right(program("many"), "right, by the PTX for 90\n");
  expect_right(program("many", "--arch sm_90a"), "right, by the PTX for 90\n");
  expect_right(program("many", "--arch=sm_86"), "right, by the PTX for 80\n");
}

TEST_F(Emurun, GivesTheSameUnderEveryPolicy) {
  for (const char* policy : {"eager", "lazy", "reverse", "torn", "random"}) {
    expect_right(program("plain", std::string("--seed 3 --policy ") + policy),
                 "right, by the PTX for 80\n");
  }
}

TEST_F(Emurun, GivesDynamicSharedMemoryWhenItIsAskedFor) {
  for (const char* policy : {"eager", "lazy", "reverse", "torn", "random"}) {
    const Answer answer =
        program("shared", std::string("--threads 1 --numerics fast --policy ") + policy);
    EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
    EXPECT_TRUE(holds(answer.err, "MaxDynamicSharedMemorySize is 49152")) << answer.err;
  }
}

TEST_F(Emurun, ReplaysCapturedStreams) { expect_right(program("graph")); }

TEST_F(Emurun, HandsOutTheDriver) {
  const Answer answer = program("driver");
  EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_TRUE(holds(answer.err, "cuNoSuchFunction is asked for, and is not served")) << answer.err;
}

TEST_F(Emurun, AnswersWithTheProgramsOwnCode) {
  EXPECT_EQ(program("code 3").exit, 3);
  EXPECT_EQ(program("code 0").exit, 0);
  EXPECT_EQ(program("abort").exit, 128 + 6);
  EXPECT_EQ(program("nonsense").exit, 2);
}

TEST_F(Emurun, TakesTheProgramWithItWhenItIsEnded) {
  const Answer answer = shell("timeout 1 '" FA4_EMURUN "' '" FA4_EMURUN_PROGRAM
                              "' sleep; sleep 0.2; cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
  EXPECT_FALSE(holds(answer.out, FA4_EMURUN_PROGRAM " sleep")) << answer.out;
}

TEST_F(Emurun, AnswersWith86WhenTheMachineReports) {
  const Answer answer = program("bounds", "--report report.txt");
  EXPECT_EQ(answer.exit, 86) << answer.out << answer.err;
  EXPECT_EQ(answer.out, "invalid argument\n");
  EXPECT_EQ(answer.err.find("out of bounds: "), 0u) << answer.err;
  EXPECT_TRUE(holds(answer.err, "nearest is cudaMalloc #")) << answer.err;
  EXPECT_TRUE(holds(answer.err, "in    add, grid (4, 1, 1), block (256, 1, 1), launch 1"))
      << answer.err;
  EXPECT_TRUE(holds(answer.err, "errors in 1 launch\n")) << answer.err;
  const std::string report = read_text(path("report.txt"));
  EXPECT_TRUE(holds(report, "warp instructions")) << report;
}

TEST_F(Emurun, RefusesWithCodesAndSentences) {
  const Answer answer = program("refusals");
  EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_TRUE(holds(answer.err, "cudaMallocArray is called, and is not served")) << answer.err;
  EXPECT_TRUE(holds(answer.err, "add is launched with block (2048, 1, 1)")) << answer.err;
}

TEST_F(Emurun, PoisonsMemoryAndGuardsIt) {
  const Answer answer = program("poison");
  EXPECT_EQ(answer.exit, 86) << answer.out << answer.err;
  EXPECT_TRUE(holds(answer.err, "the program itself has written outside cudaMalloc #1, 256 bytes"))
      << answer.err;
}

TEST_F(Emurun, ServesACubinByAnotherPtx) {
  Answer answer = program("cubin");
  EXPECT_EQ(answer.exit, 86) << answer.out << answer.err;
  EXPECT_EQ(answer.out, "launch: 209\n");
  EXPECT_TRUE(holds(answer.err, "holds a cubin for sm_90, and no PTX that sm_90 runs"))
      << answer.err;
  ASSERT_EQ(shell("mkdir ptx && '" FA4_EMURUN "' '" FA4_EMURUN_PROGRAM "' ptx").exit, 0);
  std::filesystem::copy_file(path("stdout"), path("ptx/kernels.ptx"));
  expect_right(program("cubin-add", "--ptx ptx"), "right, by the PTX for 80\n");
  expect_right(program("cubin-add", "--ptx ptx/kernels.ptx"), "right, by the PTX for 80\n");
}

TEST_F(Emurun, RefusesABadCommandLine) {
  const auto refused = [&](const std::string& words, const std::string& sentence) {
    const Answer answer = emurun(words);
    EXPECT_EQ(answer.exit, 2) << words;
    EXPECT_TRUE(holds(answer.err, sentence)) << answer.err;
  };
  refused("", "no PROGRAM is named");
  refused("--policy odd true", "policy is \"odd\"");
  refused("--numerics odd true", "numerics is \"odd\"");
  refused("--arch sm_70 true", "--arch is sm_70");
  refused("--seed -1 true", "--seed is -1");
  refused("--ptx nowhere true", "--ptx is nowhere, which is not there");
  refused("--speed 3 true", "--speed is no option");
  EXPECT_EQ(emurun("./nowhere").exit, 127);
  EXPECT_EQ(emurun("--help").exit, 0);
}

}  // namespace
}  // namespace fa4::emurun
