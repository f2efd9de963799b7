// SPDX-License-Identifier: Apache-2.0
// The judge judged: it lets pass what the accuracy rule allows, and nothing else.
#include "support/judge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/case.h"
#include "support/not_finite.h"
#include "support/tensor.h"

namespace fa4::test {
namespace {

// 100 elements of size 1 in bfloat16, of which plain has one wrong by 0.25: the largest error allowed is
// 2 * 0.25 + 2^-8, the rms error 1.5 * 0.025 + 2^-8.
Judged example() {
  Judged judged{.name = "out",
                .dtype = Dtype::BFloat16,
                .shape = {10, 10},
                .actual = std::vector<double>(100, 1),
                .reference = std::vector<double>(100, 1),
                .low = std::vector<double>(100, 1)};
  judged.low[7] = 1.25;
  return judged;
}

TEST(Judge, PassesWhatIsEqual) { EXPECT_TRUE(judge(example())); }

TEST(Judge, BoundsTheLargestError) {
  Judged judged = example();
  judged.low.assign(100, 1.25);  // rms 0.25: only the maximum binds
  judged.actual[42] = 1.5 + 0x1p-8;
  EXPECT_TRUE(judge(judged));
  judged.actual[42] = 1.5 + 0x1p-7;
  EXPECT_FALSE(judge(judged));
}

TEST(Judge, BoundsTheRootMeanSquare) {
  Judged judged = example();
  for (double& value : judged.actual) value = 1 + 1.5 * 0.025 + 0x1p-8 - 1e-9;
  EXPECT_TRUE(judge(judged));
  for (double& value : judged.actual) value = 1 + 1.5 * 0.025 + 0x1p-8 + 1e-9;
  EXPECT_FALSE(judge(judged)) << "every error is far below the maximum, but there are many";
}

TEST(Judge, NamesTheFirstBadElementAndItsNeighbours) {
  Judged judged = example();
  judged.actual[23] = judged.actual[57] = 9;
  const testing::AssertionResult result = judge(judged);
  ASSERT_FALSE(result);
  const std::string text = result.message();
  EXPECT_NE(text.find("> [2, 3]: 9, reference 1, error 8"), std::string::npos) << text;
  EXPECT_NE(text.find("  [2, 1]: 1"), std::string::npos) << text;
  EXPECT_EQ(text.find("[5, 7]"), std::string::npos) << text;
}

TEST(Judge, RefusesWhatIsNotANumber) {
  for (const double value : {double{NAN}, kInfinity, -kInfinity}) {
    Judged judged = example();
    judged.actual[3] = value;
    EXPECT_FALSE(judge(judged)) << value;
    judged = example();
    judged.low[3] = value;  // an unusable yardstick allows nothing
    EXPECT_FALSE(judge(judged)) << value;
  }
}

TEST(Judge, RefusesOtherSizes) {
  Judged judged = example();
  judged.actual.pop_back();
  EXPECT_FALSE(judge(judged));
}

TEST(Judge, UlpIsThatOfTheType) {
  for (const auto& [dtype, ulp] :
       {std::pair{Dtype::BFloat16, 0x1p-8}, std::pair{Dtype::Float16, 0x1p-11},
        std::pair{Dtype::Float32, 0x1p-22}}) {
    Judged judged{.name = "dq",
                  .dtype = dtype,
                  .shape = {1},
                  .actual = {4 + 4 * ulp},
                  .reference = {4},
                  .low = {4}};
    EXPECT_TRUE(judge(judged));
    judged.actual = {4 + 4.5 * ulp};
    EXPECT_FALSE(judge(judged));
  }
}

TEST(Judge, AddsTheAllowanceToBothBounds) {
  Judged judged{.name = "dq",
                .dtype = Dtype::Float32,
                .shape = {1},
                .actual = {1e-6},
                .reference = {0},
                .low = {0}};
  EXPECT_FALSE(judge(judged));
  judged.allowance = 2e-6;
  EXPECT_TRUE(judge(judged));
  judged.actual = {3e-6};
  EXPECT_FALSE(judge(judged));
}

TEST(JudgeLse, IsRelativeAboveOneAndAbsoluteBelow) {
  EXPECT_TRUE(judge_lse({2}, {0.1 + 1.9e-5, 100 + 1.9e-3}, {0.1, 100}));
  EXPECT_FALSE(judge_lse({2}, {0.1 + 2.1e-5, 100}, {0.1, 100}));
  EXPECT_FALSE(judge_lse({2}, {0.1, 100 + 2.1e-3}, {0.1, 100}));
  EXPECT_TRUE(judge_lse({1}, {0.1 + 2.1e-5}, {0.1}, kLseToleranceDegree3));
}

TEST(JudgeLse, MinusInfinityOnlyWhereTheReferenceHasIt) {
  EXPECT_TRUE(judge_lse({1}, {-kInfinity}, {-kInfinity}));
  EXPECT_FALSE(judge_lse({1}, {-kInfinity}, {-1e30}));
  EXPECT_FALSE(judge_lse({1}, {-1e30}, {-kInfinity}));
  EXPECT_FALSE(judge_lse({1}, {kInfinity}, {-kInfinity}));
  EXPECT_FALSE(judge_lse({1}, {NAN}, {0}));
}

TEST(Tensor, KnowsWhetherItsSurroundingsChanged) {
  for (const Layout layout : {Layout::Compact, Layout::HeadsFirst, Layout::Padded, Layout::Odd}) {
    Tensor tensor(Dtype::BFloat16, {2, 3, 4, 5}, layout);
    tensor.fill(1);
    EXPECT_TRUE(tensor.surroundings_intact()) << name_of(layout);
    const DLTensor& view = *tensor.dl();
    auto* first = reinterpret_cast<uint16_t*>(static_cast<char*>(view.data) + view.byte_offset);
    first[-1] ^= 1;
    EXPECT_FALSE(tensor.surroundings_intact()) << name_of(layout);
  }
}

TEST(Tensor, IsPoisonedUntilSet) {
  for (const Dtype dtype : {Dtype::Float64, Dtype::Float32, Dtype::BFloat16, Dtype::Float16}) {
    Tensor tensor(dtype, {2, 3});
    for (const double value : tensor.values()) EXPECT_FALSE(std::isfinite(value));
    tensor.set(4, -0.5);
    EXPECT_EQ(tensor.get(4), -0.5);
    tensor.poison(4);
    EXPECT_TRUE(bit_equal(tensor, Tensor(dtype, {2, 3})));
  }
}

TEST(Case, HasANameAndACommand) {
  const Case c{.dtype = Dtype::BFloat16,
               .batch = 2,
               .heads = 8,
               .kv_heads = 2,
               .seq_q = 513,
               .seq_k = 1025,
               .head_dim = 128,
               .causal = true,
               .softcap = 30,
               .seed = 7};
  EXPECT_EQ(name_of(c), "bf16_d128_causal_softcap_b2_h8_kv2_q513_k1025");
  EXPECT_EQ(repeat_command(c, "cpu", "avx2"),
            "fa4 verify --backend cpu --kernel avx2 --dtype bf16 --shape 2,8,2,513,1025,128,128 "
            "--causal --softcap 30 --seed 7");
}

TEST(Case, SameSeedSameInputs) {
  Case c{.batch = 4, .seq_q = 9, .seq_k = 12, .packed = true};
  const Inputs first = make_inputs(c), second = make_inputs(c);
  EXPECT_TRUE(bit_equal(first.q, second.q) && bit_equal(first.cu_seqlens_k, second.cu_seqlens_k));
  c.seed = 2;
  EXPECT_FALSE(bit_equal(first.q, make_inputs(c).q));
}

}  // namespace
}  // namespace fa4::test
