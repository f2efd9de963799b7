// SPDX-License-Identifier: Apache-2.0
// The shadow's part of tensor memory. Only operations touch it, so that its cells have no readers, but sources. A pipe
// (machine/tensor_op.h) is a channel: a warp knows how far it has come, as it knows phases of an mbarrier. Most blocks are written
// whole, and are then one cell.
#include <algorithm>

#include "emu/machine/shadow_runs.h"

namespace fa4::emu {

uint32_t Shadow::add_memory(uint32_t bytes) {
  const auto num_cells = static_cast<uint32_t>(cells_.size());
  const uint32_t base = (num_cells * 4 + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  if (!enabled_) return base;
  if (blocks_.empty()) tensor_base_ = base;
  const uint32_t num_blocks = (bytes + kBlockBytes - 1) / kBlockBytes;
  blocks_.resize(blocks_.size() + num_blocks);
  cells_.resize((base + num_blocks * kBlockBytes) / 4);
  if (!sources_.empty()) sources_.resize(cells_.size() / 4);
  return base;
}

// Calls body(block, begin, end) for the parts of a range, each of one block.
template <class Body>
void Shadow::for_blocks(uint32_t offset, uint32_t bytes, Body body) {
  const uint32_t end = offset + bytes;
  while (offset < end) {
    const uint32_t next = std::min(end, (offset / kBlockBytes + 1) * kBlockBytes);
    body(blocks_[(offset - tensor_base_) / kBlockBytes], offset, next);
    offset = next;
  }
}

// Calls body(cell, bytes) for different cells of a range; bytes: which of each.
template <class Body>
void Shadow::for_tensor_cells(uint32_t offset, uint32_t bytes, Body body) {
  for_blocks(offset, bytes, [&](const Block& block, uint32_t begin, uint32_t end) {
    if (block.all_equal && end - begin == kBlockBytes) return body(block.cell, 0xfu);
    for_runs(begin, end - begin, [&](uint32_t index, uint32_t, uint32_t mask) {
      body(block.all_equal ? block.cell : cells_[index], mask);
    });
  });
}

// The cells of a block get what it has.
void Shadow::spread(Block& block) {
  if (!block.all_equal) return;
  block.all_equal = false;
  const auto index = static_cast<size_t>(&block - blocks_.data());
  const auto first = static_cast<std::ptrdiff_t>((tensor_base_ + index * kBlockBytes) / 4);
  std::fill_n(cells_.begin() + first, kBlockBytes / 4, block.cell);
}

// Replaces the cells of a range: each by next(cell, bytes), which of whole blocks makes equal ones.
template <class Next>
void Shadow::replace_tensor_cells(uint32_t offset, uint32_t bytes, Next next) {
  for_blocks(offset, bytes, [&](Block& block, uint32_t begin, uint32_t end) {
    const bool whole = end - begin == kBlockBytes;
    if (whole && block.all_equal) {
      block.cell = next(block.cell, 0xfu);
      return;
    }
    spread(block);
    for_runs(begin, end - begin, [&](uint32_t index, uint32_t count, uint32_t mask) {
      const Cell cell = next(cells_[index], mask);
      std::fill_n(cells_.begin() + static_cast<std::ptrdiff_t>(index), count, cell);
    });
    if (whole) {
      block.cell = cells_[begin / 4];
      block.all_equal = true;
    }
  });
}

void Shadow::enter_pipe(uint32_t copy, uint32_t channel, uint32_t position, TensorKind kind,
                        uint64_t key) {
  if (!enabled_) return;
  Copy& entering = copies_[copy];
  entering.done[0] = {agent_of(channel), position};
  entering.pipe = channel + 1;
  entering.kind = kind;
  entering.key = key;
}

Clocks Shadow::with_pipe(Clocks knowing, uint32_t channel, uint32_t position) const {
  if (!enabled_) return knowing;
  if (knowing.size() < num_agents_) knowing.resize(num_agents_, 0);
  uint32_t& known = knowing[agent_of(channel)];
  known = std::max(known, position);
  return knowing;
}

bool Shadow::pipelined(const Copy& earlier, const Copy& later) {
  if (earlier.pipe == 0 || earlier.pipe != later.pipe) return false;
  return is_pipelined(earlier.kind, earlier.key, later.kind, later.key);
}

// Whether an operation may touch what was written.
bool Shadow::tensor_ordered(const Copy& by, const Event& write, Conflict* conflict) const {
  if (write.copy == 0) return ordered(by.warp, write, conflict);
  const Copy& other = copies_[write.copy];
  if (&other == &by || pipelined(other, by) || knows_done(by.warp, other)) return true;
  const bool same_pipe = other.pipe != 0 && other.pipe == by.pipe;
  const bool waited = other.pipe == 0 && other.done[0].clock != 0;
  *conflict = {same_pipe ? Conflict::Kind::PipeOrder
               : waited  ? Conflict::Kind::WriteRead
                         : Conflict::Kind::CopyPending,
               other.warp, write.site};
  return false;
}

Conflict Shadow::tensor_reads(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes,
                              bool unwritten) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  Copy& by = copies_[copy];
  by.site = site;
  bool any_unwritten = false;
  uint32_t last = 0;  // what has been found for one cell holds for those of the same write
  for_tensor_cells(offset, bytes, [&](Cell cell, uint32_t mask) {
    any_unwritten = any_unwritten || (cell.written() & mask) != mask;
    if (cell.writer() == last || (cell.last() & mask) == 0) return;
    last = cell.writer();
    Conflict conflict;
    if (!tensor_ordered(by, events_[last], &conflict) && first.kind == Conflict::Kind::None) {
      first = conflict;
    }
  });
  if (any_unwritten && !unwritten && first.kind == Conflict::Kind::None) {
    first = {Conflict::Kind::Unwritten, by.warp, nullptr};
  }
  if (sources_.empty()) sources_.assign((cells_.size() + 3) / 4, {});
  for_blocks(offset, bytes, [&](Block& block, uint32_t, uint32_t) { block.any_source = true; });
  uint32_t implied = 0;
  add_sources(copy, offset, bytes, &implied);
  return first;
}

void Shadow::check_tensor_sources(const Copy& by, Sources& sources, Conflict* conflict) {
  const auto check = [&](uint32_t reader) {
    const Copy& other = copies_[reader];
    if (conflict->kind != Conflict::Kind::None || &other == &by || pipelined(other, by)) return;
    if (other.pipe != 0 && other.pipe == by.pipe) {
      if (!knows_done(by.warp, other)) {
        *conflict = {Conflict::Kind::PipeOrder, other.warp, other.site};
      }
      return;
    }
    check_source(by.warp, reader, conflict);
  };
  check(sources.copy);
  sources.copy = 0;
  if (sources.others == 0) return;
  for (const uint32_t other : lists_[sources.others]) check(other);
  leave_list(sources);
}

void Shadow::overwrite_tensor_sources(const Copy& by, uint32_t offset, uint32_t bytes,
                                      Conflict* conflict) {
  for_blocks(offset, bytes, [&](Block& block, uint32_t begin, uint32_t end) {
    if (!block.any_source) return;
    for (uint32_t index = begin / 16; index <= (end - 1) / 16; ++index) {
      if (sources_[index].copy != 0) check_tensor_sources(by, sources_[index], conflict);
    }
    block.any_source = end - begin != kBlockBytes;
  });
}

Conflict Shadow::tensor_writes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes,
                               bool accumulates) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  if (events_.size() > most_events_) forget_events();
  Copy& by = copies_[copy];
  const uint32_t event = event_now(by.warp, site, copy, false);
  bool any_unwritten = false;
  uint32_t last = 0;
  const auto check = [&](Cell cell, uint32_t mask) {
    any_unwritten = any_unwritten || (cell.written() & mask) != mask;
    if (cell.writer() == last || (cell.last() & mask) == 0) return;
    last = cell.writer();
    Conflict conflict;
    if (tensor_ordered(by, events_[last], &conflict)) return;
    if (conflict.kind == Conflict::Kind::WriteRead) conflict.kind = Conflict::Kind::WriteWrite;
    if (first.kind == Conflict::Kind::None) first = conflict;
  };
  replace_tensor_cells(offset, bytes, [&](Cell before, uint32_t mask) {
    check(before, mask);
    // Other lanes written by the same operation belong to the same write.
    const uint32_t same = events_[before.writer()].copy == copy ? before.last() : 0;
    return Cell::of(event, 0, before.written() | mask, same | mask, 0);
  });
  overwrite_tensor_sources(by, offset, bytes, &first);
  if (any_unwritten && accumulates && first.kind == Conflict::Kind::None) {
    first = {Conflict::Kind::Unwritten, by.warp, nullptr};
  }
  return first;
}

