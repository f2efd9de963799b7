// SPDX-License-Identifier: Apache-2.0
// The planner of the sm80 backward: what it serves, that its tiles fit the device, and that the workspace holds what
// the launches point at.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <any>
#include <cstring>
#include <set>
#include <string>

#include "plan/sm80_backward.h"
#include "plan_problems.h"
#include "sm80_devices.h"

namespace fa4::plan {
namespace {

namespace kernels = fa4::sm80::backward;

Sm80BackwardDetails details_of(const FamilyPlan& plan) {
  return std::any_cast<Sm80BackwardDetails>(plan.details);
}

class Sm80BackwardPlanBudget : public testing::TestWithParam<std::pair<int, int64_t>> {};

TEST_P(Sm80BackwardPlanBudget, ServesAllHeadDims) {
  const auto [capability, smem_kb] = GetParam();
  const DeviceFacts device = device_of(capability, smem_kb);
  for (int64_t head_dim = 8; head_dim <= 256; head_dim += 8) {
    for (const int64_t value_dim :
         {head_dim, int64_t{8}, int64_t{64}, int64_t{128}, int64_t{256}}) {
      const Problem problem = dense(2, 500, 4, 2, head_dim, value_dim);
      ASSERT_EQ(supports_backward(problem, device).message, "") << head_dim << ", " << value_dim;
      const FamilyPlan plan = prepare_backward(problem, device);
      ASSERT_EQ(plan.kernels.size(), 3u);
      const Sm80BackwardConfig config = details_of(plan).config;
      for (const KernelSpec& kernel : plan.kernels) {
        EXPECT_LE(kernel.smem_bytes, device.smem_per_block_bytes) << kernel.entry;
        EXPECT_GT(kernel.threads, 0u);
      }
      // Accumulators of dK and dV: what is left of 255 registers must hold S, dP and dQ.
      const uint32_t columns = padded_dim(config.head_dim) + padded_dim(config.value_dim);
      EXPECT_LE(config.block_k * columns / (config.warps * 32), 128u) << plan.kernels[1].entry;
      EXPECT_EQ(config.vector_reductions, capability >= 90 ? 1u : 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, Sm80BackwardPlanBudget,
                         testing::Values(std::pair{80, 163}, std::pair{86, 99}, std::pair{89, 99},
                                         std::pair{90, 227}, std::pair{120, 99}),
                         [](const auto& info) {
                           return fmt::format("sm_{}_{}kb", info.param.first, info.param.second);
                         });

TEST(Sm80BackwardPlan, ChoosesTilesBySharedMemory) {
  const auto block_k = [](int64_t dim, int64_t smem_kb) {
    const Problem problem = dense(1, 4096, 8, 8, dim, dim);
    return details_of(prepare_backward(problem, device_of(90, smem_kb))).config.block_k;
  };
  EXPECT_EQ(block_k(64, 99), 128u);
  EXPECT_EQ(block_k(128, 227), 128u);
  EXPECT_EQ(block_k(128, 163), 128u);
  EXPECT_EQ(block_k(128, 99), 64u);
  EXPECT_EQ(block_k(256, 227), 64u);
  EXPECT_EQ(block_k(256, 163), 64u);
  EXPECT_EQ(block_k(256, 99), 32u);
}

TEST(Sm80BackwardPlan, AvoidsTheTileThatSpillsWithSoftcap) {
  Problem problem = dense(1, 4096, 8, 8, 64, 64);
  problem.softcap = 30;
  for (const auto& [capability, smem_kb] : {std::pair{80, 163}, {86, 99}, {89, 99}}) {
    const FamilyPlan plan = prepare_backward(problem, device_of(capability, smem_kb));
    EXPECT_EQ(details_of(plan).config.score_query_warps, 2u) << capability;
  }
  const FamilyPlan plan = prepare_backward(problem, device_of(120, 99));
  EXPECT_EQ(details_of(plan).config.score_query_warps, 1u);
}

TEST(Sm80BackwardPlan, SaysWhyItDeclines) {
  const auto reason = [](const Problem& problem, const DeviceFacts& device) {
    const Status status = supports_backward(problem, device);
    EXPECT_FALSE(status.ok());
    return status.message;
  };
  Problem paged = dense(1, 128, 2, 2, 64, 64);
  paged.paged = true;
  EXPECT_EQ(reason(paged, h200()), "page_table is given; there is no backward through pages");
  EXPECT_EQ(
      reason(dense(1, 128, 2, 2, 100, 64), h200()),
      "the head dim of q and k is 100; the backward of kernel \"sm80\" takes multiples of 8 up "
      "to 256");
  EXPECT_EQ(reason(dense(1, 128, 2, 2, 64, 264), h200()),
            "the head dim of v is 264; the backward of kernel \"sm80\" takes multiples of 8 up to "
            "256");
  Problem single = dense(1, 128, 2, 2, 64, 64);
  single.q.dtype = single.k.dtype = single.v.dtype = Dtype::Float32;
  EXPECT_NE(reason(single, h200()).find("float32"), std::string::npos);
  EXPECT_NE(reason(dense(1, 128, 2, 2, 256, 256), device_of(80, 48)).find("49152 bytes"),
            std::string::npos);
  EXPECT_NE(reason(dense(1 << 20, 1024, 256, 256, 64, 64), h200()).find("blocks"),
            std::string::npos);
}

TEST(Sm80BackwardPlan, DividesHeadsOfAGroupOnlyWhenBlocksAreFew) {
  EXPECT_EQ(details_of(prepare_backward(dense(1, 512, 32, 4, 128, 128), h200())).head_chunks, 8u);
  EXPECT_EQ(details_of(prepare_backward(dense(16, 8192, 32, 4, 128, 128), h200())).head_chunks, 1u);
  EXPECT_EQ(details_of(prepare_backward(dense(1, 512, 32, 32, 128, 128), h200())).head_chunks, 1u);
  for (const int64_t group : {3, 6, 7, 12}) {
    const Problem problem = dense(3, 700, 2 * group, 2, 64, 64);
    EXPECT_EQ(group % details_of(prepare_backward(problem, h200())).head_chunks, 0) << group;
  }
}

TEST(Sm80BackwardPlan, DeterministicBlocksOfOneSplitShareNoSum) {
  Problem problem = dense(1, 8192, 16, 16, 128, 128);
  problem.deterministic = true;
  const Sm80BackwardDetails few = details_of(prepare_backward(problem, h200()));
  EXPECT_EQ(few.dq_splits, 8u);  // 128 blocks in one round; 9 would need two
  EXPECT_EQ(few.key_tile_step, few.dq_splits);
  problem = dense(64, 512, 16, 16, 128, 128);
  problem.deterministic = true;
  EXPECT_EQ(details_of(prepare_backward(problem, h200())).dq_splits, 1u);
  problem = dense(1, 65536, 1, 1, 128, 128);
  problem.deterministic = true;
  EXPECT_LE(details_of(prepare_backward(problem, h200())).dq_splits, 16u);
  problem = dense(64, 512, 16, 16, 128, 128);
  const Sm80BackwardDetails free = details_of(prepare_backward(problem, h200()));
  EXPECT_EQ(free.dq_splits, 1u);
  EXPECT_EQ(free.key_tile_step, free.key_tiles);
}

TEST(Sm80BackwardPlan, SlotsOfPackedSequencesDoNotMeet) {
  constexpr uint32_t kBlock = 64;
  const int64_t lengths[] = {0, 1, 63, 64, 65, 0, 0, 128, 129, 1};
  int64_t begin = 37, end_slot = 0, total = begin;
  for (const int64_t length : lengths) total += length;
  uint32_t batch = 0;
  for (const int64_t length : lengths) {
    const int64_t first = kernels::first_slot(true, batch++, begin, 0, kBlock);
    EXPECT_GE(first, end_slot);
    end_slot = first + (length + kBlock - 1) / kBlock;
    begin += length;
  }
  EXPECT_LE(end_slot, kernels::slots_of(true, batch, total, 0, kBlock));
}

TEST(Sm80BackwardPlan, LaunchesPointIntoTheWorkspace) {
  Problem problem = dense(2, 300, 8, 2, 64, 128);
  problem.has_sink = true;
  const FamilyPlan plan = prepare_backward(problem, h200());
  BackwardTensors tensors;
  tensors.out = tensors.dout = problem.v;
  tensors.dq = problem.q;
  tensors.dk = problem.k;
  tensors.dv = problem.v;
  float dsink[8];
  tensors.has_dsink = true;
  tensors.dsink = {.data = dsink, .dtype = Dtype::Float32};
  auto* workspace = reinterpret_cast<char*>(uintptr_t{1} << 40);  // never read here
  const auto launches = backward_launches(problem, plan, h200(), tensors, workspace);
  ASSERT_EQ(launches.size(), 3u);
  std::set<const void*> places;
  for (const Launch& launch : launches) {
    const Sm80BackwardParams params = params_of<Sm80BackwardParams>(launch);
    for (const float* place : {params.row_lse, params.row_delta, params.sink_parts, params.dq_sums,
                               params.dk_parts, params.dv_parts}) {
      const auto* at = reinterpret_cast<const char*>(place);
      EXPECT_GE(at, workspace);
      EXPECT_LT(at, workspace + plan.workspace_bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % 256, 0u);
      places.insert(place);
    }
  }
  EXPECT_EQ(places.size(), 6u);
  EXPECT_EQ(launches[1].grid[0], plan.grid);
}

TEST(Sm80BackwardPlan, TakesTheAlignmentThatAllStridesShare) {
  Problem problem = dense(2, 300, 8, 8, 64, 64);
  BackwardTensors tensors;
  tensors.out = tensors.dout = tensors.dq = tensors.dk = tensors.dv = problem.v;
  tensors.dout.data = reinterpret_cast<void*>(uintptr_t{0x1004});
  tensors.dq.row_stride += 1;
  const FamilyPlan plan = prepare_backward(problem, h200());
  const Sm80BackwardParams params = params_of<Sm80BackwardParams>(
      backward_launches(problem, plan, h200(), tensors, nullptr).at(0));
  EXPECT_EQ(params.q_align, 16u);
  EXPECT_EQ(params.dout_align, 4u);
  EXPECT_EQ(params.dq_align, 2u);
  EXPECT_EQ(params.dk_align, 16u);
}

TEST(Sm80BackwardPlan, LaunchesNothingForNothing) {
  const Problem nothing = dense(0, 300, 8, 8, 64, 64);
  const FamilyPlan plan = prepare_backward(nothing, h200());
  EXPECT_TRUE(backward_launches(nothing, plan, h200(), {}, nullptr).empty());

  Problem no_keys = dense(2, 300, 8, 8, 64, 64);  // dq is still to be written
  no_keys.seq_k = no_keys.total_k = 0;
  const FamilyPlan zeros = prepare_backward(no_keys, h200());
  EXPECT_EQ(zeros.grid, 0);
  EXPECT_EQ(backward_launches(no_keys, zeros, h200(), {}, nullptr).size(), 2u);
}

TEST(Sm80BackwardPlan, NamesTellConfigsApart) {
  std::set<std::string> names;
  int64_t plans = 0;
  for (const int64_t smem_kb : {99, 163, 227}) {
    for (const int64_t dim : {64, 128, 256}) {
      for (const double softcap : {0.0, 30.0}) {
        Problem problem = dense(2, 300, 8, 8, dim, dim);
        problem.softcap = softcap;
        const FamilyPlan plan = prepare_backward(problem, device_of(90, smem_kb));
        std::string name = plan.kernels[1].entry + plan.kernels[1].config;
        names.insert(name);
        EXPECT_EQ(plan.kernels[1].entry.rfind("fa4_sm80_backward_main_bf16_d", 0), 0u);
        ++plans;
      }
    }
  }
  EXPECT_EQ(plans, 18);
  EXPECT_EQ(names.size(), 12u);  // one tile of 64 columns, two of 128, three of 256
}

}  // namespace
}  // namespace fa4::plan
