// SPDX-License-Identifier: Apache-2.0
// The accuracy rule at its limits.
#include "fa4/judge.h"

#include "gtest/gtest.h"
#include "support/not_finite.h"

namespace fa4::cli {
namespace {

using test::kInfinity;
using test::kNan;

Sample sample_of(std::vector<double> candidate, std::vector<double> reference,
                 std::vector<double> low) {
  return {"out",         false, ElementType::Float32, std::move(candidate), std::move(reference),
          std::move(low)};
}

bool passes(const Sample& sample) { return judge(sample, ElementType::Float32).passed; }

TEST(Judge, AllowsTwiceTheErrorOfThePlainAlgorithm) {
  EXPECT_TRUE(passes(sample_of({1.0, 0.019, 0, 0}, {1.0, 0.0, 0, 0}, {1.01, 0.01, 0.01, 0.01})));
  EXPECT_FALSE(passes(sample_of({1.0, 0.021, 0, 0}, {1.0, 0.0, 0, 0}, {1.01, 0.01, 0.01, 0.01})));
}

TEST(Judge, AllowsOneAndAHalfTimesTheRms) {
  EXPECT_TRUE(passes(sample_of({0.014, 0.014}, {0, 0}, {0.01, 0.01})));
  EXPECT_FALSE(passes(sample_of({0.016, 0.016}, {0, 0}, {0.01, 0.01})));
}

TEST(Judge, AllowsAnUlpOfTheLargest) {
  EXPECT_TRUE(passes(sample_of({8 + 0x1p-20, 1}, {8, 1}, {8, 1})));
  EXPECT_FALSE(passes(sample_of({8 + 0x1p-18, 1}, {8, 1}, {8, 1})));
}

TEST(Judge, NeverAllowsNanOrInfinity) {
  EXPECT_FALSE(passes(sample_of({kNan}, {1}, {1.5})));
  EXPECT_FALSE(passes(sample_of({kInfinity}, {1}, {1.5})));
  EXPECT_FALSE(passes(sample_of({1.5}, {1}, {kNan})));
  EXPECT_TRUE(passes(sample_of({kInfinity}, {1e40}, {kInfinity})));
  EXPECT_FALSE(passes(sample_of({-kInfinity}, {1e40}, {kInfinity})));
}

TEST(Judge, LseIsJudgedByItself) {
  Sample lse = sample_of({-kInfinity, 100.001, 0.00001}, {-kInfinity, 100, 0}, {0, 0, 0});
  lse.is_lse = true;
  EXPECT_TRUE(passes(lse));
  lse.candidate[1] = 100.003;
  EXPECT_FALSE(passes(lse));
  EXPECT_EQ(judge(lse, ElementType::Float32).first_bad, 1);
  lse.candidate = {-1e30, 100, 0};
  EXPECT_FALSE(passes(lse));
}

TEST(Judge, FurtherDrawsRaiseTheYardstick) {
  const Sample lucky = sample_of({1.01}, {1}, {1});
  EXPECT_FALSE(judge(lucky, ElementType::Float32).passed);
  EXPECT_TRUE(judge(lucky, ElementType::Float32, {sample_of({}, {2}, {2.01})}).passed);
  EXPECT_FALSE(judge(lucky, ElementType::Float32, {sample_of({}, {2}, {2.001})}).passed);
}

TEST(Judge, ShowsTheNeighboursOfABadElement) {
  const std::string text =
      show_neighbours(sample_of({1, 2, 3, 4}, {1, 2, 9, 4}, {1, 2, 9, 4}), {2, 2}, 2);
  EXPECT_NE(text.find("out[1, 0], elements 0..1"), std::string::npos) << text;
  EXPECT_NE(text.find("3*"), std::string::npos) << text;
}

}  // namespace
}  // namespace fa4::cli
