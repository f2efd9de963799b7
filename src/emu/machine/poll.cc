// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/poll.h"

#include <algorithm>

#include "emu/machine/cluster.h"

namespace fa4::emu {

void note_poll(Warp& warp, uint64_t seen) {
  Split& split = warp.splits[warp.split];
  const uint64_t progress = *warp.cta->cluster->progress;
  if (split.poll_progress != progress) {
    split.poll_progress = progress;
    split.num_polls = split.num_parks = 0;
    split.polled = {};
  }
  const bool known =
      std::find(split.polled.begin(), split.polled.end(), seen) != split.polled.end();
  if (!known) {
    std::rotate(split.polled.begin(), split.polled.end() - 1, split.polled.end());
    split.polled[0] = seen;
    return;
  }
  // A loop that gives up after so many rounds is let to do so: each time it is parked after 16 times as many.
  constexpr uint32_t kFirst = 16;
  if (++split.num_polls < kFirst << 4 * split.num_parks) return;
  split.wait = {WaitOn::Kind::Poll, 0, progress};
}

}  // namespace fa4::emu
