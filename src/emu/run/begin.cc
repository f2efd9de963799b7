// SPDX-License-Identifier: Apache-2.0
// How a CTA begins: its memory, its warps, and what their special registers hold.
#include <algorithm>

#include "emu/run/scheduler.h"

namespace fa4::emu {
namespace {

uint32_t volume_of(const std::array<uint32_t, 3>& extents) {
  return extents[0] * extents[1] * extents[2];
}

// x fastest.
std::array<uint32_t, 3> index_in(const std::array<uint32_t, 3>& extents, uint32_t linear) {
  return {linear % extents[0], linear / extents[0] % extents[1], linear / extents[0] / extents[1]};
}

}  // namespace

void CtaRun::begin(uint32_t linear_index) {
  const KernelLaunch& launch = *state_.launch;
  const uint32_t threads = volume_of(launch.block);
  const uint32_t num_warps = (threads + kLanes - 1) / kLanes;
  random_ = Random(state_.options->seed * 0x9e3779b97f4a7c15 + linear_index);
  next_warp_ = 0;
  cta_.index = index_in(launch.grid, linear_index);
  cta_.params = launch.params;
  cta_.local_bytes = program_.local_bytes;
  cta_.barriers = {};
  cta_.copies.clear();
  cta_.eager_copies = policy_ == Policy::Eager;
  cta_.memory = state_.memory;
  cta_.reports = state_.reports;
  cta_.describer = &program_;
  cta_.calls = &program_.calls;
  cta_.output = state_.output;
  cta_.heap = state_.heap;
  cta_.shared.assign(program_.dynamic_shared_base + launch.dynamic_shared_bytes,
                     std::byte{kPoisonByte});
  cta_.shadow.reset(state_.options->checks, static_cast<uint32_t>(cta_.shared.size()), num_warps);
  cta_.warps.resize(num_warps);
  for (uint32_t index = 0; index < num_warps; ++index) {
    cta_.warps[index].index = index;
    begin_warp(cta_.warps[index], index * kLanes);
  }
}

void CtaRun::begin_warp(Warp& warp, uint32_t first_thread) {
  const uint32_t threads = volume_of(state_.launch->block);
  const uint32_t lanes = std::min<uint32_t>(kLanes, threads - first_thread);
  const LaneMask present = lanes == kLanes ? kAllLanes : (LaneMask{1} << lanes) - 1;
  warp.cta = &cta_;
  warp.row_storage.resize(program_.num_rows);
  warp.predicate_storage.resize(program_.num_predicates);
  warp.rows = warp.row_storage.data();
  warp.predicates = warp.predicate_storage.data();
  warp.lists = program_.lists.data();
  // Registers hold poison until they are written.
  std::fill_n(&warp.rows[0].lane[0], size_t{program_.num_rows} * kLanes, 0xffffffffu);
  std::fill_n(warp.predicates, program_.num_predicates, kAllLanes);
  for (const ConstantRow& constant : program_.constants) {
    std::fill_n(warp.rows[constant.row].lane, kLanes,
                constant.value + (constant.shared_address ? cta_.rank << kRankShift : 0));
  }
  for (const SpecialRow& special : program_.specials) {
    for (int lane = 0; lane < kLanes; ++lane) {
      warp.rows[special.row].lane[lane] = special_value(warp, special, lane);
      if (special.wide) warp.rows[special.row + 1].lane[lane] = 0;
    }
  }
  warp.current = nullptr;
  warp.splits.assign(1, {.pc = 0, .mask = present, .joins = {}, .wait = {}, .frame = nullptr});
  warp.exited = ~present;
  warp.retired = 0;
  warp.num_divergences = 0;
  warp.cp_groups = {};
  warp.last_range = nullptr;
  warp.local.assign(size_t{program_.local_bytes} * kLanes, std::byte{kPoisonByte});
}

uint32_t CtaRun::special_value(const Warp& warp, const SpecialRow& special, int lane) const {
  const KernelLaunch& launch = *state_.launch;
  const uint32_t thread = warp.index * kLanes + static_cast<uint32_t>(lane);
  const uint32_t below = (LaneMask{1} << lane) - 1, at = LaneMask{1} << lane;
  const size_t c = special.component;
  switch (special.what) {
    case Special::Tid:
      return index_in(launch.block, thread)[c];
    case Special::Ntid:
      return launch.block[c];
    case Special::Ctaid:
      return cta_.index[c];
    case Special::Nctaid:
      return launch.grid[c];
    case Special::LaneId:
      return static_cast<uint32_t>(lane);
    case Special::WarpId:
      return warp.index;
    case Special::NumWarps:
      return (volume_of(launch.block) + kLanes - 1) / kLanes;
    case Special::LanemaskEq:
      return at;
    case Special::LanemaskLe:
      return below | at;
    case Special::LanemaskLt:
      return below;
    case Special::LanemaskGe:
      return ~below;
    case Special::LanemaskGt:
      return ~(below | at);
    case Special::SmId:
      return 0;
    case Special::NumSms:
      return 1;
    case Special::GridId:
      return 1;
    case Special::DynamicSmemSize:
      return launch.dynamic_shared_bytes;
    case Special::TotalSmemSize:
      return program_.dynamic_shared_base - kReservedShared + launch.dynamic_shared_bytes;
    case Special::ClusterId:
      return cta_.index[c];
    case Special::NumClusters:
      return launch.grid[c];
    case Special::ClusterCtaid:
    case Special::ClusterCtarank:
    case Special::IsExplicitCluster:
      return 0;
    case Special::ClusterNctaid:
    case Special::ClusterNctarank:
      return 1;
  }
  return 0;
}

}  // namespace fa4::emu
