// SPDX-License-Identifier: Apache-2.0
// The shadow's cells: what reads and writes find there and leave. Tiles are written and read by few, so that most cells
// beside one another are equal numbers, and what is found for one holds for all of such a run.
#include <algorithm>

#include "emu/machine/shadow_runs.h"

namespace fa4::emu {
namespace {

size_t hash_of(uint32_t warp, const void* site, uint32_t copy) {
  const auto bits =
      reinterpret_cast<uintptr_t>(site) + 0x9e3779b9 * (uint64_t{warp} + 64 * uint64_t{copy});
  return static_cast<size_t>(bits * 0x9e3779b97f4a7c15 >> 54);  // 10 bits
}

}  // namespace

// The event of a warp now.
uint32_t Shadow::event_now(uint32_t warp, const void* site, uint32_t copy, bool strong) {
  const Event event = {warp, clock(warp, warp), copy, strong, site};
  uint32_t& recent = recent_[hash_of(warp, site, copy)];
  if (events_[recent] != event) {
    recent = static_cast<uint32_t>(events_.size());
    events_.push_back(event);
  }
  return recent;
}

// Keeps those that a cell names.
void Shadow::forget_events() {
  std::vector<uint32_t> place(events_.size(), 0);
  std::vector<Event> kept(1);
  const auto keep = [&](uint32_t event) {
    if (event != 0 && place[event] == 0) {
      place[event] = static_cast<uint32_t>(kept.size());
      kept.push_back(events_[event]);
    }
    return place[event];
  };
  for (Block& block : blocks_) spread(block);
  for (Cell& cell : cells_) {
    const uint32_t reader = cell.reader();
    cell = Cell::of(keep(cell.writer()), (reader & Cell::kMany) != 0 ? reader : keep(reader),
                    cell.written(), cell.last(), cell.read());
  }
  events_ = std::move(kept);
  std::fill(recent_.begin(), recent_.end(), 0);
  reading_ = {};
  memo_ = {};
  most_events_ = std::max(most_events_, 2 * events_.size());
}

uint32_t Shadow::add_readers(Readers readers) {
  if (free_readers_.empty()) {
    readers_.push_back(std::move(readers));
    return Cell::kMany | static_cast<uint32_t>(readers_.size() - 1);
  }
  const uint32_t index = free_readers_.back();
  free_readers_.pop_back();
  readers_[index] = std::move(readers);
  return Cell::kMany | index;
}

void Shadow::leave_readers(uint32_t reader, uint32_t num_cells) {
  const uint32_t index = reader & ~Cell::kMany;
  readers_[index].num_cells -= num_cells;
  if (readers_[index].num_cells != 0) return;
  free_readers_.push_back(index);
  memo_ = {};
}

// As after_read of whole cells, where nothing is to be said and no Readers come or go. False: it may be otherwise.
bool Shadow::read_plainly(uint32_t warp, uint32_t event, Cell before, Cell* after) const {
  Conflict unused;
  if (before.written() != 0xf) return false;
  if (before.last() != 0 && !ordered(warp, events_[before.writer()], &unused)) return false;
  uint32_t reader = before.reader();
  if ((reader & Cell::kMany) != 0) {
    if (readers_[reader & ~Cell::kMany].clocks[warp] != clock(warp, warp)) return false;
  } else {
    const Event& other = events_[reader];
    const bool knows = reader == 0 || other.warp == warp || clock(warp, other.warp) >= other.clock;
    if (!knows) return false;
    reader = event;
  }
  *after = Cell::of(before.writer(), reader, 0xf, before.last(), 0xf);
  return true;
}

// Of so many equal cells that a warp has read, of each these bytes.
Shadow::Cell Shadow::after_read(uint32_t warp, uint32_t event, Cell before, uint32_t bytes,
                                uint32_t num_cells) {
  const uint32_t now = clock(warp, warp);
  const void* const site = events_[event].site;
  uint32_t reader = before.reader();
  uint32_t read = before.read() | bytes;
  if (reader == 0) {
    reader = event;
  } else if ((reader & Cell::kMany) == 0) {
    const Event& other = events_[reader];
    if (other.warp == warp) {
      reader = event;
    } else if ((before.read() & ~bytes) == 0 && clock(warp, other.warp) >= other.clock) {
      reader = event;  // who is ordered behind this read is so behind the other
      read = bytes;
    } else {
      Readers readers{Clocks(num_warps_, 0), site, num_cells};
      readers.clocks[other.warp] = other.clock;
      readers.clocks[warp] = now;
      reader = add_readers(std::move(readers));
    }
  } else {
    Readers& readers = readers_[reader & ~Cell::kMany];
    if (readers.clocks[warp] == now) {
      // It is one of them already.
    } else if (readers.num_cells == num_cells) {
      readers.clocks[warp] = now;
      readers.site = site;
      memo_ = {};  // it may have led here
    } else {
      Readers own{readers.clocks, site, num_cells};
      own.clocks[warp] = now;
      leave_readers(reader, num_cells);
      reader = add_readers(std::move(own));
    }
  }
  return Cell::of(before.writer(), reader, before.written(), before.last(), read);
}

// Reads from here on are of this event.
void Shadow::begin_read(uint32_t warp, const void* site) {
  if (events_.size() > most_events_) forget_events();
  const uint32_t now = clock(warp, warp);
  if (reading_.warp == warp && reading_.clock == now && reading_.site == site) return;
  reading_ = {warp, now, 0, false, site};
  reading_event_ = event_now(warp, site, 0, false);
  memo_ = {};
}

Conflict Shadow::read_cells(uint32_t warp, uint32_t offset, uint32_t bytes) {
  Conflict first;
  const uint32_t event = reading_event_;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t count, uint32_t mask) {
    const Cell before = cells_[index];
    Cell after = memo_.after;
    if (memo_.valid && mask == 0xf && before == memo_.before) {
      if (after != before && (after.reader() & Cell::kMany) != 0) {
        readers_[after.reader() & ~Cell::kMany].num_cells += count;
        if ((before.reader() & Cell::kMany) != 0) leave_readers(before.reader(), count);
      }
    } else if (mask == 0xf && read_plainly(warp, event, before, &after)) {
      memo_ = {true, before, after};
    } else {
      Conflict conflict;
      if ((before.last() & mask) != 0) ordered(warp, events_[before.writer()], &conflict);
      if (conflict.kind == Conflict::Kind::None && (before.written() & mask) != mask) {
        conflict = {Conflict::Kind::Unwritten, warp, nullptr};
      }
      if (first.kind == Conflict::Kind::None) first = conflict;
      after = after_read(warp, event, before, mask, count);
      if (conflict.kind == Conflict::Kind::None && mask == 0xf) {
        memo_ = {true, before, after};
      }
    }
    if (after != before) fill_cells(cells_.data() + index, count, after);
  });
  return first;
}

