// SPDX-License-Identifier: Apache-2.0
// The planner of the sm100 forward: what it serves, configs, grids, tensor maps, names. No device.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>

#include "abi/sm100_forward_storage.h"
#include "device/models.h"
#include "plan/sm100.h"
#include "plan/sm100_forward.h"
#include "plan_problems.h"
#include "sm80_devices.h"

namespace fa4::plan {
namespace {

const DeviceFacts& model(const char* arch) { return device::find_model(arch)->facts; }

std::string declines(const Problem& problem, Pass pass = Pass::Forward,
                     const char* arch = "sm_100a") {
  return sm100().supports(problem, pass, model(arch)).message;
}

FamilyPlan sm100_plan(const Problem& problem, const char* arch = "sm_100a") {
  EXPECT_EQ(declines(problem, Pass::Forward, arch), "");
  return sm100().prepare(problem, Pass::Forward, model(arch));
}

ForwardTensors outputs_of(const Problem& problem) {
  ForwardTensors tensors;
  tensors.out = problem.q;
  tensors.out.data = reinterpret_cast<void*>(uintptr_t{1} << 20);
  tensors.out.row_stride = problem.heads * problem.value_dim;
  tensors.out.head_stride = problem.value_dim;
  tensors.out.batch_stride = problem.packed_q ? 0 : problem.seq_q * tensors.out.row_stride;
  return tensors;
}

Launch launch_of(const Problem& problem) {
  const auto launches = sm100_forward_launches(problem, sm100_plan(problem), outputs_of(problem));
  EXPECT_EQ(launches.size(), 1u);
  return launches.front();
}

TEST(Sm100Plan, ServesEveryMultipleOfEightWithinTheBudget) {
  for (int64_t head_dim = 8; head_dim <= 192; head_dim += 8) {
    for (const int64_t value_dim : {int64_t{8}, std::min<int64_t>(head_dim, 128)}) {
      const Problem problem = dense(2, 700, 700, 8, 2, head_dim, value_dim);
      const FamilyPlan plan = sm100_plan(problem);
      ASSERT_EQ(plan.kernels.size(), 1u);
      EXPECT_LE(plan.kernels[0].smem_bytes, 227u * 1024) << head_dim;
      EXPECT_EQ(plan.kernels[0].threads, 512u);
    }
  }
}

TEST(Sm100Plan, SaysWhatItDoesNotServe) {
  const Problem good = dense(2, 700, 700, 8, 2, 128, 128);
  const auto with = [&](auto change) {
    Problem problem = good;
    change(problem);
    return declines(problem);
  };
  EXPECT_NE(declines(good, Pass::Forward, "sm_90a").find("needs sm_100a or sm_103a"),
            std::string::npos);
  EXPECT_NE(declines(good, Pass::Backward).find("has no backward"), std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.q.dtype = Dtype::Float32; }).find("q is float32"),
            std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.head_dim = p.value_dim = 100; }).find("multiples of 8"),
            std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.head_dim = p.value_dim = 256; }).find("up to 192 and 128"),
            std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.head_dim = 64; }).find("v's is not larger"), std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.paged = true; }).find("pages"), std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.num_splits = 4; }).find("num_splits is 4"), std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.seq_k = p.total_k = 0; }).find("no keys"), std::string::npos);
  EXPECT_NE(
      with([](Problem& p) { p.k.alignment = 8; }).find("k is aligned to 8 bytes; TMA wants 16"),
      std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.v.row_stride += 4; }).find("the row stride of v is"),
            std::string::npos);
  EXPECT_NE(with([](Problem& p) { p.k.head_stride = 0; }).find("the head stride of k is 0 bytes"),
            std::string::npos);
}

TEST(Sm100Plan, LeavesDecodingToWhatSplitsTheKeys) {
  Problem decode = dense(4, 1, 8192, 32, 8, 128, 128);
  EXPECT_NE(declines(decode).find("32 tiles would leave most of 148 SMs idle"), std::string::npos)
      << declines(decode);
  decode.num_splits = 1;
  EXPECT_EQ(declines(decode), "");
  decode.num_splits = 0;
  decode.batch_invariant = true;
  EXPECT_EQ(declines(decode), "");
  EXPECT_EQ(declines(dense(16, 1, 8192, 32, 8, 128, 128)), "") << "tiles enough";
  EXPECT_EQ(declines(dense(4, 1, 2048, 32, 8, 128, 128)), "") << "few keys";
  EXPECT_EQ(declines(dense(4, 64, 8192, 32, 8, 128, 128)), "") << "queries enough";
}

