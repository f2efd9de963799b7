// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/mbarrier.h"

#include <fmt/format.h>

#include <cstring>

#include "emu/machine/cluster.h"
#include "emu/machine/memory.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kBarrierBytes = 8;

// What lies in shared memory: pending, expected, phase, and a check of these and of the address.
uint64_t word_of(const BarrierRecord& record) {
  const uint64_t state = (static_cast<uint64_t>(record.pending) & 0xfffff) |
                         (static_cast<uint64_t>(record.expected) & 0xfffff) << 20 |
                         (record.phase & 0xff) << 40;
  uint64_t check =
      (state ^ record.address ^ static_cast<uint64_t>(record.tx) << 7) * 0x9e3779b97f4a7c15;
  check ^= check >> 32;
  return state | check << 48;
}

std::byte* bytes_of_record(Cluster& cluster, const BarrierRecord& record) {
  return cta_of(cluster, record.address)->shared.data() + (record.address & kOffsetMask);
}

void write_word(Cluster& cluster, const BarrierRecord& record) {
  const uint64_t word = word_of(record);
  std::memcpy(bytes_of_record(cluster, record), &word, sizeof(word));
}

void misuse(Warp& warp, std::string_view code, const std::string& text) {
  report(warp, Level::Error, code, "barrier misuse: " + text);
}

// The record of a barrier that an instruction names; null: it may not, which has been reported.
BarrierRecord* live_barrier(Warp& warp, uint64_t address, int lane) {
  Cluster& cluster = *warp.cta->cluster;
  if (place_in_shared(warp, address, lane, kBarrierBytes, Access::Atomic, kBarrierBytes, true) ==
      nullptr) {
    return nullptr;
  }
  const auto at = static_cast<uint32_t>(address);
  BarrierRecord* record = cluster.mbarriers.find(at);
  if (record == nullptr || !record->live) {
    misuse(warp, "mbar.not_initialised",
           fmt::format("lane {} uses {}, which {}", lane, name_of_mbarrier(warp, at),
                       record == nullptr ? "has never been initialised" : "has been invalidated"));
    return nullptr;
  }
  const uint64_t expected = word_of(*record);
  uint64_t word = 0;
  std::memcpy(&word, bytes_of_record(cluster, *record), sizeof(word));
  if (word != expected) {
    misuse(warp, "mbar.clobbered",
           fmt::format("{} does not hold what the last instruction left there: something has "
                       "written over it",
                       name_of_mbarrier(warp, at)));
    write_word(cluster, *record);
  }
  return record;
}

void remember(BarrierRecord& record, const BarrierEvent& event) {
  BarrierPhase& at = record.history[record.phase % record.history.size()];
  if (at.phase != record.phase) {
    at.phase = record.phase;
    at.events.clear();
  }
  // Lanes of one instruction are one event.
  if (!at.events.empty()) {
    BarrierEvent& last = at.events.back();
    if (last.kind == event.kind && last.agent == event.agent && last.site == event.site &&
        last.operation == event.operation) {
      last.lanes |= event.lanes;
      last.count += event.count;
      last.bytes += event.bytes;
      return;
    }
  }
  constexpr size_t kMostEvents = 64;
  if (at.events.size() < kMostEvents) at.events.push_back(event);
}

BarrierEvent event_of(const Warp& warp, BarrierEvent::Kind kind, int lane) {
  return {.kind = kind,
          .agent = warp.agent,
          .lanes = LaneMask{1} << lane,
          .site = warp.current,
          .operation = 0,
          .what = "",
          .count = 0,
          .bytes = 0};
}

BarrierEvent event_of(const AsyncOp& op, BarrierEvent::Kind kind) {
  return {.kind = kind,
          .agent = op.warp->agent,
          .lanes = op.lanes,
          .site = op.site,
          .operation = op.number,
          .what = op.what(),
          .count = 0,
          .bytes = 0};
}

void end_phase_if_complete(Cluster& cluster, BarrierRecord& record) {
  if (record.pending <= 0 && record.tx == 0) {
    ++record.phase;
    record.pending = record.expected;
    cluster.shadow.complete(record.channel);
  }
  write_word(cluster, record);
  note_progress(cluster);
}

void add_tx(Warp& warp, BarrierRecord& record, int64_t bytes) {
  record.tx += bytes;
  if (record.tx > kMostBarrierCount || record.tx < -kMostBarrierCount) {
    misuse(warp, "mbar.tx_range",
           fmt::format("{} would have {} bytes to come; the most is {}",
                       name_of_mbarrier(warp, record.address), record.tx, kMostBarrierCount));
  }
}

// False: more have come than are expected, which has been reported.
bool take_arrivals(Warp& warp, BarrierRecord& record, uint32_t count) {
  if (count > record.pending) {
    misuse(warp, "mbar.overarrive",
           fmt::format("{} arrivals at {} in phase {}, where {} of {} are still to come", count,
                       name_of_mbarrier(warp, record.address), record.phase, record.pending,
                       record.expected));
    record.pending = 0;
    return false;
  }
  record.pending -= count;
  return true;
}

}  // namespace

std::string name_of_mbarrier(const Warp& warp, uint32_t address) {
  return "mbarrier " + warp.cta->cluster->name_of_shared(address);
}

BarrierRecord* known_barrier(Warp& warp, uint64_t address, int lane) {
  BarrierRecord* record = live_barrier(warp, address, lane);
  if (record != nullptr) {
    resolve(warp, Space::SharedCluster, address, lane, kBarrierBytes, Access::Atomic);
  }
  return record;
}