Conflict Shadow::read(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes) {
  if (!enabled_ || bytes == 0) return {};
  begin_read(warp, site);
  return read_cells(warp, offset, bytes);
}

// Appends to a conflict that is none.
void Shadow::check_cell(uint32_t warp, Cell cell, uint32_t bytes, Conflict* conflict) const {
  if ((cell.last() & bytes) != 0 && !ordered(warp, events_[cell.writer()], conflict) &&
      conflict->kind == Conflict::Kind::WriteRead) {
    conflict->kind = Conflict::Kind::WriteWrite;
  }
  const uint32_t reader = cell.reader();
  if (conflict->kind != Conflict::Kind::None || reader == 0 || (cell.read() & bytes) == 0) return;
  const auto check = [&](uint32_t other, uint32_t at, const void* site) {
    if (at == 0 || other == warp || clock(warp, other) >= at) return;
    *conflict = {Conflict::Kind::ReadWrite, other, site};
  };
  if ((reader & Cell::kMany) == 0) {
    check(events_[reader].warp, events_[reader].clock, events_[reader].site);
    return;
  }
  const Readers& readers = readers_[reader & ~Cell::kMany];
  for (uint32_t other = 0; other < num_warps_; ++other) {
    check(other, readers.clocks[other], readers.site);
  }
}

