// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/shadow.h"

#include <algorithm>

namespace fa4::emu {
namespace {

// Bits of the bytes [offset, offset + bytes) within the cell at `cell` * 4.
uint8_t bytes_within(uint32_t cell, uint32_t offset, uint32_t bytes) {
  const uint32_t begin = std::max(cell * 4, offset) - cell * 4;
  const uint32_t end = std::min(cell * 4 + 4, offset + bytes) - cell * 4;
  return static_cast<uint8_t>(((1u << end) - 1) & ~((1u << begin) - 1));
}

}  // namespace

void Shadow::reset(bool enabled, uint32_t bytes, uint32_t num_warps) {
  enabled_ = enabled;
  num_warps_ = num_agents_ = num_warps;
  stride_ = num_warps;
  clocks_.assign(size_t{num_warps} * stride_, 0);
  for (uint32_t warp = 0; warp < num_warps; ++warp) clock(warp, warp) = 1;
  cells_.assign(enabled ? (bytes + 3) / 4 : 0, {});
  copies_.assign(1, {});  // 0 is no operation
  readers_.clear();
  sources_.clear();
  lists_.assign(1, {});
  channels_.clear();
}

bool Shadow::knows(uint32_t warp, const Known& known) const {
  return known.clock != 0 && (known.agent == warp || clock(warp, known.agent) >= known.clock);
}

bool Shadow::knows_done(uint32_t warp, const Copy& copy) const {
  return std::any_of(copy.done.begin(), copy.done.end(),
                     [&](const Known& known) { return knows(warp, known); });
}

// Whether a warp knows of the last write of a cell.
bool Shadow::ordered(uint32_t warp, const Cell& cell, Conflict* conflict) const {
  if (cell.write_clock == 0) return true;
  if (cell.copy != 0) {
    const Copy& copy = copies_[cell.copy];
    if (copy.done[0].clock == 0) {
      *conflict = {Conflict::Kind::CopyPending, copy.warp, cell.write_site};
      return false;
    }
    if (knows_done(warp, copy)) return true;
    // Somebody has waited, and has not told this one.
    *conflict = {Conflict::Kind::WriteRead, copy.warp, cell.write_site};
    return false;
  }
  if (cell.write_warp == warp || clock(warp, cell.write_warp) >= cell.write_clock) return true;
  *conflict = {Conflict::Kind::WriteRead, cell.write_warp, cell.write_site};
  return false;
}

Conflict Shadow::read(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes) {
  Conflict conflict;
  if (!enabled_ || bytes == 0) return conflict;
  const uint32_t now = clock(warp, warp);
  for (uint32_t index = offset / 4; index <= (offset + bytes - 1) / 4; ++index) {
    Cell& cell = cells_[index];
    const uint8_t mask = bytes_within(index, offset, bytes);
    if ((cell.last_bytes & mask) != 0) ordered(warp, cell, &conflict);
    if (conflict.kind == Conflict::Kind::None && (cell.written & mask) != mask) {
      conflict = {Conflict::Kind::Unwritten, warp, nullptr};
    }
    if (cell.read_clock == 0 || (cell.read_warp == warp && cell.read_bytes == mask)) {
      cell.read_warp = static_cast<uint16_t>(warp);
      cell.read_clock = now;
      cell.read_bytes = mask;
    } else if (cell.read_warp != kManyReaders && cell.read_warp != warp) {
      std::vector<uint32_t>& clocks = readers_.emplace_back(num_warps_, 0);
      clocks[cell.read_warp] = cell.read_clock;
      clocks[warp] = now;
      cell.extra = static_cast<uint32_t>(readers_.size() - 1);
      cell.read_warp = kManyReaders;
      cell.read_bytes |= mask;
    } else {
      if (cell.read_warp == kManyReaders) readers_[cell.extra][warp] = now;
      cell.read_clock = now;
      cell.read_bytes |= mask;
    }
    cell.read_site = site;
  }
  return conflict;
}

Conflict Shadow::write_cell(uint32_t warp, const void* site, Cell& cell, uint8_t bytes,
                            uint32_t copy) {
  Conflict conflict;
  if ((cell.last_bytes & bytes) != 0 && !ordered(warp, cell, &conflict) &&
      conflict.kind == Conflict::Kind::WriteRead) {
    conflict.kind = Conflict::Kind::WriteWrite;
  }
  if (conflict.kind == Conflict::Kind::None && cell.read_clock != 0 &&
      (cell.read_bytes & bytes) != 0) {
    const auto unordered = [&](uint32_t reader, uint32_t at) {
      if (at == 0 || reader == warp || clock(warp, reader) >= at) return;
      conflict = {Conflict::Kind::ReadWrite, reader, cell.read_site};
    };
    if (cell.read_warp == kManyReaders) {
      for (uint32_t reader = 0; reader < num_warps_; ++reader) {
        unordered(reader, readers_[cell.extra][reader]);
      }
    } else {
      unordered(cell.read_warp, cell.read_clock);
    }
  }
  const uint32_t now = clock(warp, warp);
  if (cell.read_warp == kManyReaders) {
    std::fill(readers_[cell.extra].begin(), readers_[cell.extra].end(), 0);
  }
  // A second half written by the same warp in the same breath belongs to the same write.
  const bool same = cell.write_warp == warp && cell.write_clock == now && cell.copy == copy;
  cell.last_bytes = static_cast<uint8_t>(same ? cell.last_bytes | bytes : bytes);
  cell.written |= bytes;
  cell.write_warp = static_cast<uint16_t>(warp);
  cell.write_clock = now;
  cell.copy = copy;
  cell.write_site = site;
  if (cell.read_warp == kManyReaders) {
    cell.read_clock = 1;  // the vector has the clocks
    cell.read_bytes = 0;
  } else {
    cell.read_clock = 0;
    cell.read_bytes = 0;
  }
  return conflict;
}

Conflict Shadow::write_range(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                             uint32_t copy) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  for (uint32_t index = offset / 4; index <= (offset + bytes - 1) / 4; ++index) {
    const Conflict conflict =
        write_cell(warp, site, cells_[index], bytes_within(index, offset, bytes), copy);
    if (first.kind == Conflict::Kind::None) first = conflict;
  }
  if (!sources_.empty()) overwrite_sources(warp, offset, bytes, &first);
  return first;
}

Conflict Shadow::write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes) {
  return write_range(warp, site, offset, bytes, 0);
}

Conflict Shadow::atomic(uint32_t warp, uint32_t offset, uint32_t bytes) const {
  if (!enabled_) return {};
  for (uint32_t index = offset / 4; index <= (offset + bytes - 1) / 4; ++index) {
    const uint8_t mask = bytes_within(index, offset, bytes);
    if ((cells_[index].written & mask) != mask) return {Conflict::Kind::Unwritten, warp, nullptr};
    Conflict conflict;
    if ((cells_[index].last_bytes & mask) != 0 && !ordered(warp, cells_[index], &conflict)) {
      return conflict;
    }
  }
  return {};
}

void Shadow::join(std::span<const uint32_t> came, std::span<const uint32_t> waiting) {
  Clocks all(num_agents_, 0);
  for (const uint32_t warp : came) {
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
