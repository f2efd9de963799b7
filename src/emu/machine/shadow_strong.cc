// SPDX-License-Identifier: Apache-2.0
// The shadow's part of strong accesses: flags in memory, and the fences beside them.
#include <algorithm>

#include "emu/machine/shadow.h"

namespace fa4::emu {
namespace {

void join_into(Clocks& to, const Clocks& from) {
  if (to.size() < from.size()) to.resize(from.size(), 0);
  for (size_t of = 0; of < from.size(); ++of) to[of] = std::max(to[of], from[of]);
}

}  // namespace

Conflict Shadow::strong_read(uint32_t warp, uint32_t offset, uint32_t bytes) const {
  return atomic(warp, offset, bytes);
}

Conflict Shadow::strong_write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes) {
  return write_strongly(warp, site, offset, bytes, 0);
}

Conflict Shadow::copy_changes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes) {
  const Conflict before = atomic(copies_[copy].warp, offset, bytes);
  const Conflict conflict = write_strongly(copies_[copy].warp, site, offset, bytes, copy);
  return before.kind != Conflict::Kind::None ? before : conflict;
}

Conflict Shadow::write_strongly(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                                uint32_t copy) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  for (uint32_t index = offset / 4; index <= (offset + bytes - 1) / 4; ++index) {
    const Cell cell = cells_[index];
    const bool after_strong = events_[cell.writer()].strong && cell.reader() == 0;
    if (first.kind != Conflict::Kind::None || after_strong) continue;
    const uint32_t begin = std::max(index * 4, offset);
    const uint32_t end = std::min(index * 4 + 4, offset + bytes);
    first = check_write(warp, begin, end - begin);
  }
  note_write(warp, site, offset, bytes, copy, true);
  if (!sources_.empty()) overwrite_sources(warp, offset, bytes, &first);
  return first;
}

void Shadow::fence(uint32_t warp) {
  if (!enabled_) return;
  learn(warp, taken_[warp]);
  taken_[warp].clear();
  fenced_[warp] = knowledge_of(warp);
  ++clock(warp, warp);
}

void Shadow::give(uint32_t warp, const void* address, bool releases, bool replaces) {
  if (!enabled_) return;
  const Clocks given = releases ? knowledge_of(warp) : fenced_[warp];
  if (given.empty() && !replaces) return;
  Clocks& at = given_[address];
  if (replaces) at.clear();
  join_into(at, given);
  if (releases) ++clock(warp, warp);
}

void Shadow::take(uint32_t warp, const void* address, bool acquires) {
  if (!enabled_) return;
  const auto found = given_.find(address);
  if (found == given_.end()) return;
  if (acquires) {
    learn(warp, found->second);
  } else {
    join_into(taken_[warp], found->second);
  }
}

}  // namespace fa4::emu