bool Shadow::is_any_written(uint32_t offset, uint32_t bytes) {
  if (!enabled_) return true;
  bool any = false;
  for_tensor_cells(offset, bytes,
                   [&](Cell cell, uint32_t mask) { any = any || (cell.written() & mask) != 0; });
  return any;
}

bool Shadow::is_all_written(uint32_t offset, uint32_t bytes) {
  if (!enabled_) return true;
  bool all = true;
  for_tensor_cells(offset, bytes,
                   [&](Cell cell, uint32_t mask) { all = all && (cell.written() & mask) == mask; });
  return all;
}

Conflict Shadow::forget(uint32_t warp, uint32_t offset, uint32_t bytes) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  Copy by;
  by.warp = warp;
  replace_tensor_cells(offset, bytes, [&](Cell cell, uint32_t mask) {
    Conflict conflict;
    if ((cell.last() & mask) != 0 && !tensor_ordered(by, events_[cell.writer()], &conflict)) {
      if (conflict.kind == Conflict::Kind::WriteRead) conflict.kind = Conflict::Kind::WriteWrite;
      if (first.kind == Conflict::Kind::None) first = conflict;
    }
    return Cell();
  });
  overwrite_tensor_sources(by, offset, bytes, &first);
  return first;
}

}  // namespace fa4::emu
