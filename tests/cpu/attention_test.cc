// SPDX-License-Identifier: Apache-2.0
// Every kernel of the CPU backend that runs here against double precision.
#include <cmath>
#include <vector>

#include "kernels.h"
#include "support/case.h"
#include "support/troublemakers.h"

namespace fa4::test {
namespace {

class CpuKernel : public testing::TestWithParam<KernelAndDtype> {
 protected:
  void judge_all(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
      EXPECT_TRUE(run_and_judge(c, "cpu", GetParam().kernel)) << name_of(c);
    }
  }
};

TEST_P(CpuKernel, MeetsTheAccuracyRuleOnTroublesomeShapes) {
  judge_all(troublesome_shapes(GetParam().dtype));
}

TEST_P(CpuKernel, MeetsTheAccuracyRuleOnEveryFeature) {
  judge_all(troublesome_features(GetParam().dtype));
}

TEST_P(CpuKernel, MeetsTheAccuracyRuleOnStructuredInputs) {
  judge_all(structured_inputs(GetParam().dtype));
}

// Few rows take the decode kernel; long keys make it split and combine.
TEST_P(CpuKernel, MergesSplitsOfTheKeys) {
  std::vector<Case> cases;
  for (const int64_t rows : {1, 3, 16, 17, 200}) {
    for (const bool causal : {false, true}) {
      for (const int32_t num_splits : {0, 1, 3}) {
        cases.push_back({.dtype = GetParam().dtype,
                         .heads = 2,
                         .kv_heads = 1,
                         .seq_q = rows,
                         .seq_k = 2500,
                         .head_dim = 40,
                         .causal = causal,
                         .window_left = rows == 3 ? 700 : -1,
                         .softcap = rows == 16 ? 20.0 : 0.0,
                         .sink = rows == 17,
                         .backward = false,
                         .num_splits = num_splits});
      }
    }
  }
  judge_all(cases);
}

// A row whose scores are Inf or NaN is NaN, and no other row notices.
TEST_P(CpuKernel, KeepsInfiniteAndNotANumberInTheirRow) {
  for (const int64_t seq_q : {2, 70}) {
    const Case c{.dtype = GetParam().dtype, .seq_q = seq_q, .seq_k = 600, .backward = false};
    Inputs inputs = make_inputs(c);
    const Outputs expected = run(c, inputs, "cpu", GetParam().kernel);
    const double large = GetParam().dtype == Dtype::Float16 ? INFINITY : 3e38;
    for (const double bad : {large, static_cast<double>(NAN)}) {
      for (int64_t d = 0; d < c.head_dim; ++d) inputs.q.set(d, bad);
      const Outputs outputs = run(c, inputs, "cpu", GetParam().kernel);
      EXPECT_EQ(outputs.failure, "");
      for (int64_t d = 0; d < c.head_dim; ++d) EXPECT_TRUE(std::isnan(outputs.out.get(d)));
      for (int64_t i = c.head_dim; i < outputs.out.size(); ++i) {
        ASSERT_EQ(outputs.out.get(i), expected.out.get(i)) << "element " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, CpuKernel, testing::ValuesIn(kernels_here()), kernel_name);

}  // namespace
}  // namespace fa4::test
