// SPDX-License-Identifier: Apache-2.0
// The yardstick itself: plain's error against the reference is of the size that rounding to the input's
// type gives, neither exact nor sloppy.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core_problem.h"

namespace fa4::test {
namespace {

double relative_rms(const Tensor& actual, const Tensor& exact) {
  double errors = 0, squares = 0;
  for (int64_t e = 0; e < actual.size(); ++e) {
    errors += std::pow(actual.get(e) - exact.get(e), 2);
    squares += std::pow(exact.get(e), 2);
  }
  return std::sqrt(errors / squares);
}

class Plain : public testing::TestWithParam<Dtype> {};

TEST_P(Plain, ErrsByTheRoundingOfItsType) {
  const Case c{.dtype = GetParam(),
               .batch = 2,
               .heads = 4,
               .kv_heads = 2,
               .seq_q = 40,
               .seq_k = 90,
               .head_dim = 32,
               .causal = true,
               .sink = true,
               .dlse = true};
  Inputs inputs = make_inputs(c);
  Outputs low = forward(reference::plain_backend(), c, inputs);
  backward(reference::plain_backend(), c, inputs, &low);

  Case exact_case = c;
  exact_case.dtype = Dtype::Float64;
  Inputs exact_inputs = inputs;
  for (Tensor* tensor : {&exact_inputs.q, &exact_inputs.k, &exact_inputs.v, &exact_inputs.dout,
                         &exact_inputs.dlse, &exact_inputs.sink}) {
    *tensor = to_float64(*tensor);
  }
  Outputs exact = forward(reference::reference_backend(), exact_case, exact_inputs);
  backward(reference::reference_backend(), exact_case, exact_inputs, &exact);

  const double ulp = ulp_of(c.dtype);
  for (const auto& [actual, expected] :
       {std::pair{&low.out, &exact.out}, std::pair{&low.dq, &exact.dq},
        std::pair{&low.dk, &exact.dk}, std::pair{&low.dv, &exact.dv}}) {
    const double error = relative_rms(*actual, *expected);
    EXPECT_GT(error, ulp / 8);
    EXPECT_LT(error, ulp * 4);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Plain,
                         testing::Values(Dtype::Float32, Dtype::BFloat16, Dtype::Float16),
                         [](const auto& info) { return fa4::name_of(info.param); });

TEST(Plain, RoundsTheProbabilities) {
  // Scores 0 and log 2; log 2 in bfloat16 is 0.69140625. P is 0.3337 and 0.6663, in bfloat16 171/512 and
  // 171/256, so out = 256 * (171/512 - 171/256) = -85.5. Without rounding P it is -85.14, which is -85.
  Case c{.dtype = Dtype::BFloat16, .seq_k = 2, .head_dim = 1, .scale = 1};
  Inputs inputs = make_inputs(c);
  inputs.q.set(0, 1);
  inputs.k.set(0, 0);
  inputs.k.set(1, std::log(2));
  inputs.v.set(0, 256);
  inputs.v.set(1, -256);
  const Outputs outputs = forward(reference::plain_backend(), c, inputs);
  EXPECT_EQ(inputs.k.get(1), 0.69140625);
  EXPECT_EQ(outputs.out.get(0), -85.5);
}

}  // namespace
}  // namespace fa4::test
