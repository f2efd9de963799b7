// SPDX-License-Identifier: Apache-2.0
// A CTA's place among the tiles of its cluster: ranks go down a column of tiles, then to the next one. The CTAs of a row
// need the same A; those of a column the same B, of which a CTA of a pair holds a half: with the others of its parity.
#pragma once

#include "base/types.h"

namespace fa4 {

template <u32 kRows, u32 kCols, u32 kCtaGroup = 1>
struct ClusterPlace {
  static_assert(kRows % kCtaGroup == 0 && kRows * kCols <= 16);

  u32 row, col;

  constexpr explicit ClusterPlace(u32 rank) : row(rank % kRows), col(rank / kRows) {}

  // Whoever needs our A tile, and our part of the B tile: each of them loads an equal share for all.
  static constexpr u32 kASharers = kCols, kBSharers = kRows / kCtaGroup;
  constexpr u32 a_share() const { return col; }
  constexpr u32 b_share() const { return row / kCtaGroup; }
  constexpr u16 a_mask() const {
    u32 mask = 0;
    for (u32 peer = 0; peer < kCols; ++peer) mask |= 1u << peer * kRows;
    return static_cast<u16>(mask << row);
  }
  constexpr u16 b_mask() const {
    u32 mask = 0;
    for (u32 peer = 0; peer < kRows; peer += kCtaGroup) mask |= 1u << peer;
    return static_cast<u16>(mask << (row % kCtaGroup + col * kRows));
  }

  // The CTAs that multiply as one with us.
  constexpr u16 pair_mask() const {
    return static_cast<u16>(((1u << kCtaGroup) - 1) << (row / kCtaGroup * kCtaGroup + col * kRows));
  }

  // The CTAs of which a share lands in our pair: those that wait until the pair has read it.
  constexpr u16 writers_mask() const {
    const ClusterPlace even(row / kCtaGroup * kCtaGroup + col * kRows);
    u32 mask = 0;
    for (u32 cta = 0; cta < kCtaGroup; ++cta) mask |= (even.a_mask() | even.b_mask()) << cta;
    return static_cast<u16>(mask);
  }
  // And how many pairs each of them waits for.
  static constexpr u32 kReaders = kASharers + kBSharers - 1;

  constexpr bool shares_with(u32 rank) const { return writers_mask() >> rank & 1; }
};

}  // namespace fa4
