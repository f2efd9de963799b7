// SPDX-License-Identifier: Apache-2.0
// NaN and Inf in the inputs of the Blackwell forward: they reach the rows that see them and no other, wherever the exponential of
// a key is computed.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "emu/gemm.h"
#include "support/case.h"

namespace fa4::test {
namespace {

constexpr int64_t kNanQuery = 5;
// Keys of the second block: of a column that the FMA units compute, and of one of the exponential unit.
constexpr int64_t kFmaKey = 128 + 45, kUnitKey = 128 + 3;

Case nan_case(bool causal) {
  return {.dtype = Dtype::BFloat16,
          .seq_q = 130,
          .seq_k = 300,
          .head_dim = 64,
          .causal = causal,
          .backward = false,
          .lse_tolerance = kLseToleranceDegree3};
}

// Rows are NaN, with their LSE, exactly where the reference's are; the others have the bits that they have without it.
void expect_not_finite_as_reference(const Case& c, Inputs& inputs, const Outputs& before,
                                    const std::string& backend) {
  const Outputs outputs = run(c, inputs, backend, "sm100");
  ASSERT_EQ(outputs.failure, "");
  const Outputs reference = run(c, inputs, "reference");
  ASSERT_EQ(reference.failure, "");
  int64_t spoilt = 0;
  for (int64_t i = 0; i < outputs.out.size(); ++i) {
    if (std::isfinite(reference.out.get(i))) {
      ASSERT_EQ(outputs.out.get(i), before.out.get(i)) << "element " << i;
    } else {
      ASSERT_TRUE(std::isnan(outputs.out.get(i))) << "element " << i;
      ++spoilt;
    }
  }
  EXPECT_GT(spoilt, 0);
  for (int64_t i = 0; i < outputs.lse.size(); ++i) {
    ASSERT_EQ(std::isnan(outputs.lse.get(i)), std::isnan(reference.lse.get(i))) << "row " << i;
  }
}

void fill_row(Tensor& tensor, int64_t row, double value) {
  const int64_t dim = tensor.shape().back();
  for (int64_t d = 0; d < dim; ++d) tensor.set(row * dim + d, value);
}

class Sm100ForwardNan : public testing::TestWithParam<const char*> {};

TEST_P(Sm100ForwardNan, OfAQueryStaysInItsRow) {
  FA4_NEEDS_GEMM_COMPILER();
  const Case c = nan_case(false);
  Inputs inputs = make_inputs(c);
  const Outputs before = run(c, inputs, GetParam(), "sm100");
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    fill_row(inputs.q, kNanQuery, bad);
    expect_not_finite_as_reference(c, inputs, before, GetParam());
  }
}

TEST_P(Sm100ForwardNan, OfAKeyReachesTheRowsThatSeeIt) {
  FA4_NEEDS_GEMM_COMPILER();
  const Case c = nan_case(true);
  for (const int64_t key : {kFmaKey, kUnitKey}) {
    Inputs inputs = make_inputs(c);
    const Outputs before = run(c, inputs, GetParam(), "sm100");
    // One element, so that a score of inf has the sign of q there: rows of -inf do not notice the key.
    inputs.k.set(key * c.head_dim + 7, INFINITY);
    const Outputs outputs = run(c, inputs, GetParam(), "sm100");
    ASSERT_EQ(outputs.failure, "");
    for (int64_t i = 0; i < c.seq_q; ++i) {
      const bool sees = key <= i + c.seq_k - c.seq_q;
      const bool spoilt = sees && !(inputs.q.get(i * c.head_dim + 7) < 0);
      for (int64_t d = 0; d < c.head_dim; ++d) {
        const double value = outputs.out.get(i * c.head_dim + d);
        ASSERT_EQ(std::isnan(value), spoilt) << "key " << key << ", row " << i;
      }
      ASSERT_EQ(std::isnan(outputs.lse.get(i)), spoilt) << "key " << key << ", row " << i;
    }
    fill_row(inputs.k, key, NAN);
    expect_not_finite_as_reference(c, inputs, before, GetParam());
  }
}

// With a sink that is -inf there is nothing but the row to say it.
TEST_P(Sm100ForwardNan, OfAValueReachesItsColumn) {
  FA4_NEEDS_GEMM_COMPILER();
  Case c = nan_case(false);
  c.sink = true;
  Inputs inputs = make_inputs(c);
  inputs.sink.fill(-INFINITY);
  const Outputs before = run(c, inputs, GetParam(), "sm100");
  inputs.v.set(kFmaKey * c.head_dim + 9, NAN);
  inputs.v.set(kUnitKey * c.head_dim + 11, -INFINITY);
  const Outputs outputs = run(c, inputs, GetParam(), "sm100");
  ASSERT_EQ(outputs.failure, "");
  for (int64_t i = 0; i < c.seq_q; ++i) {
    for (int64_t d = 0; d < c.head_dim; ++d) {
      const double value = outputs.out.get(i * c.head_dim + d);
      if (d == 9) {
        ASSERT_TRUE(std::isnan(value)) << "row " << i;
      } else if (d == 11) {
        ASSERT_EQ(value, -INFINITY) << "row " << i;
      } else {
        ASSERT_EQ(value, before.out.get(i * c.head_dim + d)) << "row " << i;
      }
    }
  }
  EXPECT_TRUE(bit_equal(outputs.lse, before.lse));
  fill_row(inputs.q, kNanQuery, NAN);
  inputs.v = make_inputs(c).v;
  expect_not_finite_as_reference(c, inputs, before, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Devices, Sm100ForwardNan,
                         testing::Values("emulated:sm_100a", "emulated:sm_103a"),
                         [](const auto& info) { return std::string(info.param).substr(9); });

}  // namespace
}  // namespace fa4::test
