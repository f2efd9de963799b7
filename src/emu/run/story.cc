// SPDX-License-Identifier: Apache-2.0
#include "emu/run/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <vector>

namespace fa4::emu {
namespace {

using EventKind = BarrierEvent::Kind;

int64_t bytes_of_kind(const BarrierPhase* phase, EventKind kind) {
  int64_t bytes = 0;
  if (phase == nullptr) return 0;
  for (const BarrierEvent& event : phase->events) bytes += event.kind == kind ? event.bytes : 0;
  return bytes;
}

size_t count_of_kind(const BarrierPhase* phase, EventKind kind) {
  if (phase == nullptr) return 0;
  return static_cast<size_t>(std::count_if(phase->events.begin(), phase->events.end(),
                                           [&](const BarrierEvent& e) { return e.kind == kind; }));
}

const BarrierPhase* phase_before(const BarrierRecord& record) {
  return record.phase == 0 ? nullptr : record.of(record.phase - 1);
}

// Agents that have come in a phase, or whose operations have.
std::set<uint32_t> agents_of(const BarrierPhase* phase) {
  std::set<uint32_t> agents;
  if (phase == nullptr) return agents;
  for (const BarrierEvent& event : phase->events) agents.insert(event.agent);
  return agents;
}

// The barrier that an agent waits on; null: none.
const BarrierRecord* awaited_by(const Cluster& cluster, uint32_t agent) {
  for (const Split& split : cluster.warp_of(agent).splits) {
    if (split.wait.kind == WaitOn::Kind::Mbarrier) {
      return &cluster.mbarriers.records()[split.wait.id];
    }
  }
  return nullptr;
}

// Who should come to a barrier: those who did before and have not now.
std::set<uint32_t> awaited_agents(const BarrierRecord& record) {
  std::set<uint32_t> agents;
  for (const BarrierPhase& phase : record.history) {
    if (phase.phase == record.phase || phase.phase == ~uint64_t{0}) continue;
    agents.merge(agents_of(&phase));
  }
  if (record.tx == 0) {
    for (const uint32_t come : agents_of(record.of(record.phase))) agents.erase(come);
  }
  return agents;
}

bool find_cycle(const Cluster& cluster, uint32_t agent, std::vector<uint32_t>* path,
                std::set<uint32_t>* visited) {
  const auto on_path = std::find(path->begin(), path->end(), agent);
  if (on_path != path->end()) {
    path->erase(path->begin(), on_path);
    return true;
  }
  const BarrierRecord* barrier = awaited_by(cluster, agent);
  if (barrier == nullptr || !visited->insert(agent).second) return false;
  path->push_back(agent);
  for (const uint32_t next : awaited_agents(*barrier)) {
    if (find_cycle(cluster, next, path, visited)) return true;
  }
  path->pop_back();
  return false;
}

std::string story_of_bytes(const BarrierRecord& record) {
  const BarrierPhase* now = record.of(record.phase);
  const BarrierPhase* before = phase_before(record);
  const size_t come = count_of_kind(now, EventKind::Complete);
  const size_t came = count_of_kind(before, EventKind::Complete);
  if (record.tx < 0) {
    return fmt::format("bytes differ by {}: more have come than were expected", -record.tx);
  }
  if (before != nullptr && come < came) {
    return fmt::format(
        "{} of {} operations that bring its bytes was never issued (phase {} had {})", came - come,
        came, record.phase - 1, came);
  }
  if (come == 0) return "no operation that brings its bytes was ever issued";
  return fmt::format(
      "bytes differ by {}: the operations that came brought fewer than were expected", record.tx);
}

std::string story_of_arrivals(const Cluster& cluster, const BarrierRecord& record) {
  const BarrierPhase* now = record.of(record.phase);
  // Its copy in another CTA that is ahead, or has what is missing here.
  for (const BarrierRecord& other : cluster.mbarriers.records()) {
    const bool copy = other.live && other.address != record.address &&
                      (other.address & kOffsetMask) == (record.address & kOffsetMask);
    if (!copy || (other.phase <= record.phase && other.pending >= record.pending)) continue;
    return fmt::format(
        "an arrival may have gone to the copy of rank {}, which is in phase {} with "
        "{} of {} arrivals pending",
        other.address >> kRankShift, other.phase, other.pending, other.expected);
  }
  if (record.phase == 0 && count_of_kind(now, EventKind::Arrive) == 0) {
    return "nobody has come in phase 0; whoever waits for a slot to be free begins with parity 1";
  }
  std::string missing;
  for (const uint32_t agent : awaited_agents(record)) {
    missing += (missing.empty() ? "" : ", ") + cluster.name_of(agent);
  }
  if (!missing.empty()) {
    return fmt::format("{} arrivals are missing; before, {} came too", record.pending, missing);
  }
  return fmt::format("{} arrivals are missing: fewer come than it was initialised with",
                     record.pending);
}

}  // namespace

std::string state_of_wait(const Cluster& cluster, const BarrierRecord& record, uint64_t phase) {
  const BarrierPhase* now = record.of(record.phase);
  std::string text = fmt::format(
      "wait on {}, phase {} (parity {}): arrivals {}/{}", cluster.name_of_shared(record.address),
      phase, phase & 1, static_cast<int64_t>(record.expected) - record.pending, record.expected);
  if (record.tx > 0) {
    text +=
        fmt::format(", {} of {} bytes missing", record.tx, bytes_of_kind(now, EventKind::Expect));
  } else if (record.tx < 0) {
    text += fmt::format(", {} bytes more than expected", -record.tx);
  }
  if (record.phase != phase) text += fmt::format(" (it is in phase {})", record.phase);
  return text;
}

std::string events_of_phase(const Cluster& cluster, const BarrierRecord& record) {
  std::string text;
  const BarrierPhase* now = record.of(record.phase);
  const BarrierPhase* shown = now != nullptr ? now : phase_before(record);
  if (shown == nullptr) return text;
  const Describer& describer = *cluster.ctas.front()->describer;
  constexpr size_t kMostShown = 8;
  for (size_t i = 0; i < std::min(kMostShown, shown->events.size()); ++i) {
    const BarrierEvent& event = shown->events[i];
    std::string who = cluster.name_of(event.agent);
    if (event.operation != 0) who = fmt::format("{} #{} of {}", event.what, event.operation, who);
    const std::string did =
        event.kind == EventKind::Arrive
            ? fmt::format("{} arrivals", event.count)
            : fmt::format("{} {} bytes", event.kind == EventKind::Expect ? "expects" : "delivered",
                          event.bytes);
    text += fmt::format("\n          phase {}: {}, {} at {}", shown->phase, who, did,
                        describer.site(*event.site));
  }
  if (shown->events.size() > kMostShown) {
    text += fmt::format("\n          and {} more", shown->events.size() - kMostShown);
  }
  return text;
}

std::string cycle_of_waits(const Cluster& cluster) {
  std::set<uint32_t> visited;
  for (const auto& cta : cluster.ctas) {
    for (const Warp& warp : cta->warps) {
      std::vector<uint32_t> path;
      if (!find_cycle(cluster, warp.agent, &path, &visited)) continue;
      std::string text = "\n  cycle   ";
      for (const uint32_t agent : path) {
        text += fmt::format("{} -> {} -> ", cluster.name_of(agent),
                            cluster.name_of_shared(awaited_by(cluster, agent)->address));
      }
      return text + cluster.name_of(path.front());
    }
  }
  return "";
}

std::string likely_stories(const Cluster& cluster) {
  std::set<const BarrierRecord*> told;
  std::string text;
  for (const auto& cta : cluster.ctas) {
    for (const Warp& warp : cta->warps) {
      const BarrierRecord* record = awaited_by(cluster, warp.agent);
      if (record == nullptr || !told.insert(record).second) continue;
      text += fmt::format(
          "\n  hint    {}: {}", cluster.name_of_shared(record->address),
          record->pending > 0 ? story_of_arrivals(cluster, *record) : story_of_bytes(*record));
    }
  }
  return text;
}

}  // namespace fa4::emu