void init_barrier(Warp& warp, uint32_t address, int lane, uint32_t count) {
  Cluster& cluster = *warp.cta->cluster;
  if (count == 0 || count > kMostBarrierCount) {
    misuse(warp, "mbar.count",
           fmt::format("{} is initialised with {} arrivals; it takes 1 to {}",
                       name_of_mbarrier(warp, address), count, kMostBarrierCount));
    return;
  }
  BarrierRecord* before = cluster.mbarriers.find(address);
  const bool reinit = before != nullptr && before->live;
  if (resolve(warp, Space::Shared, address, lane, kBarrierBytes, Access::Write) == nullptr) return;
  if (reinit) {
    misuse(warp, "mbar.reinit",
           fmt::format("{} is initialised again without mbarrier.inval; it was at {}",
                       name_of_mbarrier(warp, address),
                       warp.cta->describer->site(*before->initialised_at)));
  }
  BarrierRecord& record = cluster.mbarriers.add(address);
  if (before == nullptr) {
    record.address = address;
    record.channel = cluster.shadow.add_channel();
  } else {
    record.first_known_phase += static_cast<uint32_t>(record.phase);
  }
  record.live = true;
  record.expected = count;
  record.pending = count;
  record.tx = 0;
  record.phase = 0;
  record.history = {};
  record.seen.assign(cluster.ctas.size() * warp.cta->warps.size(), -1);
  record.initialised_at = warp.current;
  write_word(cluster, record);
  note_progress(cluster);
}

void invalidate_barrier(Warp& warp, uint32_t address, int lane) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return;
  resolve(warp, Space::Shared, address, lane, kBarrierBytes, Access::Write);
  record->live = false;
  note_progress(*warp.cta->cluster);
}

uint64_t arrive_at_barrier(Warp& warp, uint32_t address, int lane, const BarrierArrival& arrival) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return 0;
  Cluster& cluster = *warp.cta->cluster;
  const uint64_t state = state_of(record->phase, record->pending);
  if (arrival.expects) {
    BarrierEvent event = event_of(warp, BarrierEvent::Kind::Expect, lane);
    event.bytes = arrival.expect_bytes;
    remember(*record, event);
    add_tx(warp, *record, arrival.expect_bytes);
  }
  BarrierEvent event = event_of(warp, BarrierEvent::Kind::Arrive, lane);
  event.count = arrival.count;
  remember(*record, event);
  if (arrival.count == 0 || arrival.count > kMostBarrierCount) {
    misuse(warp, "mbar.count",
           fmt::format("{} arrivals at {}; there may be 1 to {}", arrival.count,
                       name_of_mbarrier(warp, address), kMostBarrierCount));
    return state;
  }
  if (arrival.drops) {
    if (arrival.count > record->expected) {
      misuse(warp, "mbar.overarrive",
             fmt::format("{} arrivals are dropped from {}, which expects {}", arrival.count,
                         name_of_mbarrier(warp, address), record->expected));
    }
    record->expected -= std::min(record->expected, arrival.count);
  }
  if (arrival.releases) cluster.shadow.arrive(record->channel, warp.agent);
  take_arrivals(warp, *record, arrival.count);
  if (!arrival.completes && record->pending == 0 && record->tx == 0) {
    misuse(warp, "mbar.no_complete",
           fmt::format("an arrival with .noComplete completes phase {} of {}", record->phase,
                       name_of_mbarrier(warp, address)));
  }
  end_phase_if_complete(cluster, *record);
  return state;
}

void expect_bytes(Warp& warp, uint32_t address, int lane, int64_t bytes) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return;
  BarrierEvent event = event_of(warp, BarrierEvent::Kind::Expect, lane);
  event.bytes = bytes;
  remember(*record, event);
  add_tx(warp, *record, bytes);
  write_word(*warp.cta->cluster, *record);
  note_progress(*warp.cta->cluster);
}

void complete_bytes(Warp& warp, uint32_t address, int lane, int64_t bytes) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return;
  BarrierEvent event = event_of(warp, BarrierEvent::Kind::Complete, lane);
  event.bytes = bytes;
  remember(*record, event);
  add_tx(warp, *record, -bytes);
  end_phase_if_complete(*warp.cta->cluster, *record);
}

void complete_tx(Cluster& cluster, uint32_t address, int64_t bytes, AsyncOp& op) {
  const int lane = std::countr_zero(op.lanes);
  BarrierRecord* record = live_barrier(*op.warp, address, lane);
  if (record == nullptr) return;
  BarrierEvent event = event_of(op, BarrierEvent::Kind::Complete);
  event.bytes = bytes;
  remember(*record, event);
  // Who observes this phase knows that the operation is done, and what its issuer knew.
  cluster.shadow.signalled(op.id, record->channel);
  cluster.shadow.arrive(record->channel, op.known_at_issue);
  add_tx(*op.warp, *record, -bytes);
  end_phase_if_complete(cluster, *record);
}

void add_pending(Warp& warp, uint32_t address, int lane) {
  BarrierRecord* record = known_barrier(warp, address, lane);
  if (record == nullptr) return;
  ++record->pending;
  write_word(*warp.cta->cluster, *record);
}

void arrive_by(Cluster& cluster, uint32_t address, uint32_t count, AsyncOp& op) {
  BarrierRecord* record = live_barrier(*op.warp, address, std::countr_zero(op.lanes));
  if (record == nullptr) return;
  BarrierEvent event = event_of(op, BarrierEvent::Kind::Arrive);
  event.count = count;
  remember(*record, event);
  cluster.shadow.arrive(record->channel, op.known_at_issue);
  take_arrivals(*op.warp, *record, count);
  end_phase_if_complete(cluster, *record);
}

}  // namespace fa4::emu
