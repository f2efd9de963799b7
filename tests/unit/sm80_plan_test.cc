// SPDX-License-Identifier: Apache-2.0
// The planner of the sm80 forward: budgets, copies, splits, names and reasons. No device.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "plan/sm80.h"
#include "plan/sm80_forward.h"
#include "plan_problems.h"
#include "sm80_devices.h"

namespace fa4::plan {
namespace {

int64_t tile_of(const FamilyPlan& plan, const std::string& name) {
  for (const auto& [key, value] : plan.tiles) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "the plan does not say " << name;
  return -1;
}

class Sm80ForwardPlanBudget : public testing::TestWithParam<std::pair<int, int64_t>> {};

TEST_P(Sm80ForwardPlanBudget, ServesAllHeadDims) {
  const auto [capability, smem_kb] = GetParam();
  const DeviceFacts device = device_of(capability, smem_kb);
  for (int64_t head_dim = 1; head_dim <= 512; ++head_dim) {
    for (const int64_t value_dim : {head_dim, int64_t{8}, int64_t{128}, int64_t{512}}) {
      for (const int64_t seq_q : {1, 4, 1000}) {
        const Problem problem = dense(2, seq_q, 700, 8, 2, head_dim, value_dim);
        ASSERT_EQ(sm80().supports(problem, Pass::Forward, device).message, "") << head_dim;
        const FamilyPlan plan = sm80().prepare(problem, Pass::Forward, device);
        for (const KernelSpec& kernel : plan.kernels) {
          ASSERT_LE(kernel.smem_bytes, device.smem_per_block_bytes) << kernel.entry;
          ASSERT_LE(
              kernel.min_blocks * (kernel.smem_bytes + kKb),
              kernel.min_blocks == 1 ? device.smem_per_block_bytes + kKb : device.smem_per_sm_bytes)
              << kernel.entry;
          ASSERT_LE(kernel.min_blocks * kernel.threads, 256u) << "255 registers per thread";
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, Sm80ForwardPlanBudget,
                         testing::Values(std::pair{86, 99}, std::pair{89, 99}, std::pair{120, 99},
                                         std::pair{80, 163}, std::pair{90, 227}));

TEST(Sm80ForwardPlan, GivesWarpsTwiceTheRowsWhereTheTensorCoresOutrunSharedMemory) {
  EXPECT_EQ(choose_forward_tile(128, 128, ForwardTraits::Plain, h200())->row_tiles, 2u);
  EXPECT_EQ(choose_forward_tile(128, 128, ForwardTraits::Plain, device_of(80, 163))->row_tiles, 2u);
  EXPECT_EQ(choose_forward_tile(128, 128, ForwardTraits::Plain, device_of(89, 99))->row_tiles, 1u);
}

TEST(Sm80ForwardPlan, CutsValuesIntoSlicesThatCoverThem) {
  for (const int64_t value_dim : {264, 300, 511, 512}) {
    const auto tile = choose_forward_tile(512, static_cast<u32>(value_dim), ForwardTraits::Other,
                                          device_of(86, 99));
    ASSERT_TRUE(tile.has_value());
    EXPECT_LE(tile->value_columns, 256u);
    EXPECT_EQ(tile->value_columns % 8, 0u) << "a slice begins on a chunk";
    EXPECT_LE(fa4::ceil_div(static_cast<u32>(value_dim), tile->value_columns), 3u);
  }
}

TEST(Sm80ForwardPlan, ChoosesTheWidestCopyThatEveryAddressAllows) {
  Problem problem = dense(1, 4096, 4096, 1, 1, 64, 64);
  const auto entry = [&] { return prepare_forward(problem, h200()).kernels[0].entry; };
  EXPECT_EQ(entry().find("copy"), std::string::npos);
  problem.k.row_stride += 4;
  problem.v.row_stride += 2;
  EXPECT_NE(entry().find("copy16_8_4"), std::string::npos) << entry();
  problem.v.row_stride += 1;
  EXPECT_NE(entry().find("copy16_8_2"), std::string::npos) << entry();
  problem.q.alignment = 4;
  EXPECT_NE(entry().find("copy4_8_2"), std::string::npos) << entry();
}

TEST(Sm80ForwardPlan, CopiesRowsOfOddLengthThroughRegisters) {
  const FamilyPlan plan = prepare_forward(dense(1, 4096, 4096, 1, 1, 100, 64), h200());
  EXPECT_NE(plan.kernels[0].entry.find("copy2_2_16"), std::string::npos) << plan.kernels[0].entry;
}

TEST(Sm80ForwardPlan, StreamsTheKeysOfFewRowsAndSplitsThem) {
  const FamilyPlan plan = prepare_forward(dense(1, 1, 65536, 64, 8, 128, 128), h200());
  ASSERT_EQ(plan.kernels.size(), 2u);
  EXPECT_EQ(plan.kernels[0].header, "sm80/decode/kernel.h");
  EXPECT_EQ(plan.kernels[1].header, "any/combine.h");
  EXPECT_GE(plan.grid, 132);
  const int64_t splits = tile_of(plan, "splits");
  EXPECT_EQ(plan.grid, 8 * splits);
  EXPECT_GE(plan.workspace_bytes, static_cast<size_t>(splits) * 64 * (128 + 1) * 4);
}

TEST(Sm80ForwardPlan, DoesNotSplitWhatFillsTheDevice) {
  const FamilyPlan decode = prepare_forward(dense(264, 1, 4096, 8, 1, 128, 128), h200());
  EXPECT_EQ(tile_of(decode, "splits"), 1);
  EXPECT_EQ(decode.workspace_bytes, 0u);
  const FamilyPlan prefill = prepare_forward(dense(8, 4096, 4096, 16, 16, 128, 128), h200());
  EXPECT_EQ(tile_of(prefill, "splits"), 1);
}

TEST(Sm80ForwardPlan, ObeysTheCallersSplits) {
  Problem problem = dense(1, 100, 4096, 8, 8, 64, 64);
  problem.num_splits = 7;
  EXPECT_EQ(tile_of(prepare_forward(problem, h200()), "splits"), 7);
  problem.num_splits = 1;
  EXPECT_EQ(tile_of(prepare_forward(problem, h200()), "splits"), 1);
}

// What else is in the batch changes its size and the packed bounds, never how a row is computed.
TEST(Sm80ForwardPlan, BatchInvariantPlansDoNotKnowTheBatch) {
  std::set<std::string> configs;
  for (const int64_t batch : {1, 3, 500}) {
    Problem problem = dense(batch, 1, 65536, 64, 8, 128, 128);
    problem.batch_invariant = true;
    const FamilyPlan plan = prepare_forward(problem, h200());
    configs.insert(fmt::format("{} {}", plan.kernels[0].config, tile_of(plan, "splits")));
  }
  for (const int64_t longest : {1, 7, 5000}) {
    Problem problem = dense(4, longest, longest, 16, 16, 256, 256);
    problem.packed_q = problem.packed_k = true;
    problem.batch_invariant = true;
    const FamilyPlan plan = prepare_forward(problem, h200());
    configs.insert(fmt::format("{} {}", plan.kernels[0].config, tile_of(plan, "splits")));
  }
  EXPECT_EQ(configs.size(), 2u);
}

TEST(Sm80ForwardPlan, NamesEveryConfigApart) {
  std::set<std::string> entries, configs;
  for (const Dtype dtype : {Dtype::BFloat16, Dtype::Float16}) {
    for (const int64_t head_dim : {64, 72, 128, 192, 256, 512}) {
      for (const int64_t seq_q : {1, 30, 130, 3000}) {
        for (const double softcap : {0.0, 30.0}) {
          for (const bool paged : {false, true}) {
            for (const int32_t splits : {1, 2}) {
              for (const int64_t extra_stride : {0, 4}) {
                Problem problem = dense(2, seq_q, 1024, 8, 2, head_dim, 128);
                problem.q.dtype = dtype;
                problem.softcap = softcap;
                problem.paged = paged;
                problem.page_size = 16;
                problem.num_splits = splits;
                problem.k.row_stride += extra_stride;
                const KernelSpec kernel = prepare_forward(problem, h200()).kernels[0];
                entries.insert(kernel.entry);
                configs.insert(kernel.config + std::to_string(kernel.min_blocks));
              }
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(entries.size(), configs.size());
}

TEST(Sm80ForwardPlan, LaunchesRowsOfNoSequenceWhenPacked) {
  Problem problem = dense(3, 500, 500, 4, 2, 64, 64);
  const auto launches = [&](ForwardTensors tensors = {}) {
    return forward_launches(problem, prepare_forward(problem, h200()), h200(), tensors, nullptr);
  };
  problem.num_splits = 1;
  EXPECT_EQ(launches().at(0).grid[0], params_of<Sm80ForwardParams>(launches().at(0)).work_items);
  problem.packed_q = true;
  EXPECT_GT(launches().at(0).grid[0], params_of<Sm80ForwardParams>(launches().at(0)).work_items);
  problem.seq_q = 0;  // every sequence is empty, the tensor is not
  EXPECT_EQ(params_of<Sm80ForwardParams>(launches().at(0)).work_items, 0u);
  EXPECT_GT(launches().at(0).grid[0], 0u);
}

TEST(Sm80ForwardPlan, LaunchesNothingForNoRows) {
  const Problem problem = dense(0, 500, 500, 4, 2, 64, 64);
  EXPECT_TRUE(
      forward_launches(problem, prepare_forward(problem, h200()), h200(), {}, nullptr).empty());
}

TEST(Sm80ForwardPlan, DeclinesWithTheReason) {
  Problem problem = dense(1, 100, 100, 4, 2, 64, 64);
  problem.q.dtype = Dtype::Float32;
  EXPECT_EQ(sm80().supports(problem, Pass::Forward, h200()).message,
            "q is float32; kernel \"sm80\" takes bfloat16 and float16");
  const Problem wide = dense(1, 100, 100, 4, 2, 520, 64);
  EXPECT_EQ(sm80().supports(wide, Pass::Forward, h200()).message,
            "the head dims of k and v are 520 and 64; kernel \"sm80\" takes 1 to 512");
  const Problem fine = dense(1, 100, 100, 4, 2, 64, 64);
  EXPECT_EQ(sm80().supports(fine, Pass::Forward, device_of(75, 64)).message,
            "the device has compute capability 75; kernel \"sm80\" needs 80");
  EXPECT_NE(sm80().supports(fine, Pass::Forward, device_of(80, 8)).message.find("8192 bytes"),
            std::string::npos);
}

}  // namespace
}  // namespace fa4::plan
