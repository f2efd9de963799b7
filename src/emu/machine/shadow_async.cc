// SPDX-License-Identifier: Apache-2.0
// The shadow's part of what is asynchronous: operations, and channels, which tell of their end.
#include <algorithm>
#include <bit>

#include "emu/machine/shadow.h"

namespace fa4::emu {

uint32_t Shadow::begin_copy(uint32_t warp) {
  if (!enabled_) return 0;
  copies_.push_back({.warp = warp, .done = {}, .read = {}});
  return static_cast<uint32_t>(copies_.size() - 1);
}

void Shadow::enter_queue(uint32_t copy, uint32_t queue) {
  if (enabled_) copies_[copy].queue = queue;
}

Conflict Shadow::copy_writes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes) {
  if (!enabled_) return {};
  return write_range(copies_[copy].warp, site, offset, bytes, copy);
}

Conflict Shadow::copy_reads(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes) {
  Conflict first;
  if (!enabled_ || bytes == 0) return first;
  const uint32_t warp = copies_[copy].warp;
  copies_[copy].site = site;
  // Tiles are written by few: what has been found for one cell holds for those that the same write made.
  uint32_t last = 0;
  for (uint32_t index = offset / 4; index <= (offset + bytes - 1) / 4; ++index) {
    const Cell cell = cells_[index];
    if (cell.written() != 0xf && first.kind == Conflict::Kind::None) {
      first = {Conflict::Kind::Unwritten, warp, nullptr};
    }
    if (cell.writer() == last) continue;
    last = cell.writer();
    Conflict conflict;
    const Event& write = events_[last];
    if (!(ordered(warp, write, &conflict) && is_fenced(warp, write, &conflict)) &&
        first.kind == Conflict::Kind::None) {
      first = conflict;
    }
  }
  if (sources_.empty()) sources_.assign((cells_.size() + 3) / 4, {});
  uint32_t implied = 0;
  add_sources(copy, offset, bytes, &implied);
  return first;
}

// Four cells, of which one is not like those that were found clean.
bool Shadow::is_clean(Reads& reads, const Cell* cells) const {
  for (const Cell* cell = cells; cell != cells + 4; ++cell) {
    if (cell->bits == reads.clean) continue;
    if (!reads.unwritten && cell->written() != 0xf) return false;
    const uint32_t warp = copies_[reads.copy].warp;
    Conflict unused;
    const Event& write = events_[cell->writer()];
    if (!ordered(warp, write, &unused) || !is_fenced(warp, write, &unused)) return false;
    reads.clean = cell->bits;
  }
  return true;
}

bool Shadow::try_reads(Reads& reads, uint32_t offset, uint32_t bytes) {
  if (!enabled_) return true;
  if (sources_.empty()) sources_.assign((cells_.size() + 3) / 4, {});
  const uint32_t copy = reads.copy;
  copies_[copy].site = reads.site;
  const Cell* cells = cells_.data() + offset / 4;
  Sources* const sources = sources_.data() + offset / 16;
  if (cells->bits != reads.clean && !is_clean(reads, cells)) return false;
  // Mostly all have been written by one, and are read by none or by one that is forgotten.
  const Sources first = *sources;
  if (first.others == 0 && (first.copy == 0 || first.copy == copy || first.copy == reads.implied)) {
    const uint64_t clean = reads.clean;
    uint64_t others = 0;
    for (uint32_t i = 0; i < bytes / 4; ++i) others |= cells[i].bits ^ clean;
    for (uint32_t i = 0; i < bytes / 16; ++i) {
      others |= std::bit_cast<uint64_t>(sources[i]) ^ std::bit_cast<uint64_t>(first);
    }
    if (others == 0) {
      std::fill_n(sources, bytes / 16, Sources{copy, 0});
      return true;
    }
  }
  for (const Cell* const end = cells + bytes / 4; cells != end; cells += 4) {
    const uint64_t clean = reads.clean;
    const uint64_t differs = (cells[0].bits ^ clean) | (cells[1].bits ^ clean) |
                             (cells[2].bits ^ clean) | (cells[3].bits ^ clean);
    if (differs != 0 && !is_clean(reads, cells)) return false;
  }
  add_sources(copy, offset, bytes, &reads.implied);
  return true;
}

