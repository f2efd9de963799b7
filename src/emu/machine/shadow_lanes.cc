// SPDX-License-Identifier: Apache-2.0
// The shadow's part of accesses by several lanes that do not lie side by side: the rows of a tile, mostly. What is found
// for the cells of one lane holds for those of others that are equal.
#include <array>
#include <bit>

#include "emu/machine/shadow.h"

namespace fa4::emu {

LaneMask Shadow::read_lanes(uint32_t warp, const void* site, LaneMask lanes,
                            const uint32_t* offsets, uint32_t bytes) {
  if (!enabled_) return 0;
  begin_read(warp, site);
  switch (bytes) {
    case 4:
      return read_lanes_of<1>(warp, lanes, offsets, bytes);
    case 8:
      return read_lanes_of<2>(warp, lanes, offsets, bytes);
    case 16:
      return read_lanes_of<4>(warp, lanes, offsets, bytes);
    default:
      return read_lanes_of<0>(warp, lanes, offsets, bytes);
  }
}

// kCells: of a lane; 0: as many as the bytes are.
template <uint32_t kCells>
LaneMask Shadow::read_lanes_of(uint32_t warp, LaneMask lanes, const uint32_t* offsets,
                               uint32_t bytes) {
  const uint32_t count = kCells != 0 ? kCells : bytes / 4;
  LaneMask colliding = 0;
  // As memo_, of several: a tile's rows have several writers. Readers that are named here have this warp's read already, and
  // so have others that come to have their number in the meantime, since this warp makes them.
  std::array<Memo, 8> memos;
  for_each_lane(lanes, [&](int lane) {
    Cell* const cells = cells_.data() + offsets[lane] / 4;
    const Cell before = cells[0];
    uint64_t other = 0;
    for (uint32_t at = 1; at < count; ++at) other |= cells[at].bits ^ before.bits;
    if (other == 0) {
      Memo& memo = memos[before.writer() % memos.size()];
      Cell after = memo.after;
      bool found = memo.valid && memo.before == before;
      if (!found && read_plainly(warp, reading_event_, before, &after)) {
        found = true;
        memo = {true, before, after};
      }
      if (found) {
        if (after == before) return;
        for (uint32_t at = 0; at < count; ++at) cells[at] = after;
        return;
      }
    }
    if (read_cells(warp, offsets[lane], bytes).kind != Conflict::Kind::None) {
      colliding |= LaneMask{1} << lane;
    }
  });
  return colliding;
}

LaneMask Shadow::try_write_lanes(uint32_t warp, const void* site, LaneMask lanes,
                                 const uint32_t* offsets, uint32_t bytes) {
  if (!enabled_) return 0;
  if (events_.size() >= most_events_) forget_events();  // so that it is not done below
  const Cell after = Cell::of(event_now(warp, site, 0, false), 0, 0xf, 0xf, 0);
  const uint32_t count = bytes / 4;
  std::array<Memo, 8> memos;  // cells that may be written
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const uint32_t offset = offsets[std::countr_zero(left)];
    Cell* const cells = cells_.data() + offset / 4;
    const Cell before = cells[0];
    uint64_t other = sources_.empty() ? 0 : 1;
    for (uint32_t at = 1; at < count; ++at) other |= cells[at].bits ^ before.bits;
    Memo& memo = memos[before.writer() % memos.size()];
    if (other == 0 && !(memo.valid && memo.before == before)) {
      Conflict conflict;
      if ((before.reader() & Cell::kMany) == 0) check_cell(warp, before, 0xf, &conflict);
      const bool clean =
          (before.reader() & Cell::kMany) == 0 && conflict.kind == Conflict::Kind::None;
      if (clean) memo = {true, before, after};
      other = clean ? 0 : 1;
    }
    if (other == 0) {
      for (uint32_t at = 0; at < count; ++at) cells[at] = after;
    } else if (!try_write(warp, site, offset, bytes)) {
      return left;
    }
  }
  return 0;
}

}  // namespace fa4::emu
