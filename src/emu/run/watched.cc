// SPDX-License-Identifier: Apache-2.0
#include "emu/run/watched.h"

#include <fmt/format.h>

#include <bit>

#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

LaneMask unwritten_low(const Warp& warp, const WatchedPart& part) {
  return part.low == 0 ? 0 : warp.predicates[part.low];
}

LaneMask unwritten_high(const Warp& warp, const WatchedPart& part) {
  if (part.bits <= 16) return unwritten_low(warp, part);
  return part.high == 0 ? 0 : warp.predicates[part.high];
}

// Lanes in which some of a value is unwritten, and in which all of it is.
struct Unwrit {
  LaneMask some = 0, all = 0;
};

Unwrit state_of(const Warp& warp, const WatchedRead& read) {
  Unwrit state{0, kAllLanes};
  for (const WatchedPart& part : read.parts) {
    const LaneMask low = unwritten_low(warp, part), high = unwritten_high(warp, part);
    state.some |= low | high;
    state.all &= low & high;
  }
  return state;
}

void report_unwritten(Warp& warp, const WatchedRead& read, LaneMask lanes) {
  report(warp, Level::Error, "reg.uninit",
         fmt::format(
             "uninitialised read: lane {} uses {}, which nobody has written on its way here{}{}",
             std::countr_zero(lanes), read.name, read.writes.empty() ? "" : "; it is written at",
             read.writes));
}

void set_unwritten(Warp& warp, const WatchedPart& part, LaneMask low, LaneMask high) {
  const auto set = [&](uint16_t index, LaneMask value) {
    if (index == 0) return;
    warp.predicates[index] = (warp.predicates[index] & ~warp.active) | (value & warp.active);
  };
  if (part.low == part.high) return set(part.low, low | high);
  set(part.low, low);
  set(part.high, high);
}

// 16 bits each, in the order of the parts; empty: they do not fill what is written.
std::vector<LaneMask> halves_of(const Warp& warp, const Watch& watch, size_t num_reads) {
  std::vector<LaneMask> halves;
  for (size_t i = 0; i < num_reads; ++i) {
    for (const WatchedPart& part : watch.reads[i].parts) {
      if (part.bits < 16) return {};
      halves.push_back(unwritten_low(warp, part));
      if (part.bits > 16) halves.push_back(unwritten_high(warp, part));
    }
  }
  size_t wanted = 0;
  for (const WatchedPart& part : watch.writes)
    wanted += part.bits > 16 ? 2 : part.bits == 16 ? 1 : 1000;
  return halves.size() == wanted ? halves : std::vector<LaneMask>();
}

void check_uses(Warp& warp, const Watch& watch, size_t num_reads) {
  for (size_t i = 0; i < num_reads; ++i) {
    const WatchedRead& read = watch.reads[i];
    const Unwrit state = state_of(warp, read);
    const LaneMask bad = read.is_address                    ? state.some
                         : watch.kind == Watch::Kind::Use   ? state.some
                         : watch.kind == Watch::Kind::Store ? state.all
                                                            : 0;
    if ((bad & warp.active) != 0) report_unwritten(warp, read, bad & warp.active);
  }
}

}  // namespace

Outcome execute_watched(Warp& warp, const Instr& instr) {
  const WatchTable& table = *warp.cta->watched;
  const Watch& watch = table.watches[table.at[warp.splits[warp.split].pc] - 1];
  const size_t num_reads = watch.reads.size() - (watch.reads_guard ? 1 : 0);
  if (watch.reads_guard) {
    const LaneMask bad = state_of(warp, watch.reads.back()).some & warp.active;
    if (bad != 0) report_unwritten(warp, watch.reads.back(), bad);
    const LaneMask value = warp.predicates[watch.guard & ~kGuardNegated];
    warp.active &= (watch.guard & kGuardNegated) != 0 ? ~value : value;
    if (warp.active == 0) return Outcome::Next;
  }
  check_uses(warp, watch, num_reads);
  Unwrit sources{0, num_reads == 0 ? 0 : kAllLanes};
  for (size_t i = 0; i < num_reads; ++i) {
    const Unwrit state = state_of(warp, watch.reads[i]);
    sources.some |= state.some;
    sources.all &= state.all;
  }
  const std::vector<LaneMask> halves =
      watch.kind == Watch::Kind::Copy ? halves_of(warp, watch, num_reads) : std::vector<LaneMask>();
  const LaneMask active = warp.active;
  const Outcome outcome = watch.exec(warp, instr);
  if (outcome == Outcome::Wait) return outcome;
  warp.active = active;
  size_t at = 0;
  for (const WatchedPart& part : watch.writes) {
    LaneMask low = 0, high = 0;
    if (!halves.empty()) {
      low = halves[at++];
      high = part.bits > 16 ? halves[at++] : low;
    } else if (watch.kind == Watch::Kind::Value) {
      low = high = sources.some;
    } else if (watch.kind == Watch::Kind::Bits || watch.kind == Watch::Kind::Copy) {
      low = high = sources.all;
    }
    set_unwritten(warp, part, low, high);
  }
  return outcome;
}

}  // namespace fa4::emu
