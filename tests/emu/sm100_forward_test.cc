// SPDX-License-Identifier: Apache-2.0
// FlashAttention-4's forward for Blackwell on the machine, through the library: planner, tensor maps, launch, and the
// accuracy rule. What the machine reports fails the run.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "emu/gemm.h"
#include "emu/sm100_forward_cases.h"
#include "jit/files.h"
#include "support/scratch.h"

namespace fa4::test {
namespace {

constexpr std::array kForwardPolicies = {"eager", "lazy", "reverse", "torn", "random"};

std::vector<Case> blackwell_cases() {
  std::vector<Case> cases = {
      // Tiles: one row, one less and one more than a query tile, a CTA's rows and a block; several of each.
      {.seq_q = 1, .seq_k = 1, .head_dim = 128},
      {.seq_q = 127, .seq_k = 129, .head_dim = 128, .causal = true},
      {.seq_q = 129, .seq_k = 127, .head_dim = 128},
      {.heads = 2, .kv_heads = 2, .seq_q = 255, .seq_k = 385, .head_dim = 128},
      {.heads = 2, .kv_heads = 2, .seq_q = 257, .seq_k = 511, .head_dim = 128, .causal = true},
      {.heads = 2, .kv_heads = 1, .seq_q = 512, .seq_k = 512, .head_dim = 128, .causal = true},
      {.batch = 2,
       .heads = 2,
       .kv_heads = 1,
       .seq_q = 300,
       .seq_k = 70,
       .head_dim = 128,
       .causal = true},
      {.seq_q = 70, .seq_k = 700, .head_dim = 128, .causal = true},
      // Head dims: each map of SMEM, and what is padded to it.
      {.heads = 2, .kv_heads = 2, .seq_q = 200, .seq_k = 300, .head_dim = 64},
      {.heads = 2, .seq_q = 200, .seq_k = 300, .head_dim = 96, .causal = true},
      {.heads = 2, .kv_heads = 2, .seq_q = 300, .seq_k = 520, .head_dim = 192, .value_dim = 128},
      {.heads = 2, .seq_q = 300, .seq_k = 520, .head_dim = 192, .value_dim = 128, .causal = true},
      {.heads = 2, .kv_heads = 2, .seq_q = 140, .seq_k = 150, .head_dim = 8, .causal = true},
      {.heads = 2, .seq_q = 140, .seq_k = 150, .head_dim = 72, .value_dim = 40},
      {.heads = 2, .kv_heads = 2, .seq_q = 140, .seq_k = 150, .head_dim = 136, .value_dim = 120},
      // Groups of heads, packed and not.
      {.heads = 8, .kv_heads = 2, .seq_q = 65, .seq_k = 260, .head_dim = 128, .causal = true},
      {.heads = 6, .kv_heads = 2, .seq_q = 65, .seq_k = 260, .head_dim = 128, .causal = true},
      {.heads = 16, .kv_heads = 1, .seq_q = 1, .seq_k = 515, .head_dim = 64},
      // Masks and scores.
      {.heads = 2,
       .kv_heads = 2,
       .seq_q = 300,
       .seq_k = 600,
       .head_dim = 128,
       .window_left = 100,
       .window_right = 50},
      {.heads = 2, .seq_q = 300, .seq_k = 600, .head_dim = 64, .causal = true, .window_left = 127},
      {.heads = 2, .kv_heads = 2, .seq_q = 300, .seq_k = 600, .head_dim = 64, .window_right = 3},
      {.heads = 2, .seq_q = 140, .seq_k = 150, .head_dim = 64, .causal = true, .softcap = 3},
      {.heads = 2, .kv_heads = 2, .seq_q = 140, .seq_k = 150, .head_dim = 64, .scale = -0.3},
      {.heads = 4,
       .kv_heads = 2,
       .seq_q = 140,
       .seq_k = 150,
       .head_dim = 64,
       .causal = true,
       .sink = true},
      {.heads = 2,
       .kv_heads = 2,
       .seq_q = 300,
       .seq_k = 70,
       .head_dim = 64,
       .causal = true,
       .sink = true},
      // Lengths.
      {.batch = 4,
       .heads = 2,
       .kv_heads = 1,
       .seq_q = 300,
       .seq_k = 300,
       .head_dim = 128,
       .causal = true,
       .packed = true},
      {.batch = 5,
       .heads = 3,
       .kv_heads = 3,
       .seq_q = 140,
       .seq_k = 270,
       .head_dim = 64,
       .packed = true},
      {.batch = 4,
       .heads = 2,
       .kv_heads = 2,
       .seq_q = 260,
       .seq_k = 300,
       .head_dim = 128,
       .causal = true,
       .query_lengths = true,
       .key_lengths = true},
      {.batch = 4,
       .heads = 2,
       .kv_heads = 1,
       .seq_q = 200,
       .seq_k = 200,
       .head_dim = 64,
       .packed = true,
       .query_lengths = true,
       .key_lengths = true},
      // Numbers that move the maximum, and that do not.
      {.seq_q = 130, .seq_k = 700, .head_dim = 64, .input = Input::RisingMaxima},
      {.seq_q = 130, .seq_k = 700, .head_dim = 64, .input = Input::FallingMaxima},
      {.seq_q = 130, .seq_k = 400, .head_dim = 64, .input = Input::HugeLogits},
      {.seq_q = 130, .seq_k = 400, .head_dim = 64, .causal = true, .input = Input::OneHot},
      {.seq_q = 130, .seq_k = 400, .head_dim = 64, .input = Input::EqualRows},
      {.seq_q = 130, .seq_k = 400, .head_dim = 64, .input = Input::NegativeZero},
      {.seq_q = 130, .seq_k = 400, .head_dim = 64, .input = Input::Denormals},
      // Strides.
      {.batch = 2,
       .heads = 2,
       .kv_heads = 2,
       .seq_q = 140,
       .seq_k = 150,
       .head_dim = 64,
       .layout = Layout::HeadsFirst},
      {.batch = 2,
       .heads = 2,
       .kv_heads = 2,
       .seq_q = 140,
       .seq_k = 150,
       .head_dim = 64,
       .layout = Layout::Padded},
      // The other type.
      {.dtype = Dtype::Float16,
       .heads = 2,
       .kv_heads = 2,
       .seq_q = 257,
       .seq_k = 300,
       .head_dim = 128,
       .causal = true},
      {.dtype = Dtype::Float16,
       .seq_q = 130,
       .seq_k = 700,
       .head_dim = 64,
       .input = Input::RisingMaxima},
  };
  uint64_t seed = 1;
  for (Case& c : cases) {
    c = blackwell(c);
    c.seed = seed++;
  }
  return cases;
}

class Sm100Forward : public testing::TestWithParam<Case> {};

// Each under one of the policies in turn.
TEST_P(Sm100Forward, IsRight) {
  FA4_NEEDS_GEMM_COMPILER();
  const Case& c = GetParam();
  const ForwardSchedule schedule(kForwardPolicies[c.seed % kForwardPolicies.size()],
                                 static_cast<int>(c.seed));
  EXPECT_TRUE(run_and_judge(c, "emulated:sm_100a", "sm100"));
}

INSTANTIATE_TEST_SUITE_P(Cases, Sm100Forward, testing::ValuesIn(blackwell_cases()), CaseName());

// Logits from far within the cap to far beyond it, against the tighter rule of a kernel without polynomials for exp2.
TEST(Sm100Forward, CapsScoresOfEverySize) {
  FA4_NEEDS_GEMM_COMPILER();
  for (const double softcap : {0.02, 1.0, 50.0, 3000.0}) {
    EXPECT_TRUE(run_and_judge({.dtype = Dtype::Float16,
                               .seq_q = 70,
                               .seq_k = 150,
                               .head_dim = 64,
                               .softcap = softcap,
                               .scale = softcap == 50 ? 6.0 : 0.5,
                               .backward = false,
                               .input = softcap == 3000 ? Input::HugeLogits : Input::Random},
                              "emulated:sm_103a", "sm100"))
        << softcap;
  }
}

// Of the order of MMAs, which the machine warns of in every run.
TEST(Sm100Forward, IsReportedInTheKernelsWords) {
  FA4_NEEDS_GEMM_COMPILER();
  const Scratch scratch;
  const std::string file = scratch / "report.txt";
  ::setenv("FA4_EMU_REPORT", file.c_str(), 1);
  EXPECT_TRUE(run_and_judge(blackwell({.seq_q = 129, .seq_k = 256, .head_dim = 128}),
                            "emulated:sm_100a", "sm100"));
  ::unsetenv("FA4_EMU_REPORT");
  const std::string report = jit::read_file(file).value_or("");
  EXPECT_NE(report.find("tmem.pipe_order"), std::string::npos) << report;
  EXPECT_NE(report.find("writes D, S0, columns [0, 128)"), std::string::npos) << report;
  EXPECT_NE(report.find("writes D, S1, columns [128, 256)"), std::string::npos) << report;
}

// A scale below 0 takes another path to the scores, and O through fewer registers.
TEST(Sm100Forward, RunsOnB300WithScoresThatAreScaledFirst) {
  FA4_NEEDS_GEMM_COMPILER();
  for (const int64_t head_dim : {128, 192}) {
    EXPECT_TRUE(run_and_judge(blackwell({.seq_q = 140,
                                         .seq_k = 300,
                                         .head_dim = head_dim,
                                         .value_dim = 128,
                                         .causal = true,
                                         .scale = -3.0}),
                              "emulated:sm_103a", "sm100"))
        << head_dim;
  }
}

TEST(Sm100Forward, RunsOnB300WithMaximaFromTheLoad) {
  FA4_NEEDS_GEMM_COMPILER();
  EXPECT_TRUE(run_and_judge(
      blackwell(
          {.heads = 2, .kv_heads = 1, .seq_q = 257, .seq_k = 400, .head_dim = 128, .causal = true}),
      "emulated:sm_103a", "sm100"));
}

}  // namespace
}  // namespace fa4::test
