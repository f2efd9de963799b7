// SPDX-License-Identifier: Apache-2.0
// The shadow's part of proxies. What a thread has written with ordinary stores is for an operation of the asynchronous
// proxy (TMA, wgmma) to read only after fence.proxy.async: by whoever wrote, before it told others, or by whoever issues,
// after it was told. A warp's clock as an agent of its own, `fenced_of`, says until when its writes are fenced; barriers
// carry it like all others.
//
// Lanes fence each for itself: of what the other lanes wrote since they last met, the lane that issues knows only after
// a warp barrier. One lane alone that fences knows of itself.
#include <algorithm>

#include "emu/machine/shadow.h"

namespace fa4::emu {

void Shadow::fence_proxy(uint32_t warp, int lanes) {
  if (!enabled_) return;
  for (uint32_t of = 0; of < num_warps_; ++of) {
    if (of != warp) clock(warp, fenced_of(of)) = clock(warp, of);
  }
  uint32_t& own = clock(warp, fenced_of(warp));
  const uint32_t now = clock(warp, warp)++;
  own = std::max(own, lanes == 1 ? now : fences_[warp].lanes_met);
  fences_[warp].pending = now;
}

void Shadow::lanes_meet(uint32_t warp) {
  if (!enabled_) return;
  uint32_t& own = clock(warp, fenced_of(warp));
  own = std::max(own, fences_[warp].pending);
  fences_[warp].lanes_met = clock(warp, warp)++;
}

bool Shadow::is_fenced(uint32_t warp, const Event& write, Conflict* conflict) const {
  if (write.clock == 0 || write.copy != 0) return true;  // by an operation: that is its matter
  if (clock(warp, fenced_of(write.warp)) >= write.clock) return true;
  const bool own_lanes = write.warp == warp && fences_[warp].pending >= write.clock;
  *conflict = {own_lanes ? Conflict::Kind::UnfencedLanes : Conflict::Kind::Unfenced, write.warp,
               write.site};
  return false;
}

}  // namespace fa4::emu