TEST(Sm100Plan, PacksTheHeadsOfAGroupThatDividesATile) {
  const auto heads_per_tile = [](int64_t heads, int64_t kv_heads) {
    for (const auto& [name, value] :
         sm100_plan(dense(1, 700, 700, heads, kv_heads, 128, 128)).tiles) {
      if (name == "heads_per_tile") return value;
    }
    return int64_t{-1};
  };
  EXPECT_EQ(heads_per_tile(8, 8), 1);
  EXPECT_EQ(heads_per_tile(8, 2), 4);
  EXPECT_EQ(heads_per_tile(6, 2), 1);
  EXPECT_EQ(heads_per_tile(128, 1), 128);
  EXPECT_EQ(heads_per_tile(256, 1), 1);
}

TEST(Sm100Plan, WalksOverEqualTilesAndLaunchesUnequalOnes) {
  Problem problem = dense(8, 4096, 4096, 16, 16, 128, 128);
  EXPECT_EQ(sm100_plan(problem).grid, 148);
  problem.window_right = 0;
  EXPECT_EQ(sm100_plan(problem).grid, 8 * 16 * 4096 / 256);
  const Launch launch = launch_of(problem);
  EXPECT_EQ(launch.grid[0], 8u * 16 * 4096 / 256);
  EXPECT_EQ(params_of<Sm100ForwardParams>(launch).num_tiles, 8u * 16 * 4096 / 256);
}

TEST(Sm100Plan, ClaimsTilesWhereThatIsAskedFor) {
  const Problem problem = dense(8, 4096, 4096, 16, 16, 128, 128);
  const FamilyPlan plan = sm100(true).prepare(problem, Pass::Forward, model("sm_100a"));
  EXPECT_EQ(plan.grid, 8 * 16 * 4096 / 256) << "claims take the place of CTAs";
  EXPECT_NE(plan.kernels[0].entry.find("_claims"), std::string::npos);
  EXPECT_EQ(sm100_plan(problem).kernels[0].entry.find("_claims"), std::string::npos);
}

TEST(Sm100Plan, GivesNoExponentialsToFmaUnitsWhereTheOthersAreFast) {
  const Problem problem = dense(1, 512, 512, 8, 8, 128, 128);
  EXPECT_EQ(sm100_plan(problem).fma_exponentials, 0.125);
  EXPECT_EQ(sm100_plan(problem, "sm_103a").fma_exponentials, 0);
  EXPECT_EQ(sm100_plan(dense(1, 512, 512, 8, 8, 192, 128)).fma_exponentials, 0.0625);
  EXPECT_EQ(fma_share({.period = 10, .first_quarter = 1}), 0.1875);
}

TEST(Sm100Plan, MapsSayHowTensorsLie) {
  const Problem problem = dense(2, 300, 700, 8, 2, 120, 64);
  const Launch launch = launch_of(problem);
  ASSERT_EQ(launch.maps.size(), 4u);
  const TensorMapSpec &q = launch.maps[0], &k = launch.maps[1], &v = launch.maps[2],
                      &out = launch.maps[3];
  using Sizes = std::vector<uint64_t>;
  using Box = std::vector<uint32_t>;
  EXPECT_EQ(q.sizes, (Sizes{120, 4, 300, 2, 2}));
  EXPECT_EQ(q.strides, (Sizes{240, 8 * 240, 4 * 240, 300 * 8 * 240}));
  EXPECT_EQ(q.box, (Box{64, 4, 32, 1, 1}));
  EXPECT_EQ(k.sizes, (Sizes{120, 700, 2, 2}));
  EXPECT_EQ(k.strides, (Sizes{480, 240, 700 * 480}));
  EXPECT_EQ(v.sizes, (Sizes{64, 700, 2, 2}));
  EXPECT_EQ(k.box, (Box{64, 128, 1, 1}));
  EXPECT_EQ(out.sizes, (Sizes{64, 4, 300, 2, 2}));
  EXPECT_EQ(out.offset, offsetof(Sm100ForwardParams, out_map));
  EXPECT_EQ(q.data_type, 9u);
}

