// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace fa4::emu {

uint32_t Cluster::num_live_warps() const {
  uint32_t live = 0;
  for (const auto& cta : ctas) live += cta->num_live_warps();
  return live;
}

const Warp& Cluster::warp_of(uint32_t agent) const {
  const auto per_cta = static_cast<uint32_t>(ctas.front()->warps.size());
  return ctas[agent / per_cta]->warps[agent % per_cta];
}

Warp& Cluster::warp_of(uint32_t agent) {
  return const_cast<Warp&>(static_cast<const Cluster*>(this)->warp_of(agent));
}

uint32_t Cluster::num_missing() const {
  uint32_t missing = 0;
  for (const auto& cta : ctas) {
    for (const Warp& warp : cta->warps) {
      missing += static_cast<uint32_t>(std::popcount(~warp.exited & ~barrier.arrived[warp.agent]));
    }
  }
  return missing;
}

void complete_if_full(Cluster& cluster) {
  ClusterBarrier& barrier = cluster.barrier;
  const bool somebody = std::any_of(barrier.arrived.begin(), barrier.arrived.end(),
                                    [](LaneMask lanes) { return lanes != 0; });
  if (!somebody || cluster.num_missing() != 0) return;
  ++barrier.generation;
  std::fill(barrier.arrived.begin(), barrier.arrived.end(), 0);
  cluster.shadow.complete(barrier.channel);
  note_progress(cluster);
}

std::string Cluster::name_of(uint32_t agent) const {
  const Warp& warp = warp_of(agent);
  std::string name = fmt::format("warp {}", warp.index);
  if (ctas.size() != 1) name += fmt::format(" of rank {}", warp.cta->rank);
  const std::string role = warp.cta->describer->role(warp.index);
  return role.empty() ? name : fmt::format("{} ({})", role, name);
}

std::string Cluster::name_of_shared(uint32_t address) const {
  const uint32_t offset = address & kOffsetMask;
  std::string name = ctas.front()->describer->shared_name(offset);
  if (name.empty()) name = fmt::format("shared {:#x}", offset);
  if (ctas.size() != 1) name += fmt::format(" of rank {}", address >> kRankShift);
  return name;
}

}  // namespace fa4::emu
