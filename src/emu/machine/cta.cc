// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/cta.h"

#include <algorithm>

#include "emu/machine/cluster.h"

namespace fa4::emu {

uint32_t Cta::num_live_warps() const {
  return static_cast<uint32_t>(std::count_if(
      warps.begin(), warps.end(), [](const Warp& warp) { return !warp.splits.empty(); }));
}

uint32_t Cta::shadow_offset(const std::byte* at) const {
  return rank * cluster->shared_bytes + static_cast<uint32_t>(at - shared.data());
}

void complete_if_full(Cta& cta, uint32_t id) {
  NamedBarrier& barrier = cta.barriers[id];
  if (barrier.warps.empty()) return;
  const uint32_t expected = barrier.all_threads ? cta.num_live_warps() * kLanes : barrier.expected;
  if (barrier.arrived < expected) return;
  const auto agents = [&](std::vector<uint32_t> warps) {
    for (uint32_t& warp : warps) warp += cta.first_agent;
    return warps;
  };
  cta.cluster->shadow.join(agents(barrier.warps), agents(barrier.waiting));
  note_progress(*cta.cluster);
  barrier.result = barrier.reduced;
  barrier.reduced = {0, 1, 0};
  barrier.arrived = 0;
  barrier.expected = 0;
  barrier.all_threads = false;
  barrier.warps.clear();
  barrier.waiting.clear();
  ++barrier.generation;
}

}  // namespace fa4::emu
