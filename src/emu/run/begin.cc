// SPDX-License-Identifier: Apache-2.0
// How a cluster begins: its memory, its warps, and what their special registers hold.
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

// Of a thread: what .maxnreg says, or as many as the file has for the blocks that shall be there at once. 0: the kernel
// says nothing, and setmaxnreg is ignored.
uint32_t registers_at_launch(const Program& program, const std::array<uint32_t, 3>& block) {
  if (program.max_registers != 0) return program.max_registers;
  if (program.max_threads[0] == 0 && program.required_threads[0] == 0) return 0;
  constexpr uint32_t kFile = 64 << 10, kMost = 256;
  const uint32_t warps = (volume_of(block) + kLanes - 1) / kLanes;
  return std::min(kFile / (warps * kLanes * std::max(1u, program.least_ctas)) / 8 * 8, kMost);
}

}  // namespace

void ClusterRun::begin(uint32_t cluster_index) {
  const KernelLaunch& launch = *state_.launch;
  const uint32_t num_ctas = volume_of(launch.cluster);
  const uint32_t num_warps = (volume_of(launch.block) + kLanes - 1) / kLanes;
  cluster_.index = cluster_index;
  cluster_.pending = &state_.pending;
  cluster_.extents = launch.cluster;
  for (size_t i = 0; i < 3; ++i) cluster_.of_grid[i] = launch.grid[i] / launch.cluster[i];
  cluster_.random = Random(state_.options->seed * 0x9e3779b97f4a7c15 + cluster_index);
  if (state_.written != nullptr) {
    cluster_.random.write_down(state_.written->decisions_of(cluster_index));
  }
  if (state_.followed != nullptr) {
    cluster_.random.follow(state_.followed->decisions_of(cluster_index));
  }
  cluster_.eager = policy_ == Policy::Eager;
  cluster_.impatient = policy_ == Policy::Torn || policy_ == Policy::Random;
  cluster_.operations.clear();
  cluster_.num_operations = 0;
  cluster_.tensor_pipes.clear();
  cluster_.mbarriers.clear();
  cluster_.operand_races.reset();
  next_warp_ = 0;
  const uint32_t shared = program_.dynamic_shared_base + launch.dynamic_shared_bytes;
  cluster_.shared_bytes = (shared + 15) / 16 * 16;
  cluster_.shadow.reset(state_.options->checks, num_ctas * cluster_.shared_bytes,
                        num_ctas * num_warps);
  cluster_.barrier.generation = 0;
  cluster_.barrier.channel = cluster_.shadow.add_channel();
  cluster_.barrier.arrived.assign(num_ctas * num_warps, 0);
  cluster_.barrier.unwaited.assign(num_ctas * num_warps, 0);
  while (cluster_.ctas.size() < num_ctas) cluster_.ctas.push_back(std::make_unique<Cta>());
  for (uint32_t rank = 0; rank < num_ctas; ++rank) begin_cta(*cluster_.ctas[rank], rank);
  if (state_.trace != nullptr) trace_.emplace(*state_.names).begin(cluster_);
}

void ClusterRun::begin_cta(Cta& cta, uint32_t rank) {
  const KernelLaunch& launch = *state_.launch;
  const uint32_t threads = volume_of(launch.block);
  const uint32_t num_warps = (threads + kLanes - 1) / kLanes;
  const std::array<uint32_t, 3> outer = index_in(cluster_.of_grid, cluster_.index);
  const std::array<uint32_t, 3> inner = index_in(launch.cluster, rank);
  for (size_t i = 0; i < 3; ++i) cta.index[i] = outer[i] * launch.cluster[i] + inner[i];
  cta.rank = rank;
  cta.cluster = &cluster_;
  cta.first_agent = rank * num_warps;
  cta.free_registers = 0;  // a launch gives all to its warps
  cta.wgmma.clear();
  cta.tmem.reset();
  cta.params = launch.params;
  cta.local_bytes = program_.local_bytes;
  cta.barriers = {};
  cta.memory = state_.memory;
  cta.reports = state_.reports;
  cta.describer = state_.names;
  cta.calls = &program_.calls;
  cta.watched = &program_.watched;
  cta.output = state_.output;
  cta.heap = state_.heap;
  cta.shared.assign(program_.dynamic_shared_base + launch.dynamic_shared_bytes,
                    std::byte{kPoisonByte});
  cta.warps.resize(num_warps);
  for (uint32_t index = 0; index < num_warps; ++index) {
    cta.warps[index].cta = &cta;
    cta.warps[index].index = index;
    cta.warps[index].agent = cta.first_agent + index;
    begin_warp(cta.warps[index], index * kLanes);
  }
}

void ClusterRun::begin_warp(Warp& warp, uint32_t first_thread) {
  const uint32_t threads = volume_of(state_.launch->block);
  const uint32_t lanes = std::min<uint32_t>(kLanes, threads - first_thread);
  const LaneMask present = lanes == kLanes ? kAllLanes : (LaneMask{1} << lanes) - 1;
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
                constant.value + (constant.shared_address ? warp.cta->rank << kRankShift : 0));
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
  warp.bulk_groups = {};
  warp.wgmma_groups = 0;
  warp.wgmma.reset(0);
  warp.tensor_loads.reset();
  warp.registers = registers_at_launch(program_, state_.launch->block);
  warp.elect_seed = state_.options->elect_any ? state_.options->seed : 0;
  warp.unwaited.clear();
  warp.last_range = nullptr;
  warp.local.assign(size_t{program_.local_bytes} * kLanes, std::byte{kPoisonByte});
}

uint32_t ClusterRun::special_value(const Warp& warp, const SpecialRow& special, int lane) const {
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
      return warp.cta->index[c];
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
      return warp.cta->index[c] / launch.cluster[c];
    case Special::NumClusters:
      return launch.grid[c] / launch.cluster[c];
    case Special::ClusterCtaid:
      return warp.cta->index[c] % launch.cluster[c];
    case Special::ClusterCtarank:
      return warp.cta->rank;
    case Special::IsExplicitCluster:
      return program_.explicit_cluster || volume_of(launch.cluster) != 1 ? 1 : 0;
    case Special::ClusterNctaid:
      return launch.cluster[c];
    case Special::ClusterNctarank:
      return volume_of(launch.cluster);
  }
  return 0;
}

}  // namespace fa4::emu
