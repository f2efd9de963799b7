// SPDX-License-Identifier: Apache-2.0
// emurun with programs that nvcc has built, where there is nvcc.
#include "command.h"

namespace fa4::emurun {
namespace {

class CudaProgram : public EmurunTest {
 protected:
  void SetUp() override {
    EmurunTest::SetUp();
#ifndef FA4_EMURUN_CUDA_FOLDER
    GTEST_SKIP() << "needs nvcc, which is not here: programs that it builds are not run";
#endif
  }

  Answer run(const std::string& name, const std::string& options = "") const {
#ifdef FA4_EMURUN_CUDA_FOLDER
    return emurun(options + " '" FA4_EMURUN_CUDA_FOLDER "/" + name + "'");
#else
    return emurun(options + name);
#endif
  }

  void expect_right(const std::string& name) const {
    for (const char* policy : {"eager", "lazy", "reverse", "torn", "random"}) {
      const Answer answer = run(name, std::string("--policy ") + policy);
      EXPECT_EQ(answer.exit, 0) << policy << "\n" << answer.out << answer.err;
      EXPECT_EQ(answer.out, "right\n") << policy;
      EXPECT_EQ(answer.err, "") << policy;
    }
  }
};

TEST_F(CudaProgram, Basics) { expect_right("basics"); }
TEST_F(CudaProgram, Queries) { expect_right("queries"); }

TEST_F(CudaProgram, Clusters) {
  if (holds(run("clusters").err, "unknown form: barrier.cluster")) {
    GTEST_SKIP() << "this machine has no barrier of a cluster";
  }
  expect_right("clusters");
}

TEST_F(CudaProgram, PrintsInOrder) {
  const Answer answer = run("prints");
  EXPECT_EQ(answer.exit, 3) << answer.err;
  EXPECT_EQ(answer.out, "before\nblock 0 of 2: 1.5\nblock 1 of 2: 1.5\nafter\n");
}

TEST_F(CudaProgram, RaceIsReported) {
  const Answer answer = run("race");
  EXPECT_EQ(answer.exit, 86) << answer.out << answer.err;
  EXPECT_TRUE(holds(answer.err, "race: ")) << answer.err;
}

}  // namespace
}  // namespace fa4::emurun
