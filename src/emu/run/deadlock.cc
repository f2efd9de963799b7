// SPDX-License-Identifier: Apache-2.0
// What is said when nothing can move: who waits for what, who has come there, and what has probably happened.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "emu/run/scheduler.h"
#include "emu/run/story.h"

namespace fa4::emu {
namespace {

// Of the first operation that a split waits for and that cannot go on.
std::string why_held_up(const Cluster& cluster, const Warp& warp, const Split& split) {
  for (const auto& op : cluster.operations) {
    if (!op->holds_up(warp, split.mask, split.wait)) continue;
    const std::string why = op->why_disabled();
    if (why.empty()) continue;
    return fmt::format("; {}: {}", why, warp.cta->describer->site(*op->site));
  }
  return "";
}

}  // namespace

std::string ClusterRun::what_it_waits_for(const Warp& warp, const Split& split) const {
  switch (split.wait.kind) {
    case WaitOn::Kind::NamedBarrier: {
      const NamedBarrier& barrier = warp.cta->barriers[split.wait.id];
      return fmt::format(
          "wait at barrier {}, generation {}: {} of {} threads have come", split.wait.id,
          barrier.generation, barrier.arrived,
          barrier.all_threads ? warp.cta->num_live_warps() * kLanes : barrier.expected);
    }
    case WaitOn::Kind::WarpBarrier:
      return "wait for other lanes of their warp";
    case WaitOn::Kind::Join:
      return "wait for lanes that a branch has parted from them";
    case WaitOn::Kind::CpAsync:
      return "wait for their copies";
    case WaitOn::Kind::BulkGroup:
      return "wait for their bulk groups";
    case WaitOn::Kind::Wgmma:
      return "wait for their wgmma groups" + why_held_up(cluster_, warp, split);
    case WaitOn::Kind::Mbarrier:
      return state_of_wait(cluster_, cluster_.mbarriers.records()[split.wait.id],
                           split.wait.generation);
    case WaitOn::Kind::ClusterBarrier:
      return fmt::format("wait at the cluster's barrier, generation {}: {} threads have not come",
                         split.wait.generation, cluster_.num_missing());
    case WaitOn::Kind::Registers:
      return fmt::format("wait for {} registers; {} are free", split.wait.id,
                         warp.cta->free_registers);
    case WaitOn::Kind::TensorLoad:
      return "wait for what they load of tensor memory";
    case WaitOn::Kind::TensorStore:
      return "wait for what they store to tensor memory";
    case WaitOn::Kind::TensorMemory:
      return warp.cta->tmem.what_allocation_waits_for(warp);
    case WaitOn::Kind::Poll:
      return "look again and again at what nobody changes";
    case WaitOn::Kind::Nothing:
      break;
  }
  return "wait";
}

// What a split waits for, where, and who has come there.
std::string ClusterRun::story_of(const Warp& warp, const Split& split) const {
  std::string text = fmt::format("lanes {:#010x} {}", split.mask, what_it_waits_for(warp, split));
  if (split.pc < program_.code.size()) {
    text += fmt::format("\n          at    {}", program_.site(program_.code[split.pc]));
  }
  if (split.wait.kind == WaitOn::Kind::Mbarrier) {
    text += events_of_phase(cluster_, cluster_.mbarriers.records()[split.wait.id]);
  }
  return text;
}

std::string ClusterRun::who_waits() const {
  std::string text, last, others;  // others: warps of which the last story holds too
  const auto finish = [&] {
    if (!others.empty()) text += "\n          likewise " + others;
    others.clear();
  };
  for (const auto& cta : cluster_.ctas) {
    for (const Warp& warp : cta->warps) {
      for (const Split& split : warp.splits) {
        const std::string name = cluster_.name_of(warp.agent), story = story_of(warp, split);
        if (story == last) {
          others += (others.empty() ? "" : ", ") + name;
          continue;
        }
        finish();
        text += fmt::format("\n  {:<7} {}", name, story);
        last = story;
      }
    }
  }
  finish();
  return text + cycle_of_waits(cluster_) + likely_stories(cluster_);
}

std::string ClusterRun::whose() const {
  const Cta& first = *cluster_.ctas.front();
  return fmt::format(
      "{} warps of {} ({}, {}, {}) wait and nothing can move{}", cluster_.num_live_warps(),
      cluster_.ctas.size() == 1 ? "CTA" : "the cluster that begins with CTA", first.index[0],
      first.index[1], first.index[2],
      cluster_.operations.empty()
          ? std::string()
          : fmt::format("; {} operations are in flight", cluster_.operations.size()));
}

void report_deadlock(LaunchState& state, const std::vector<const ClusterRun*>& runs) {
  std::string text = "deadlock: ";
  for (size_t i = 0; i < runs.size(); ++i) {
    text += (i == 0 ? "" : "\n") + runs[i]->whose() + runs[i]->who_waits();
  }
  state.reports->add(Level::Error, "deadlock", "", std::move(text));
  throw Stop("deadlock");
}

// What must not be left when all have exited.
void ClusterRun::end_cluster() {
  for (const auto& cta : cluster_.ctas) {
    const std::string left = cta->tmem.leftovers();
    if (left.empty()) continue;
    state_.reports->add(Level::Error, "tmem.leak", left,
                        fmt::format("tensor memory lost: CTA ({}, {}, {}) has exited with {}",
                                    cta->index[0], cta->index[1], cta->index[2], left));
  }
  for (const BarrierRecord& record : cluster_.mbarriers.records()) {
    if (!record.live || record.tx == 0) continue;
    const std::string name = cluster_.name_of_shared(record.address);
    state_.reports->add(
        Level::Error, "mbar.tx_leak", name,
        fmt::format("lost bytes: {} bytes {} {} in phase {}, and all warps have exited{}",
                    std::abs(record.tx),
                    record.tx > 0 ? "have not come that are expected by"
                                  : "have come that were not expected by",
                    name, record.phase, events_of_phase(cluster_, record)));
  }
  for (const auto& op : cluster_.operations) {  // only those that cannot go on are left
    const std::string why = op->why_disabled();
    state_.reports->add(
        Level::Error, "async.unfinished", program_.site(*op->site),
        fmt::format("unfinished: {} of {} is never made, and all warps have exited{}", op->what(),
                    cluster_.name_of(op->warp->agent), why.empty() ? "" : "; " + why + " it"));
  }
}

}  // namespace fa4::emu