bool Shadow::is_known(uint32_t warp, uint32_t offset, uint64_t* clean) const {
  const Cell* const cells = cells_.data() + offset / 4;
  for (const Cell* cell = cells; cell != cells + 4; ++cell) {
    if (cell->bits == *clean) continue;
    Conflict unused;
    const Event& write = events_[cell->writer()];
    if (cell->written() != 0xf || !(write.strong || ordered(warp, write, &unused))) return false;
    *clean = cell->bits;
  }
  return true;
}

// Readers of which the new one's issuer knows, and those before it in its pipe or queue, are forgotten: who knows of the
// new one knows of them.
void Shadow::add_source(uint32_t copy, Sources& sources) {
  const Copy& added = copies_[copy];
  const auto is_implied = [&](uint32_t other) {
    const Copy& reader = copies_[other];
    return (reader.pipe != 0 && reader.pipe == added.pipe) ||
           (reader.queue != 0 && reader.queue == added.queue) || knows_done(added.warp, reader);
  };
  if (sources.others != 0) {
    std::erase_if(lists_[sources.others], is_implied);
    if (lists_[sources.others].empty()) leave_list(sources);
  }
  if (sources.copy != 0 && sources.copy != copy && !is_implied(sources.copy)) {
    if (sources.others == 0 && !free_lists_.empty()) {
      sources.others = free_lists_.back();
      free_lists_.pop_back();
    } else if (sources.others == 0) {
      sources.others = static_cast<uint32_t>(lists_.size());
      lists_.emplace_back();
    }
    std::vector<uint32_t>& others = lists_[sources.others];
    if (std::find(others.begin(), others.end(), sources.copy) == others.end()) {
      others.push_back(sources.copy);
    }
  }
  sources.copy = copy;
}

void Shadow::leave_list(Sources& sources) {
  lists_[sources.others].clear();
  free_lists_.push_back(std::exchange(sources.others, 0));
}

// Of 16 bytes each. `implied`: a reader, alone in some of them, that is forgotten; neighbours mostly have the same one.
void Shadow::add_sources(uint32_t copy, uint32_t offset, uint32_t bytes, uint32_t* implied) {
  for (uint32_t index = offset / 16; index <= (offset + bytes - 1) / 16; ++index) {
    Sources& sources = sources_[index];
    const uint32_t before = sources.copy;
    if (sources.others == 0 && (before == 0 || before == copy || before == *implied)) {
      sources.copy = copy;
      continue;
    }
    add_source(copy, sources);
    if (sources.others == 0) *implied = before;
  }
}

void Shadow::check_source(uint32_t warp, uint32_t reader, Conflict* conflict) const {
  const Copy& copy = copies_[reader];
  if (conflict->kind != Conflict::Kind::None || knows(warp, copy.read) || knows_done(warp, copy)) {
    return;
  }
  const bool waited = copy.pipe == 0 && (copy.read.clock != 0 || copy.done[0].clock != 0);
  *conflict = {waited ? Conflict::Kind::ReadWrite : Conflict::Kind::CopyReading, copy.warp,
               copy.site};
}

void Shadow::overwrite_sources(uint32_t warp, uint32_t offset, uint32_t bytes, Conflict* conflict) {
  // Readers of which the warp knows: neighbours mostly have the same ones.
  uint32_t last = 0, other_last = 0;
  for (uint32_t index = offset / 16; index <= (offset + bytes - 1) / 16; ++index) {
    Sources& sources = sources_[index];
    if (sources.copy == 0) continue;
    const auto check = [&](uint32_t reader) {
      if (reader == last || reader == other_last) return;
      Conflict found;
      check_source(warp, reader, &found);
      if (found.kind == Conflict::Kind::None) {
        other_last = std::exchange(last, reader);
        return;
      }
      if (copies_[reader].pipe != 0 && copies_[reader].kind == TensorKind::Mma) {
        found.kind = Conflict::Kind::MmaReading;
        late_reads_.push_back({reader, index * 16});
      }
      if (conflict->kind == Conflict::Kind::None) *conflict = found;
    };
    check(sources.copy);
    sources.copy = 0;
    if (sources.others == 0) continue;
    for (const uint32_t other : lists_[sources.others]) check(other);
    leave_list(sources);
  }
}

