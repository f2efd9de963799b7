// SPDX-License-Identifier: Apache-2.0
#include "plan/roofline.h"

#include <gtest/gtest.h>

#include <map>

#include "device/models.h"

namespace fa4::plan {
namespace {

Problem of_dims(int64_t head_dim, int64_t value_dim) {
  Problem problem;
  problem.head_dim = head_dim;
  problem.value_dim = value_dim;
  problem.q.dtype = problem.k.dtype = problem.v.dtype = Dtype::BFloat16;
  return problem;
}

const DeviceFacts& facts_of(const char* arch) { return device::find_model(arch)->facts; }

std::map<std::string, double> cycles_of(const Roofline& roofline) {
  return {roofline.cycles.begin(), roofline.cycles.end()};
}

struct Published {
  int64_t head_dim, value_dim;
  double mma, shared_memory;
};

class RooflinePublished : public testing::TestWithParam<Published> {};

// 1024, 768 and 1024 for D 128 are table 1 of "FlashAttention-4"; the others follow from its formulas.
TEST_P(RooflinePublished, GivesTheCycles) {
  const Published& row = GetParam();
  const auto made =
      roofline(of_dims(row.head_dim, row.value_dim), Pass::Forward, facts_of("sm_100a"));
  ASSERT_TRUE(made);
  auto cycles = cycles_of(*made);
  EXPECT_EQ(cycles["mma"], row.mma);
  EXPECT_EQ(cycles["shared_memory"], row.shared_memory);
  EXPECT_EQ(cycles["exponential"], 1024);
  EXPECT_EQ(made->query_rows, 128);
  EXPECT_EQ(made->key_rows, 128);
}

INSTANTIATE_TEST_SUITE_P(HeadDims, RooflinePublished,
                         testing::Values(Published{64, 64, 512, 384}, Published{96, 96, 768, 576},
                                         Published{128, 128, 1024, 768},
                                         Published{192, 128, 1280, 1024},
                                         Published{256, 256, 2048, 1536}));

TEST(Roofline, NamesWhatBounds) {
  using Units = std::vector<std::string>;
  const DeviceFacts& b200 = facts_of("sm_100a");
  EXPECT_EQ(roofline(of_dims(64, 64), Pass::Forward, b200)->bound, Units{"exponential"});
  EXPECT_EQ(roofline(of_dims(128, 128), Pass::Forward, b200)->bound, (Units{"mma", "exponential"}));
  EXPECT_EQ(roofline(of_dims(192, 128), Pass::Forward, b200)->bound, Units{"mma"});
  EXPECT_EQ(roofline(of_dims(64, 64), Pass::Forward, facts_of("sm_103a"))->bound,
            (Units{"mma", "exponential"}));
}

TEST(Roofline, FmaUnitsTakeTheirShareOfTheExponentials) {
  const auto made = roofline(of_dims(64, 64), Pass::Forward, facts_of("sm_100a"), 0.125);
  EXPECT_EQ(cycles_of(*made)["exponential"], 896);
  EXPECT_EQ(made->fma_share, 0.125);
}

TEST(Roofline, PadsHeadDimsToTheStepOfTheProduct) {
  const DeviceFacts& b200 = facts_of("sm_100a");
  EXPECT_EQ(cycles_of(*roofline(of_dims(72, 72), Pass::Forward, b200)),
            cycles_of(*roofline(of_dims(80, 80), Pass::Forward, b200)));
}

TEST(Roofline, SaysNothingWhereItKnowsNothing) {
  Problem fp32 = of_dims(64, 64);
  fp32.q.dtype = Dtype::Float32;
  EXPECT_FALSE(roofline(fp32, Pass::Forward, facts_of("sm_100a")));
  EXPECT_FALSE(roofline(of_dims(64, 64), Pass::Backward, facts_of("sm_100a")));
  EXPECT_FALSE(roofline(of_dims(64, 64), Pass::Forward, facts_of("sm_90a")));
}

}  // namespace
}  // namespace fa4::plan
