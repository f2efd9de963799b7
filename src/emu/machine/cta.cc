// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/cta.h"

#include <algorithm>
#include <cstring>

namespace fa4::emu {

uint32_t Cta::num_live_warps() const {
  return static_cast<uint32_t>(std::count_if(
      warps.begin(), warps.end(), [](const Warp& warp) { return !warp.splits.empty(); }));
}

void advance(Cta& cta, CpAsync& copy, size_t first, size_t count) {
  Warp& warp = *copy.warp;
  const Instr* current = warp.current;
  const LaneMask active = warp.active;
  warp.current = copy.site;
  for (size_t i = first; i < first + count; ++i) {
    CpLane& lane = copy.lanes[i];
    if (lane.done) continue;
    std::byte* to = cta.shared.data() + lane.to;
    std::memset(to, 0, lane.bytes);
    if (lane.source_bytes != 0) {
      warp.active = LaneMask{1} << lane.lane;
      const std::byte* from = resolve(warp, Space::Global, lane.from, lane.lane, lane.source_bytes,
                                      Access::Read, lane.bytes);
      if (from == nullptr) {
        std::memset(to, kPoisonByte, lane.bytes);
      } else {
        std::memcpy(to, from, lane.source_bytes);
      }
    }
    lane.done = true;
    ++copy.num_done;
  }
  warp.current = current;
  warp.active = active;
}

bool waits_for(const Warp& warp, const CpLane& part, uint32_t unfinished_groups) {
  if (!has_lane(warp.active, part.lane)) return false;
  if (unfinished_groups == kAllCopyGroups) return true;
  const uint32_t committed = warp.cp_groups[static_cast<size_t>(part.lane)];
  return part.group < committed && committed - part.group > unfinished_groups;
}

bool copies_are_done(const Cta& cta, const Warp& warp, uint32_t unfinished_groups) {
  for (const CpAsync& copy : cta.copies) {
    if (copy.warp != &warp) continue;
    for (const CpLane& part : copy.lanes) {
      if (!part.done && waits_for(warp, part, unfinished_groups)) return false;
    }
  }
  return true;
}

void note_waited(Cta& cta, Warp& warp, uint32_t unfinished_groups) {
  std::erase_if(cta.copies, [&](const CpAsync& copy) {
    if (copy.warp != &warp || copy.num_done != copy.lanes.size()) return false;
    for (const CpLane& part : copy.lanes) {
      if (!waits_for(warp, part, unfinished_groups)) return false;
    }
    cta.shadow.waited(copy.id);
    return true;
  });
}

void complete_if_full(Cta& cta, uint32_t id) {
  NamedBarrier& barrier = cta.barriers[id];
  if (barrier.warps.empty()) return;
  const uint32_t expected = barrier.all_threads ? cta.num_live_warps() * kLanes : barrier.expected;
  if (barrier.arrived < expected) return;
  cta.shadow.join(barrier.warps, barrier.waiting);
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
