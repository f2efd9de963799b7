// SPDX-License-Identifier: Apache-2.0
// The reference's forward against cases small enough to compute by hand. Scores are chosen as logarithms,
// so that probabilities are simple fractions: q = 1, scale 1 and keys 0 and log 3 give 1/4 and 3/4.
#include <gtest/gtest.h>

#include <cmath>

#include "core_problem.h"
#include "support/not_finite.h"

namespace fa4::test {
namespace {

const double kLog3 = std::log(3.0);

// One head and one dimension in float64, scale 1: rows are numbers.
Case scalar_case(int64_t seq_q, int64_t seq_k) {
  Case c;
  c.dtype = Dtype::Float64;
  c.seq_q = seq_q;
  c.seq_k = seq_k;
  c.head_dim = 1;
  c.scale = 1;
  return c;
}

void set_values(Tensor* tensor, const std::vector<double>& values) {
  ASSERT_EQ(tensor->size(), static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) tensor->set(static_cast<int64_t>(i), values[i]);
}

Inputs with_values(const Case& c, const std::vector<double>& q, const std::vector<double>& k,
                   const std::vector<double>& v) {
  Inputs inputs = make_inputs(c);
  set_values(&inputs.q, q);
  set_values(&inputs.k, k);
  set_values(&inputs.v, v);
  return inputs;
}

void expect_values(const Tensor& tensor, const std::vector<double>& expected) {
  ASSERT_EQ(tensor.size(), static_cast<int64_t>(expected.size()));
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (std::isinf(expected[i])) {
      EXPECT_EQ(tensor.get(i), expected[i]) << "element " << i;
    } else {
      EXPECT_NEAR(tensor.get(i), expected[i], 1e-14) << "element " << i;
    }
  }
}

void expect_forward(const Case& c, Inputs& inputs, const std::vector<double>& out,
                    const std::vector<double>& lse) {
  const Outputs outputs = forward(reference::reference_backend(), c, inputs);
  expect_values(outputs.out, out);
  expect_values(outputs.lse, lse);
}

TEST(ReferenceForward, TwoKeys) {
  const Case c = scalar_case(1, 2);
  Inputs inputs = with_values(c, {1}, {0, kLog3}, {4, 8});
  expect_forward(c, inputs, {4 * 0.25 + 8 * 0.75}, {std::log(4)});
}

TEST(ReferenceForward, DefaultScaleIsOneOverTheRootOfTheHeadDim) {
  Case c = scalar_case(1, 2);
  c.head_dim = 4;
  c.value_dim = 1;
  c.scale = NAN;
  Inputs inputs = with_values(c, {1, 1, 1, 1}, {0, 0, 0, 0, kLog3, kLog3, 0, 0}, {4, 8});
  expect_forward(c, inputs, {7}, {std::log(4)});
}

TEST(ReferenceForward, NegativeAndZeroScale) {
  Case c = scalar_case(1, 2);
  Inputs inputs = with_values(c, {1}, {0, kLog3}, {4, 8});
  c.scale = -1;  // probabilities 3/4 and 1/4
  expect_forward(c, inputs, {5}, {std::log(4.0 / 3)});
  c.scale = 0;
  expect_forward(c, inputs, {6}, {std::log(2)});
}

TEST(ReferenceForward, SinkJoinsTheDenominatorOnly) {
  Case c = scalar_case(1, 2);
  c.sink = true;
  Inputs inputs = with_values(c, {1}, {0, kLog3}, {4, 8});
  inputs.sink.set(0, std::log(4));  // 1 + 3 + 4 = 8
  expect_forward(c, inputs, {4 * 0.125 + 8 * 0.375}, {std::log(8)});
  inputs.sink.set(0, -kInfinity);  // as if there were none
  expect_forward(c, inputs, {7}, {std::log(4)});
}

TEST(ReferenceForward, SoftcapBendsTheScores) {
  Case c = scalar_case(1, 2);
  c.softcap = 2;  // 2 * tanh(2 * atanh(log(3) / 2) / 2) = log 3
  Inputs inputs = with_values(c, {1}, {0, 2 * std::atanh(kLog3 / 2)}, {4, 8});
  expect_forward(c, inputs, {7}, {std::log(4)});
}

TEST(ReferenceForward, CausalIsAlignedToTheBottomRight) {
  Case c = scalar_case(3, 2);
  c.causal = true;
  Inputs inputs = with_values(c, {1, 1, 1}, {0, kLog3}, {4, 8});
  expect_forward(c, inputs, {0, 4, 7}, {-kInfinity, 0, std::log(4)});
  c.sink = true;  // the row that sees no key has the sink for itself
  inputs.sink = Tensor(Dtype::Float64, {1});
  inputs.sink.set(0, 0);
  expect_forward(c, inputs, {0, 2, 4.0 / 5 + 8 * 3.0 / 5}, {0, std::log(2), std::log(5)});
}

TEST(ReferenceForward, WindowBoundsAreInclusive) {
  Case c = scalar_case(
      3, 5);  // row i stands at key i + 2; scores are 0, so out is the mean of the visible
  c.window_left = 1;
  c.window_right = 1;
  Inputs inputs = with_values(c, {0, 0, 0}, {1, 2, 3, 4, 5}, {1, 2, 4, 8, 16});
  expect_forward(c, inputs, {14.0 / 3, 28.0 / 3, 12}, {std::log(3), std::log(3), std::log(2)});
  c.window_left = -1;  // open to the left
  c.window_right = 0;
  expect_forward(c, inputs, {7.0 / 3, 15.0 / 4, 31.0 / 5}, {std::log(3), std::log(4), std::log(5)});
}

TEST(ReferenceForward, QueryHeadsShareTheKeysOfTheirGroup) {
  Case c = scalar_case(1, 1);
  c.heads = 4;
  c.kv_heads = 2;
  Inputs inputs = with_values(c, {1, 2, 3, 4}, {5, 6}, {10, 20});
  expect_forward(c, inputs, {10, 10, 20, 20}, {5, 10, 18, 24});
}

TEST(ReferenceForward, LengthsShortenAndMoveTheDiagonal) {
  Case c = scalar_case(3, 3);
  c.causal = c.query_lengths = c.key_lengths = true;
  c.lengths_q = {2};
  c.lengths_k = {1};  // row 1 stands at key 0, row 0 before it, row 2 is beyond the length
  Inputs inputs = make_inputs(c);
  inputs.q.set(1, 1);
  inputs.k.set(0, 7);
  inputs.v.set(0, 9);
  expect_forward(c, inputs, {0, 9, 0}, {-kInfinity, 7, -kInfinity});
}

TEST(ReferenceForward, PackedSequencesSeeOnlyTheirOwnKeys) {
  Case c = scalar_case(2, 2);
  c.batch = 3;
  c.packed = true;
  c.lengths_q = {1, 0, 2};
  c.lengths_k = {2, 1, 1};
  Inputs inputs = make_inputs(c);  // one row of no sequence before and two after
  const std::vector<double> keys = {0, kLog3, 100, 5}, values = {4, 8, 100, 6};
  for (int64_t row = 0; row < 3; ++row) inputs.q.set(1 + row, 1);
  for (int64_t row = 0; row < 4; ++row) {
    inputs.k.set(1 + row, keys[row]);
    inputs.v.set(1 + row, values[row]);
  }
  expect_forward(c, inputs, {0, 7, 6, 6, 0, 0},
                 {-kInfinity, std::log(4), 5, 5, -kInfinity, -kInfinity});
}

TEST(ReferenceForward, PagesAreFollowed) {
  Case c = scalar_case(1, 3);
  c.batch = 2;
  c.page_size = 2;
  c.lengths_k = {3, 2};
  Inputs inputs = make_inputs(c);
  const int64_t table[] = {4, 0, 2};  // sequence 1 has one page: the rest of its row is not read
  for (int64_t i = 0; i < 3; ++i) inputs.page_table.set(i, static_cast<double>(table[i]));
  inputs.k = Tensor(Dtype::Float64, {6, 2, 1, 1});
  inputs.v = Tensor(Dtype::Float64, {6, 2, 1, 1});
  const int64_t rows[] = {8, 9, 0, 4, 5};  // of the pages, in the order of the sequences
  const double values[] = {1, 2, 6, 10, 20};
  for (int64_t i = 0; i < 5; ++i) {
    inputs.k.set(rows[i], 1);
    inputs.v.set(rows[i], values[i]);
  }
  inputs.q.fill(0);
  expect_forward(c, inputs, {3, 15}, {std::log(3), std::log(2)});
}

TEST(ReferenceForward, NoKeysAtAll) {
  const Case c = scalar_case(2, 0);
  Inputs inputs = make_inputs(c);
  expect_forward(c, inputs, {0, 0}, {-kInfinity, -kInfinity});
}

}  // namespace
}  // namespace fa4::test
