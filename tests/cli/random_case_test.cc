// SPDX-License-Identifier: Apache-2.0
// What verify --random promises of its problems.
#include "fa4/random_case.h"

#include <algorithm>

#include "fa4/device_case.h"
#include "gtest/gtest.h"

namespace fa4::cli {
namespace {

TEST(RandomCase, DependsOnSeedAndIndexOnly) {
  for (uint64_t index = 0; index < 20; ++index) {
    const Inputs a = make_inputs(random_case(7, index), 0);
    const Inputs b = make_inputs(random_case(7, index), 0);
    EXPECT_TRUE(same_bits(a.q, b.q));
    EXPECT_TRUE(same_bits(a.v, b.v));
    EXPECT_EQ(a.k.describe(), b.k.describe());
  }
  const Inputs first = make_inputs(random_case(7, 0), 0), other = make_inputs(random_case(8, 0), 0);
  EXPECT_FALSE(same_bits(first.q, other.q));
}

TEST(RandomCase, StaysWithinItsBudget) {
  for (uint64_t index = 0; index < 2000; ++index) {
    const Case item = random_case(1, index);
    const DenseShape& shape = item.shape;
    const double pages = item.page_size > 0 ? 1.5 : 1;  // a last page may be padded
    EXPECT_LE(static_cast<double>(shape.batch * shape.heads * (shape.head_dim + shape.value_dim)) *
                  static_cast<double>(shape.seq_q) * static_cast<double>(shape.seq_k),
              0x1p28 * pages)
        << index;
    EXPECT_LE(shape.seq_q, 2048);
    EXPECT_LE(shape.seq_k, 2048 + item.page_size);
    EXPECT_EQ(shape.heads % shape.kv_heads, 0);
  }
}

TEST(RandomCase, EveryFeatureOccursAndThirtyPercentCrossThreeTiles) {
  constexpr int kCases = 1000;
  std::array<int, kNumFeatures> counts{};
  for (uint64_t index = 0; index < kCases; ++index) {
    const Case item = random_case(1, index);
    const Features features = features_of(item, make_inputs(item, 0));
    for (size_t i = 0; i < kNumFeatures; ++i) counts[i] += features[i];
  }
  for (size_t i = 0; i < kNumFeatures; ++i) EXPECT_GE(counts[i], 20) << kFeatureNames[i].text;
  EXPECT_GE(counts[static_cast<size_t>(Feature::ThreeTiles)], kCases * 3 / 10);
}

TEST(RandomCase, SurroundsTensorsWithPoison) {
  for (uint64_t index = 0; index < 50; ++index) {
    const Inputs inputs = make_inputs(random_case(1, index), 0);
    EXPECT_TRUE(inputs.q.surroundings_are_poison()) << index;
    EXPECT_TRUE(inputs.k.surroundings_are_poison()) << index;
  }
}

int served_by_sm100(const std::string& kernel) {
  int served = 0;
  for (uint64_t index = 0; index < 60; ++index) {
    Case item = random_case(1, index);
    item.options.device = "sm_100a";
    item.options.kernel = kernel;
    fit_to_device(&item);
    fit_to_blackwell(&item);
    const Inputs inputs = make_inputs(item, 0);
    EXPECT_TRUE(inputs.q.surroundings_are_poison()) << index;
    const BoundProblem problem(inputs, item.options);
    served += Plan(problem, FA4_PASS_FORWARD).kernel() == "sm100";
  }
  return served;
}

TEST(RandomCase, RunsOftenOnBlackwellsOwnKernel) {
  EXPECT_GE(served_by_sm100("auto"), 30);
  EXPECT_LT(served_by_sm100("auto"), 60);
  EXPECT_EQ(served_by_sm100("sm100"), 60);
}

TEST(Tensor, SurroundingsTellWhenTheyAreTouched) {
  Layout layout;
  layout.margin = 5;
  layout.gaps = {0, 0, 2};
  layout.order = {1, 0};
  Tensor tensor(ElementType::BFloat16, {2, 3, 4}, layout);
  tensor.poison();
  tensor.fill(1);
  EXPECT_TRUE(tensor.surroundings_are_poison());
  store_as<uint16_t>(tensor.row(1) + 4 * sizeof(uint16_t), 0);  // in the gap after a row
  EXPECT_FALSE(tensor.surroundings_are_poison());
}

TEST(Tensor, SliceTakesHeads) {
  Tensor tensor(ElementType::Float32, {2, 2, 3, 1});
  for (int64_t r = 0; r < tensor.num_rows(); ++r) store_as(tensor.row(r), static_cast<float>(r));
  const Tensor part = slice(tensor, 2, 1, 2);
  EXPECT_EQ(part.values(), (std::vector<double>{1, 2, 4, 5, 7, 8, 10, 11}));
}

}  // namespace
}  // namespace fa4::cli
