// SPDX-License-Identifier: Apache-2.0
// The accuracy rule. `reference` is double precision, `low` the plain algorithm with every intermediate
// rounded to the input's type, ulp 2^-8 (bfloat16), 2^-11 (float16) or 2^-22 (float32):
//
//   max|x - reference| <= 2   * max|low - reference| + ulp * max|reference|
//   rms(x - reference) <= 1.5 * rms(low - reference) + ulp * rms(reference)
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/dtype.h"

namespace fa4::test {

struct Judged {
  std::string name;  // "dq"
  Dtype dtype;       // of the inputs
  std::vector<int64_t> shape;
  std::vector<double> actual, reference, low;
  double allowance = 0;  // added to both bounds, for what the rule has nothing to scale with
};

double ulp_of(Dtype dtype);

testing::AssertionResult judge(const Judged& judged);

// |error| <= tolerance * max(1, |lse|), always; -inf only where the reference has it. Shapes as in lse.
constexpr double kLseTolerance = 2e-5;
constexpr double kLseToleranceDegree3 = 2e-4;  // where part of the exp2 is a degree-3 polynomial
testing::AssertionResult judge_lse(const std::vector<int64_t>& shape,
                                   const std::vector<double>& actual,
                                   const std::vector<double>& reference,
                                   double tolerance = kLseTolerance);

}  // namespace fa4::test