void Shadow::waited(uint32_t copy, uint32_t warp) {
  if (!enabled_) return;
  for (Known& known : copies_[copy].done) {
    if (known.clock != 0 && known.agent == warp) return;
    if (known.clock != 0) continue;
    known = {warp, clock(warp, warp)};
    return;
  }
}

void Shadow::waited_read(uint32_t copy, uint32_t warp) {
  if (!enabled_ || copies_[copy].read.clock != 0) return;
  copies_[copy].read = {warp, clock(warp, warp)};
}

void Shadow::signalled(uint32_t copy, uint32_t channel) {
  if (!enabled_) return;
  for (Known& known : copies_[copy].done) {
    if (known.clock != 0) continue;
    known = {agent_of(channel), channels_[channel].phases + 1};
    return;
  }
}

uint32_t Shadow::add_channel() {
  const auto channel = static_cast<uint32_t>(channels_.size());
  channels_.emplace_back();
  ++num_agents_;
  if (num_agents_ > stride_) {  // rows grow by half
    const uint32_t wider = num_agents_ + num_agents_ / 2 + 16;
    std::vector<uint32_t> clocks(size_t{num_warps_} * wider, 0);
    for (uint32_t warp = 0; warp < num_warps_; ++warp) {
      std::copy_n(clocks_.begin() + static_cast<std::ptrdiff_t>(size_t{warp} * stride_), stride_,
                  clocks.begin() + static_cast<std::ptrdiff_t>(size_t{warp} * wider));
    }
    clocks_ = std::move(clocks);
    stride_ = wider;
  }
  return channel;
}

void Shadow::arrive(uint32_t channel, const Clocks& knowing) {
  if (!enabled_) return;
  Clocks& arrived = channels_[channel].arrived;
  if (arrived.size() < knowing.size()) arrived.resize(knowing.size(), 0);
  for (size_t of = 0; of < knowing.size(); ++of) arrived[of] = std::max(arrived[of], knowing[of]);
}

void Shadow::arrive(uint32_t channel, uint32_t warp) {
  if (!enabled_) return;
  lanes_meet(warp);
  Clocks& arrived = channels_[channel].arrived;
  arrived.resize(num_agents_, 0);
  for (uint32_t of = 0; of < num_agents_; ++of)
    arrived[of] = std::max(arrived[of], clock(warp, of));
  ++clock(warp, warp);
}

void Shadow::arrive_relaxed(uint32_t channel, uint32_t warp) {
  if (!enabled_) return;
  arrive(channel, fenced_[warp]);
  Clocks& before = channels_[channel].came_before;
  if (before.size() < num_warps_) before.resize(num_warps_, 0);
  before[warp] = clock(warp, warp);
  ++clock(warp, warp);
}

void Shadow::complete(uint32_t channel) {
  if (!enabled_) return;
  Channel& of = channels_[channel];
  of.completed = of.arrived;
  of.ended_before = of.came_before;
  ++of.phases;
}

void Shadow::observe(uint32_t channel, uint32_t warp) {
  if (!enabled_) return;
  const Channel& of = channels_[channel];
  uint32_t& known = clock(warp, agent_of(channel));
  if (known >= of.phases) return;  // by another lane, or told by others
  learn(warp, of.completed);
  Clocks& before = before_[warp];
  if (before.size() < of.ended_before.size()) before.resize(of.ended_before.size(), 0);
  for (size_t at = 0; at < of.ended_before.size(); ++at) {
    before[at] = std::max(before[at], of.ended_before[at]);
  }
  known = of.phases;
}

uint32_t Shadow::known_phases(uint32_t channel, uint32_t warp) const {
  return enabled_ ? clock(warp, agent_of(channel)) : 0;
}

Clocks Shadow::knowledge_of(uint32_t warp) const {
  if (!enabled_) return {};
  const auto begin = clocks_.begin() + static_cast<std::ptrdiff_t>(size_t{warp} * stride_);
  return Clocks(begin, begin + num_agents_);
}

}  // namespace fa4::emu
