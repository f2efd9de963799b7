// SPDX-License-Identifier: Apache-2.0
// What no synchronisation orders does not show in the result of the Blackwell forward: right, without a report, and the
// same bits under every policy, whichever role starves, and under FA4_SM100_SEEDS random schedules (4; 32 in `make soak`,
// where every head dim is run too).
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "abi/sm100_forward_storage.h"
#include "emu/gemm.h"
#include "emu/sm100_forward_cases.h"

namespace fa4::test {
namespace {

constexpr int kUsualForwardSeeds = 4;

int forward_seeds() {
  const char* const asked = std::getenv("FA4_SM100_SEEDS");
  return asked == nullptr ? kUsualForwardSeeds : std::atoi(asked);
}

struct NamedSchedule {
  std::string policy;
  int seed;
};

std::vector<NamedSchedule> forward_schedules() {
  std::vector<NamedSchedule> all = {{"eager", 0}, {"lazy", 0}, {"reverse", 0}};
  for (const sm100::forward::RoleRow& role : sm100::forward::kRoles) {
    all.push_back({std::string("starve:") + role.name, 0});
  }
  for (int seed = 1; seed <= forward_seeds(); ++seed) {
    all.push_back({"torn", seed});
    all.push_back({"random", seed});
  }
  return all;
}

// Each map of SMEM, masked and unmasked blocks, maxima that grow and that do not, both types, each way of O to memory.
std::vector<Case> schedule_cases() {
  std::vector<Case> cases = {
      {.heads = 2,
       .seq_q = 257,
       .seq_k = 400,
       .head_dim = 128,
       .causal = true,
       .input = Input::FallingMaxima},
      {.dtype = Dtype::Float16, .seq_q = 300, .seq_k = 390, .head_dim = 128, .causal = true},
      {.heads = 2, .seq_q = 200, .seq_k = 520, .head_dim = 64, .input = Input::HugeLogits},
      {.heads = 2, .seq_q = 300, .seq_k = 520, .head_dim = 192, .value_dim = 128, .causal = true},
      {.heads = 2, .seq_q = 140, .seq_k = 150, .head_dim = 8, .causal = true},
      {.heads = 2, .seq_q = 200, .seq_k = 300, .head_dim = 96, .causal = true},
      {.seq_q = 300, .seq_k = 600, .head_dim = 128, .window_left = 100, .window_right = 50},
      {.heads = 2,
       .kv_heads = 1,
       .seq_q = 140,
       .seq_k = 150,
       .head_dim = 64,
       .causal = true,
       .softcap = 3},
      {.batch = 3,
       .heads = 2,
       .kv_heads = 1,
       .seq_q = 200,
       .seq_k = 200,
       .head_dim = 64,
       .causal = true,
       .sink = true,
       .packed = true,
       .query_lengths = true,
       .key_lengths = true},
  };
  if (forward_seeds() > kUsualForwardSeeds) {
    for (int64_t dim = 16; dim <= 128; dim += 8) {
      cases.push_back({.dtype = dim % 16 == 0 ? Dtype::BFloat16 : Dtype::Float16,
                       .heads = 2,
                       .seq_q = 140,
                       .seq_k = 300,
                       .head_dim = dim,
                       .causal = dim % 24 == 0});
    }
  }
  uint64_t seed = 1;
  for (Case& c : cases) {
    if (c.kv_heads == 1 && c.heads == 2 && c.batch == 1 && c.softcap == 0) c.kv_heads = 2;
    c = blackwell(c);
    c.seed = seed++;
  }
  return cases;
}

class Sm100ForwardSchedules : public testing::TestWithParam<Case> {};

TEST_P(Sm100ForwardSchedules, GiveTheSameBits) {
  FA4_NEEDS_GEMM_COMPILER();
  const Case& c = GetParam();
  Inputs inputs = make_inputs(c);
  const Outputs first = run(c, inputs, "emulated:sm_100a", "sm100");
  ASSERT_EQ(first.failure, "");
  EXPECT_TRUE(run_and_judge(c, "emulated:sm_100a", "sm100"));
  for (const NamedSchedule& one : forward_schedules()) {
    const ForwardSchedule schedule(one.policy, one.seed);
    const Outputs again = run(c, inputs, "emulated:sm_100a", "sm100");
    EXPECT_EQ(again.failure, "") << one.policy << " " << one.seed;
    EXPECT_TRUE(bit_equal(first.out, again.out) && bit_equal(first.lse, again.lse))
        << one.policy << " " << one.seed;
  }
}

INSTANTIATE_TEST_SUITE_P(, Sm100ForwardSchedules, testing::ValuesIn(schedule_cases()), CaseName());

}  // namespace
}  // namespace fa4::test
