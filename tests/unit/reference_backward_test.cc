// SPDX-License-Identifier: Apache-2.0
// The reference's gradients: worked numbers, then every element against finite differences in float64 of
// L = sum(out * dout) + sum(lse * dlse).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core_problem.h"

namespace fa4::test {
namespace {

const Backend& kReference = reference::reference_backend();

TEST(ReferenceBackward, TwoKeys) {
  Case c{
      .dtype = Dtype::Float64, .seq_k = 2, .head_dim = 1, .scale = 1, .sink = true, .dlse = true};
  Inputs inputs = make_inputs(c);
  inputs.q.set(0, 1);
  inputs.k.set(0, 0);
  inputs.k.set(1, std::log(3));
  inputs.v.set(0, 4);
  inputs.v.set(1, 8);
  inputs.sink.set(0, std::log(4));  // probabilities 1/8, 3/8 and 1/2 for the sink; out = 3.5
  inputs.dout.set(0, 2);
  inputs.dlse.set(0, 3);
  Outputs outputs = forward(kReference, c, inputs);
  backward(kReference, c, inputs, &outputs);

  const double delta = 2 * 3.5 - 3;  // D = rowsum(dout * out) - dlse
  const double ds0 = 1.0 / 8 * (2 * 4 - delta), ds1 = 3.0 / 8 * (2 * 8 - delta);
  EXPECT_NEAR(outputs.dq.get(0), ds1 * std::log(3), 1e-14);
  EXPECT_NEAR(outputs.dk.get(0), ds0, 1e-14);
  EXPECT_NEAR(outputs.dk.get(1), ds1, 1e-14);
  EXPECT_NEAR(outputs.dv.get(0), 2.0 / 8, 1e-14);
  EXPECT_NEAR(outputs.dv.get(1), 2 * 3.0 / 8, 1e-14);
  EXPECT_NEAR(outputs.dsink.get(0), -0.5 * delta, 1e-14);
}

// Sum over rows that are there; a row whose lse is -inf has no gradient.
double loss(const Case& c, Inputs& inputs) {
  const Outputs outputs = forward(kReference, c, inputs);
  const int64_t row_size = outputs.out.size() / static_cast<int64_t>(inputs.q_position.size());
  double sum = 0;
  for (int64_t e = 0; e < outputs.out.size(); ++e) {
    if (inputs.q_position[e / row_size] >= 0) sum += outputs.out.get(e) * inputs.dout.get(e);
  }
  for (int64_t e = 0; c.dlse && e < outputs.lse.size(); ++e) {
    if (std::isfinite(outputs.lse.get(e))) sum += outputs.lse.get(e) * inputs.dlse.get(e);
  }
  return sum;
}

// Compares the gradient with the central difference of every element that is set.
void expect_gradient(const char* name, const Case& c, Inputs& inputs, Tensor* input,
                     const Tensor& gradient) {
  constexpr double kStep = 1e-5;
  for (int64_t e = 0; e < input->size(); ++e) {
    const double value = input->get(e);
    if (!std::isfinite(value)) {  // poisoned: a row that takes part in nothing
      EXPECT_EQ(gradient.get(e), 0) << name << " element " << e;
      continue;
    }
    input->set(e, value + kStep);
    const double above = loss(c, inputs);
    input->set(e, value - kStep);
    const double below = loss(c, inputs);
    input->set(e, value);
    EXPECT_NEAR(gradient.get(e), (above - below) / (2 * kStep), 2e-8) << name << " element " << e;
  }
}

class ReferenceGradient : public testing::TestWithParam<Case> {};

TEST_P(ReferenceGradient, IsTheFiniteDifference) {
  const Case& c = GetParam();
  Inputs inputs = make_inputs(c);
  Outputs outputs = forward(kReference, c, inputs);
  backward(kReference, c, inputs, &outputs);
  expect_gradient("dq", c, inputs, &inputs.q, outputs.dq);
  expect_gradient("dk", c, inputs, &inputs.k, outputs.dk);
  expect_gradient("dv", c, inputs, &inputs.v, outputs.dv);
  if (c.sink) expect_gradient("dsink", c, inputs, &inputs.sink, outputs.dsink);
}

std::vector<Case> gradient_cases() {
  std::vector<Case> cases;
  const auto with = [&cases](auto&& change) {
    Case c{.dtype = Dtype::Float64,
           .batch = 2,
           .heads = 2,
           .kv_heads = 2,
           .seq_q = 3,
           .seq_k = 5,
           .head_dim = 3,
           .value_dim = 2};
    change(c);
    c.seed = cases.size() + 1;
    cases.push_back(c);
  };
  with([](Case&) {});
  with([](Case& c) { c.causal = true; });
  with([](Case& c) { c.causal = true, c.seq_q = 5, c.seq_k = 3, c.dlse = c.sink = true; });
  with([](Case& c) { c.window_left = 1, c.window_right = 1; });
  with([](Case& c) { c.softcap = 0.7; });
  with([](Case& c) { c.scale = -0.4; });
  with([](Case& c) { c.scale = 0; });
  with([](Case& c) { c.dlse = true; });
  with([](Case& c) { c.sink = true; });
  with([](Case& c) { c.heads = 4, c.layout = Layout::Odd; });
  with([](Case& c) { c.heads = 3, c.kv_heads = 1, c.layout = Layout::HeadsFirst; });
  with([](Case& c) { c.packed = true, c.lengths_q = {4, 2}, c.lengths_k = {1, 3}; });
  with([](Case& c) {
    c.packed = true, c.batch = 3, c.lengths_q = {0, 1, 2}, c.lengths_k = {2, 0, 3};
  });
  with([](Case& c) {
    c.query_lengths = c.key_lengths = true, c.lengths_q = {2, 3}, c.lengths_k = {4, 1};
  });
  with([](Case& c) {  // all at once
    c.packed = c.causal = c.dlse = c.sink = true;
    c.heads = 4, c.softcap = 1.3, c.window_left = 2;
    c.lengths_q = {3, 5}, c.lengths_k = {4, 2};
  });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Features, ReferenceGradient, testing::ValuesIn(gradient_cases()),
                         CaseName());

TEST(ReferenceBackward, IsBitEqualForAnyNumberOfThreads) {
  Case c{.dtype = Dtype::Float32,
         .batch = 3,
         .heads = 4,
         .kv_heads = 2,
         .seq_q = 20,
         .seq_k = 30,
         .head_dim = 8,
         .sink = true};
  Inputs inputs = make_inputs(c);
  c.num_threads = 1;
  Outputs one = forward(kReference, c, inputs);
  backward(kReference, c, inputs, &one);
  for (const int threads : {2, 5, 11}) {
    c.num_threads = threads;
    Outputs many = forward(kReference, c, inputs);
    backward(kReference, c, inputs, &many);
    EXPECT_TRUE(bit_equal(one.out, many.out) && bit_equal(one.lse, many.lse)) << threads;
    EXPECT_TRUE(bit_equal(one.dq, many.dq) && bit_equal(one.dk, many.dk) &&
                bit_equal(one.dv, many.dv) && bit_equal(one.dsink, many.dsink))
        << threads;
  }
}

TEST(ReferenceSupports, RefusesWithTheReason) {
  Case c{.page_size = 4};
  Inputs inputs = make_inputs(c);
  Problem problem = core_problem(c, inputs);
  EXPECT_TRUE(kReference.supports(problem, Pass::Forward, "double").ok());
  EXPECT_EQ(kReference.supports(problem, Pass::Backward, "double").message,
            "page_table is given; backend \"reference\" serves paged keys in the forward only");
  problem.num_splits = 3;
  EXPECT_EQ(kReference.supports(problem, Pass::Forward, "double").message,
            "num_splits is 3; backend \"reference\" does not split the keys: 0 or 1");
  problem.num_splits = 0;
  problem.q.dtype = Dtype::Float64;
  EXPECT_TRUE(kReference.supports(problem, Pass::Forward, "double").ok());
  EXPECT_EQ(reference::plain_backend().supports(problem, Pass::Forward, "rounded").message,
            "q is float64; backend \"plain\" takes float32, bfloat16 and float16");
}

}  // namespace
}  // namespace fa4::test
