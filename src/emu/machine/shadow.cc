// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/shadow.h"

#include <algorithm>

namespace fa4::emu {
void Shadow::reset(bool enabled, uint32_t bytes, uint32_t num_warps) {
  enabled_ = enabled;
  num_warps_ = num_warps;
  num_agents_ = stride_ = 2 * num_warps;
  clocks_.assign(size_t{num_warps} * stride_, 0);
  for (uint32_t warp = 0; warp < num_warps; ++warp) clock(warp, warp) = 1;
  cells_.assign(enabled ? (bytes + 3) / 4 : 0, {});
  events_.assign(1, {});
  recent_.assign(1024, 0);
  most_events_ = size_t{1} << 18;
  free_readers_.clear();
  reading_ = {};
  memo_ = {};
  copies_.assign(1, {});  // 0 is no operation
  readers_.clear();
  sources_.clear();
  lists_.assign(1, {});
  free_lists_.clear();
  late_reads_.clear();
  tensor_base_ = 0;
  blocks_.clear();
  channels_.clear();
  fences_.assign(num_warps, {});
  given_.clear();
  fenced_.assign(num_warps, {});
  before_.assign(num_warps, {});
  taken_.assign(num_warps, {});
}

bool Shadow::knows(uint32_t warp, const Known& known) const {
  return known.clock != 0 && (known.agent == warp || clock(warp, known.agent) >= known.clock);
}

bool Shadow::knows_done(uint32_t warp, const Copy& copy) const {
  for (const Known& known : copy.done) {  // the first ones are there
    if (known.clock == 0) return false;
    if (knows(warp, known)) return true;
  }
  return false;
}

// Whether a warp knows of a write.
bool Shadow::ordered(uint32_t warp, const Event& write, Conflict* conflict) const {
  if (write.clock == 0) return true;
  if (write.copy != 0) {
    const Copy& copy = copies_[write.copy];
    if (knows_done(warp, copy)) return true;
    if (copy.pipe != 0 || copy.done[0].clock == 0) {
      *conflict = {Conflict::Kind::CopyPending, copy.warp, write.site};
      return false;
    }
    // Somebody has waited, and has not told this one.
    *conflict = {Conflict::Kind::WriteRead, copy.warp, write.site};
    return false;
  }
  if (write.warp == warp || clock(warp, write.warp) >= write.clock) return true;
  const Clocks& before = before_[warp];
  const bool came_before = write.warp < before.size() && before[write.warp] >= write.clock;
  *conflict = {
      write.address && came_before ? Conflict::Kind::AddressRelaxed : Conflict::Kind::WriteRead,
      write.warp, write.site};
  return false;
}

void Shadow::join(std::span<const uint32_t> came, std::span<const uint32_t> waiting) {
  Clocks all(num_agents_, 0);
  for (const uint32_t warp : came) {
    lanes_meet(warp);
    for (uint32_t of = 0; of < num_agents_; ++of) all[of] = std::max(all[of], clock(warp, of));
  }
  for (const uint32_t warp : waiting) learn(warp, all);
  for (const uint32_t warp : came) ++clock(warp, warp);
}

void Shadow::learn(uint32_t warp, const Clocks& from) {
  for (uint32_t of = 0; of < from.size(); ++of) {
    clock(warp, of) = std::max(clock(warp, of), from[of]);
  }
}

}  // namespace fa4::emu
