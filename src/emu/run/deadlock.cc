// SPDX-License-Identifier: Apache-2.0
// What is said when nothing can move.
#include <fmt/format.h>

#include "emu/run/scheduler.h"

namespace fa4::emu {

std::string ClusterRun::what_it_waits_for(const Warp& warp, const Split& split) const {
  switch (split.wait.kind) {
    case WaitOn::Kind::NamedBarrier: {
      const NamedBarrier& barrier = warp.cta->barriers[split.wait.id];
      return fmt::format(
          "at barrier {}, generation {}: {} of {} threads have come", split.wait.id,
          barrier.generation, barrier.arrived,
          barrier.all_threads ? warp.cta->num_live_warps() * kLanes : barrier.expected);
    }
    case WaitOn::Kind::WarpBarrier:
      return "for other lanes of their warp";
    case WaitOn::Kind::Join:
      return "for lanes that a branch has parted from them";
    case WaitOn::Kind::CpAsync:
      return "for their copies";
    case WaitOn::Kind::BulkGroup:
      return "for their bulk groups";
    case WaitOn::Kind::Wgmma:
      return "for their wgmma groups";
    case WaitOn::Kind::Mbarrier: {
      const BarrierRecord& record = cluster_.mbarriers.records()[split.wait.id];
      return fmt::format("at mbarrier {:#x} for phase {}: it is in phase {}", record.address,
                         split.wait.generation, record.phase);
    }
    case WaitOn::Kind::ClusterBarrier:
      return fmt::format("at the cluster's barrier, generation {}", split.wait.generation);
    case WaitOn::Kind::Registers:
      return fmt::format("for {} registers; {} are free", split.wait.id, warp.cta->free_registers);
    case WaitOn::Kind::Poll:
      return "in a loop for something that nobody changes";
    case WaitOn::Kind::Nothing:
      break;
  }
  return "";
}

std::string ClusterRun::who_waits() const {
  std::string text;
  for (const auto& cta : cluster_.ctas) {
    for (const Warp& warp : cta->warps) {
      for (const Split& split : warp.splits) {
        text += fmt::format("\n  {:<7} lanes {:#010x} wait {}", cluster_.name_of(warp.agent),
                            split.mask, what_it_waits_for(warp, split));
        if (split.pc < program_.code.size()) {
          text += fmt::format("\n          at {}", program_.site(program_.code[split.pc]));
        }
      }
    }
  }
  return text;
}

void report_deadlock(LaunchState& state, const std::vector<const ClusterRun*>& runs) {
  std::string text = "deadlock: ";
  for (size_t i = 0; i < runs.size(); ++i) {
    text += (i == 0 ? "" : "\n") + runs[i]->whose();
    text += runs[i]->who_waits();
  }
  state.reports->add(Level::Error, "deadlock", "", std::move(text));
  throw Stop("deadlock");
}

std::string ClusterRun::whose() const {
  const Cta& first = *cluster_.ctas.front();
  return fmt::format("{} warps of {} ({}, {}, {}) wait and nothing can move",
                     cluster_.num_live_warps(),
                     cluster_.ctas.size() == 1 ? "CTA" : "the cluster that begins with CTA",
                     first.index[0], first.index[1], first.index[2]);
}

// What must not be left when all have exited.
void ClusterRun::end_cluster() {}

}  // namespace fa4::emu