TEST(Sm100Plan, PackedTensorsAreOneSequenceToTma) {
  Problem problem = dense(3, 300, 700, 4, 4, 64, 64);
  problem.packed_q = problem.packed_k = true;
  problem.total_q = 500, problem.total_k = 901;
  problem.q.batch_stride = problem.k.batch_stride = problem.v.batch_stride = 0;
  const Launch launch = launch_of(problem);
  ASSERT_EQ(launch.maps.size(), 3u) << "rows behind a sequence are another's: no box writes them";
  EXPECT_EQ(launch.maps[0].sizes, (std::vector<uint64_t>{64, 1, 500, 4, 1}));
  EXPECT_EQ(launch.maps[1].sizes, (std::vector<uint64_t>{64, 901, 4, 1}));
  const auto params = params_of<Sm100ForwardParams>(launch);
  EXPECT_EQ(params.out_by_tma, 0u);
  EXPECT_EQ(params.clear_tails, 1u);
}

TEST(Sm100Plan, StoresRowsWhereTmaDoesNotServeTheOutput) {
  const Problem problem = dense(1, 300, 300, 4, 4, 64, 64);
  ForwardTensors tensors = outputs_of(problem);
  tensors.out.row_stride += 2;
  const auto launches = sm100_forward_launches(problem, sm100_plan(problem), tensors);
  const auto params = params_of<Sm100ForwardParams>(launches.front());
  EXPECT_EQ(params.out_by_tma, 0u);
  EXPECT_EQ(params.out_vector, 0u);
  EXPECT_EQ(launches.front().maps.size(), 3u);
}

TEST(Sm100Plan, NamesEveryConfigApart) {
  std::set<std::string> entries, configs;
  for (const char* arch : {"sm_100a", "sm_103a"}) {
    for (const Dtype dtype : {Dtype::BFloat16, Dtype::Float16}) {
      for (const int64_t head_dim : {64, 72, 128, 192}) {
        for (const double softcap : {0.0, 30.0}) {
          for (const int64_t left : {kOpen, int64_t{100}}) {
            Problem problem = dense(1, 512, 512, 8, 8, head_dim, std::min<int64_t>(head_dim, 128));
            problem.q.dtype = problem.k.dtype = problem.v.dtype = dtype;
            problem.softcap = softcap;
            problem.window_left = left;
            const FamilyPlan plan = sm100_plan(problem, arch);
            entries.insert(plan.kernels[0].entry);
            configs.insert(plan.kernels[0].config);
          }
        }
      }
    }
  }
  EXPECT_EQ(entries.size(), configs.size());
  EXPECT_EQ(entries.size(), 2u * 2 * 4 * 2 * 2);
}

TEST(Sm100Plan, LabelsCoverEveryBarrierAndWarp) {
  for (const uint32_t claims_tiles : {0u, 1u}) {
    const KernelSpec spec = sm100_forward_spec({.claims_tiles = claims_tiles});
    uint32_t warps = 0;
    for (const WarpLabel& label : spec.warps) warps += label.last - label.first + 1;
    EXPECT_EQ(warps, spec.threads / 32);
    uint32_t end = 0, barriers = 0;
    for (const SharedLabel& label : spec.shared) {
      end = std::max(end, label.offset + label.bytes * label.count);
      barriers += label.bytes == 8 ? 1 : 0;
    }
    EXPECT_EQ(end, spec.smem_bytes);
    // Only who claims has those of claims: tile_full, tile_empty.
    EXPECT_EQ(barriers, sm100::forward::kNumBarriers - (claims_tiles == 0 ? 2 : 0));
  }
}

TEST(Sm100Plan, LabelsNameTheColumnsOfTensorMemory) {
  std::string names;
  uint32_t end = 0;
  for (const TensorLabel& label : sm100_forward_spec({.head_dim = 96, .value_dim = 96}).tensor) {
    names += label.name + " ";
    end = std::max(end, label.column + label.columns * label.count);
  }
  EXPECT_EQ(names, "S0 S0/P0 O0 S1 S1/P1 O1 ");
  EXPECT_EQ(end, 256u + 2 * 96);
}

}  // namespace
}  // namespace fa4::plan
