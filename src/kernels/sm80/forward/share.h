// SPDX-License-Identifier: Apache-2.0
// Which blocks of keys are one split's.
#pragma once

#include "abi/sm80_forward.h"
#include "tile/mask.h"

namespace fa4::sm80::forward {

// Even shares of what the tile sees, or what lies in a fixed stretch of the sequence.
template <u32 kSplit, u32 kBlockKeys>
FA4_DEVICE void take_share(BlockRange& range, const Sm80ForwardParams& p, u32 split) {
  if constexpr (kSplit) {
    if (p.split_keys) {
      const u32 blocks = p.split_keys / kBlockKeys;
      range.first = max(range.first, split * blocks);
      range.end = min(range.end, (split + 1) * blocks);
    } else {
      const u32 share = ceil_div(range.end - range.first, p.num_splits);
      range.first += split * share;
      range.end = min(range.end, range.first + share);
    }
    range.end = max(range.end, range.first);
  }
}

}  // namespace fa4::sm80::forward
