// SPDX-License-Identifier: Apache-2.0
// Backend "reference" through the public API on 16 and 32 bit tensors of every troublesome kind: strides,
// poison, pages and types must not change what it gives for dense float64 copies. It also runs the judge.
#include <gtest/gtest.h>

#include "support/troublemakers.h"

namespace fa4::test {
namespace {

// A float32 lse of some hundreds is too coarse for P = exp(S - lse) with an exact S, so no backward there.
std::vector<Case> float32_inputs() {
  std::vector<Case> cases = structured_inputs(Dtype::Float32);
  for (Case& c : cases) c.backward = c.input != Input::HugeLogits;
  return cases;
}

class ReferenceBackend : public testing::TestWithParam<Case> {};

TEST_P(ReferenceBackend, MeetsTheAccuracyRule) {
  EXPECT_TRUE(run_and_judge(GetParam(), "reference", "double"));
}

INSTANTIATE_TEST_SUITE_P(Shapes, ReferenceBackend,
                         testing::ValuesIn(troublesome_shapes(Dtype::Float32)), CaseName());
INSTANTIATE_TEST_SUITE_P(FeaturesFp32, ReferenceBackend,
                         testing::ValuesIn(troublesome_features(Dtype::Float32)), CaseName());
INSTANTIATE_TEST_SUITE_P(FeaturesBf16, ReferenceBackend,
                         testing::ValuesIn(troublesome_features(Dtype::BFloat16)), CaseName());
INSTANTIATE_TEST_SUITE_P(InputsFp32, ReferenceBackend, testing::ValuesIn(float32_inputs()),
                         CaseName());
INSTANTIATE_TEST_SUITE_P(InputsBf16, ReferenceBackend,
                         testing::ValuesIn(structured_inputs(Dtype::BFloat16)), CaseName());
INSTANTIATE_TEST_SUITE_P(InputsFp16, ReferenceBackend,
                         testing::ValuesIn(structured_inputs(Dtype::Float16)), CaseName());

TEST(RunAndJudge, FailsForAKernelThatIsNotThere) {
  const testing::AssertionResult result =
      run_and_judge({.seq_q = 4, .seq_k = 4}, "reference", "sm100");
  ASSERT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("fa4_plan_create: "), std::string::npos)
      << result.message();
}

// plain in bfloat16 keeps the rule by definition, but not the bound on lse.
TEST(RunAndJudge, FailsForAnInaccurateBackendWithACommandThatRepeatsIt) {
  const Case c{.dtype = Dtype::BFloat16, .seq_q = 16, .seq_k = 40, .causal = true, .seed = 3};
  const testing::AssertionResult result = run_and_judge(c, "plain");
  ASSERT_FALSE(result);
  const std::string text = result.message();
  EXPECT_EQ(text.find("lse: error"), 0U) << text;
  EXPECT_NE(
      text.find("fa4 verify --backend plain --kernel auto --dtype bf16 --shape 1,1,1,16,40,64,64 "
                "--causal --seed 3"),
      std::string::npos)
      << text;
}

}  // namespace
}  // namespace fa4::test
