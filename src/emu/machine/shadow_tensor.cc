// SPDX-License-Identifier: Apache-2.0
// The shadow's part of tensor memory. Only operations touch it, so that its cells have no readers, but sources. A pipe
// (machine/tensor_op.h) is a channel: a warp knows how far it has come, as it knows phases of an mbarrier.
#include <algorithm>

#include "emu/machine/shadow_runs.h"

namespace fa4::emu {

uint32_t Shadow::add_memory(uint32_t bytes) {
  const auto base = static_cast<uint32_t>((cells_.size() + 3) / 4 * 16);
  if (!enabled_) return base;
  cells_.resize(base / 4 + bytes / 4);
  if (!sources_.empty()) sources_.resize((cells_.size() + 3) / 4);
  return base;
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
  for_runs(offset, bytes, [&](uint32_t index, uint32_t, uint32_t mask) {
    const Cell cell = cells_[index];
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
  for (uint32_t index = offset / 16; index <= (offset + bytes - 1) / 16; ++index) {
    add_source(copy, sources_[index]);
  }
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
  lists_[sources.others].clear();
}

Conflict Shadow::tensor_writes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  Copy& by = copies_[copy];
  uint32_t last = 0;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t, uint32_t mask) {
    const Cell cell = cells_[index];
    if (cell.writer() == last || (cell.last() & mask) == 0) return;
    last = cell.writer();
    Conflict conflict;
    if (tensor_ordered(by, events_[last], &conflict)) return;
    if (conflict.kind == Conflict::Kind::WriteRead) conflict.kind = Conflict::Kind::WriteWrite;
    if (first.kind == Conflict::Kind::None) first = conflict;
  });
  note_write(by.warp, site, offset, bytes, copy, false);
  if (sources_.empty()) return first;
  for (uint32_t index = offset / 16; index <= (offset + bytes - 1) / 16; ++index) {
    if (sources_[index].copy != 0) check_tensor_sources(by, sources_[index], &first);
  }
  return first;
}

bool Shadow::is_any_written(uint32_t offset, uint32_t bytes) const {
  if (!enabled_) return true;
  bool any = false;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t, uint32_t mask) {
    any = any || (cells_[index].written() & mask) != 0;
  });
  return any;
}

bool Shadow::is_all_written(uint32_t offset, uint32_t bytes) const {
  if (!enabled_) return true;
  bool all = true;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t, uint32_t mask) {
    all = all && (cells_[index].written() & mask) == mask;
  });
  return all;
}

Conflict Shadow::forget(uint32_t warp, uint32_t offset, uint32_t bytes) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  Copy by;
  by.warp = warp;
  for_runs(offset, bytes, [&](uint32_t index, uint32_t count, uint32_t mask) {
    const Cell cell = cells_[index];
    Conflict conflict;
    if ((cell.last() & mask) != 0 && !tensor_ordered(by, events_[cell.writer()], &conflict)) {
      if (conflict.kind == Conflict::Kind::WriteRead) conflict.kind = Conflict::Kind::WriteWrite;
      if (first.kind == Conflict::Kind::None) first = conflict;
    }
    std::fill_n(cells_.begin() + static_cast<std::ptrdiff_t>(index), count, Cell());
  });
  if (sources_.empty()) return first;
  for (uint32_t index = offset / 16; index <= (offset + bytes - 1) / 16; ++index) {
    if (sources_[index].copy != 0) check_tensor_sources(by, sources_[index], &first);
  }
  return first;
}

}  // namespace fa4::emu