Conflict Shadow::check_write(uint32_t warp, uint32_t offset, uint32_t bytes, bool* plain) const {
  Conflict first;
  bool whole = true;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t, uint32_t mask) {
    const Cell cell = cells_[index];
    whole = whole && mask == 0xf && (cell.reader() & Cell::kMany) == 0;
    if (first.kind == Conflict::Kind::None) check_cell(warp, cell, mask, &first);
  });
  if (plain != nullptr) *plain = whole;
  return first;
}

void Shadow::note_write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                        uint32_t copy, bool strong, bool plain) {
  if (events_.size() > most_events_) forget_events();
  const uint32_t event = event_now(warp, site, copy, strong);
  if (plain) {
    fill_cells(cells_.data() + offset / 4, bytes / 4, Cell::of(event, 0, 0xf, 0xf, 0));
    return;
  }
  const uint32_t now = clock(warp, warp);
  for_runs(offset, bytes, [&](uint32_t index, uint32_t count, uint32_t mask) {
    const Cell before = cells_[index];
    // A second half written by the same warp in the same breath belongs to the same write.
    const Event& write = events_[before.writer()];
    const bool same = write.warp == warp && write.clock == now && write.copy == copy;
    if ((before.reader() & Cell::kMany) != 0) leave_readers(before.reader(), count);
    fill_cells(cells_.data() + index, count,
               Cell::of(event, 0, before.written() | mask, same ? before.last() | mask : mask, 0));
  });
}

Conflict Shadow::write_range(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                             uint32_t copy) {
  if (!enabled_ || bytes == 0) return {};
  bool plain = false;
  Conflict first = check_write(warp, offset, bytes, &plain);
  note_write(warp, site, offset, bytes, copy, false, plain);
  if (!sources_.empty()) overwrite_sources(warp, offset, bytes, &first);
  return first;
}

Conflict Shadow::write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes) {
  return write_range(warp, site, offset, bytes, 0);
}

void Shadow::note_address(uint32_t warp, uint32_t offset) {
  if (!enabled_) return;
  Event event = events_[cells_[offset / 4].writer()];
  if (event.clock == 0 || event.warp != warp) return;
  event.address = true;
  events_.push_back(event);
  const Cell cell = cells_[offset / 4];
  cells_[offset / 4] = Cell::of(static_cast<uint32_t>(events_.size() - 1), cell.reader(),
                                cell.written(), cell.last(), cell.read());
}

bool Shadow::try_write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                       uint32_t copy) {
  if (!enabled_ || bytes == 0) return true;
  if (!sources_.empty()) {
    for (uint32_t index = offset / 16; index <= (offset + bytes - 1) / 16; ++index) {
      if (sources_[index].copy != 0) return false;
    }
  }
  bool plain = false;
  if (check_write(warp, offset, bytes, &plain).kind != Conflict::Kind::None) return false;
  note_write(warp, site, offset, bytes, copy, false, plain);
  return true;
}

Conflict Shadow::atomic(uint32_t warp, uint32_t offset, uint32_t bytes) const {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t, uint32_t mask) {
    if (first.kind != Conflict::Kind::None) return;
    const Cell cell = cells_[index];
    if ((cell.written() & mask) != mask) {
      first = {Conflict::Kind::Unwritten, warp, nullptr};
    } else if ((cell.last() & mask) != 0 && !events_[cell.writer()].strong) {
      ordered(warp, events_[cell.writer()], &first);
    }
  });
  return first;
}

}  // namespace fa4::emu
