// SPDX-License-Identifier: Apache-2.0
// Merging of partial results: worked numbers, splits that saw nothing, and against a forward over all keys.
#include <gtest/gtest.h>

#include <cmath>

#include "core_problem.h"
#include "support/not_finite.h"

namespace fa4::test {
namespace {

// One row and head in float32; the result is {out, lse}.
std::vector<double> combine_scalars(std::vector<float> outs, std::vector<float> lses) {
  float out = NAN, lse = NAN;
  const reference::PartialResults partial{.out = {.data = outs.data()},
                                          .lse = {.data = lses.data()},
                                          .out_split_stride = 1,
                                          .lse_split_stride = 1,
                                          .splits = static_cast<int64_t>(outs.size())};
  reference::combine(partial, {.out = {.data = &out}, .lse = {.data = &lse}, .has_lse = true}, 1, 1,
                     1, 1);
  return {static_cast<double>(out), static_cast<double>(lse)};
}

TEST(Combine, WeighsByTheDenominators) {
  const auto merged = combine_scalars({4, 8}, {0, std::log(3.0F)});
  EXPECT_NEAR(merged[0], 7, 1e-6);
  EXPECT_NEAR(merged[1], std::log(4), 1e-6);
}

TEST(Combine, IgnoresWhatSawNoKey) {
  const auto merged = combine_scalars({NAN, 5, INFINITY}, {-INFINITY, 2, -INFINITY});
  EXPECT_EQ(merged[0], 5);
  EXPECT_EQ(merged[1], 2);
}

TEST(Combine, OfNothingIsZeroAndMinusInfinity) {
  EXPECT_EQ(combine_scalars({NAN, 3}, {-INFINITY, -INFINITY}),
            (std::vector<double>{0, -kInfinity}));
  EXPECT_EQ(combine_scalars({}, {}), (std::vector<double>{0, -kInfinity}));
}

TEST(Combine, SurvivesHugeLogits) {
  const auto merged = combine_scalars({1, 3}, {20000, 20000});
  EXPECT_EQ(merged[0], 2);
  EXPECT_NEAR(merged[1], 20000 + std::log(2), 1e-2);
}

TEST(Combine, OfHalvesIsTheWhole) {
  Case whole{.dtype = Dtype::Float64,
             .batch = 2,
             .heads = 3,
             .kv_heads = 3,
             .seq_q = 4,
             .seq_k = 10,
             .head_dim = 5};
  Inputs inputs = make_inputs(whole);
  const Outputs expected = forward(reference::reference_backend(), whole, inputs);

  Case half = whole;  // keys 0 to 4, then 5 to 9
  half.seq_k = 5;
  Tensor outs(Dtype::Float64, {2, 2, 4, 3, 5}), lses(Dtype::Float64, {2, 2, 3, 4});
  const int64_t row_size = 3 * 5;
  for (int64_t split = 0; split < 2; ++split) {
    Inputs part = make_inputs(half);
    for (int64_t e = 0; e < inputs.q.size(); ++e) part.q.set(e, inputs.q.get(e));
    for (int64_t e = 0; e < part.k.size(); ++e) {
      const int64_t batch = e / (5 * row_size), within = e % (5 * row_size);
      const int64_t source = (batch * 10 + split * 5) * row_size + within;
      part.k.set(e, inputs.k.get(source));
      part.v.set(e, inputs.v.get(source));
    }
    const Outputs partial = forward(reference::reference_backend(), half, part);
    for (int64_t e = 0; e < partial.out.size(); ++e) {
      outs.set(split * partial.out.size() + e, partial.out.get(e));
    }
    for (int64_t e = 0; e < partial.lse.size(); ++e) {
      lses.set(split * partial.lse.size() + e, partial.lse.get(e));
    }
  }

  Tensor out(Dtype::Float64, {2, 4, 3, 5}), lse(Dtype::Float64, {2, 3, 4});
  reference::PartialResults partial{.out = rows_view(out),
                                    .lse = lse_view(lse),
                                    .out_split_stride = out.size(),
                                    .lse_split_stride = lse.size(),
                                    .splits = 2};
  partial.out.data = data_of(*outs.dl());
  partial.lse.data = data_of(*lses.dl());
  reference::combine(partial, {rows_view(out), lse_view(lse), true}, 2, 4, 3, 5);
  for (int64_t e = 0; e < out.size(); ++e) EXPECT_NEAR(out.get(e), expected.out.get(e), 1e-14);
  for (int64_t e = 0; e < lse.size(); ++e) EXPECT_NEAR(lse.get(e), expected.lse.get(e), 1e-14);
}

}  // namespace
}  // namespace fa4::test
