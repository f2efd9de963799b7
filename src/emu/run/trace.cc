// SPDX-License-Identifier: Apache-2.0
#include "emu/run/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace fa4::emu {
namespace {

constexpr size_t kMostSlices = size_t{1} << 20;  // of a cluster

Engine engine_of(std::string_view what) {
  if (what.starts_with("TMA") || what.starts_with("bulk")) return Engine::Tma;
  if (what == "tcgen05.ld" || what == "tcgen05.st") return Engine::TensorMemory;
  if (what.starts_with("tcgen05") || what == "wgmma") return Engine::Tensor;
  return what == "cp.async" ? Engine::Copies : Engine::Other;
}

// What only signals takes no engine's time.
bool is_signal(const AsyncOp& op) { return op.num_steps() == 0; }

}  // namespace

const char* name_of(Engine engine) {
  switch (engine) {
    case Engine::Tma:
      return "TMA";
    case Engine::Tensor:
      return "tensor core";
    case Engine::TensorMemory:
      return "tensor memory";
    case Engine::Copies:
      return "cp.async";
    case Engine::Other:
      return "other operations";
  }
  return "";
}

void ClusterTrace::begin(const Cluster& cluster) {
  size_t num_agents = 0;
  for (const auto& cta : cluster.ctas) num_agents += cta->warps.size();
  *this = ClusterTrace(*names_);
  cluster_ = &cluster;
  agents_.resize(num_agents);
  engine_free_.resize(cluster.ctas.size() * kNumEngines, 0);
}

void ClusterTrace::add(TraceSlice slice) {
  if (slices_.size() < kMostSlices) {
    slices_.push_back(std::move(slice));
  } else {
    ++num_lost_;
  }
}

std::string ClusterTrace::name_of_wait(const WaitOn& wait) const {
  switch (wait.kind) {
    case WaitOn::Kind::Mbarrier:
      return cluster_->name_of_shared(cluster_->mbarriers.records()[wait.id].address);
    case WaitOn::Kind::NamedBarrier:
      return fmt::format("barrier {}", wait.id);
    case WaitOn::Kind::ClusterBarrier:
      return "the cluster's barrier";
    case WaitOn::Kind::CpAsync:
      return "cp.async";
    case WaitOn::Kind::BulkGroup:
      return "bulk group";
    case WaitOn::Kind::Wgmma:
      return "wgmma";
    case WaitOn::Kind::TensorMemory:
      return "tcgen05.alloc";
    case WaitOn::Kind::Registers:
      return "registers";
    case WaitOn::Kind::Poll:
      return "polling";
    default:
      return "";  // lanes of the warp wait for one another
  }
}

// When a wait ended: with the turn that has just ended, or with the latest of those that came to the barrier before.
uint64_t ClusterTrace::ready_time(const Warp& warp, const WaitOn& wait) const {
  uint64_t time = last_turn_end_;
  switch (wait.kind) {
    case WaitOn::Kind::Mbarrier: {
      const BarrierRecord& record = cluster_->mbarriers.records()[wait.id];
      const BarrierPhase* phase = record.of(wait.generation);
      if (phase == nullptr || phase->events.empty()) return time;
      uint64_t latest = 0;
      for (const BarrierEvent& event : phase->events) {
        if (event.operation != 0) {
          const auto found = ended_.find(event.operation);
          if (found != ended_.end()) latest = std::max(latest, found->second);
        } else {
          const auto found = arrivals_.find({record.index, wait.generation, event.agent});
          latest = std::max(latest, found != arrivals_.end() ? found->second : time);
        }
      }
      return latest;
    }
    case WaitOn::Kind::CpAsync:
    case WaitOn::Kind::BulkGroup:
    case WaitOn::Kind::Wgmma:
      return agents_[warp.agent].operations;
    case WaitOn::Kind::NamedBarrier: {
      const auto found = barriers_.find({warp.cta->rank, wait.id, wait.generation});
      return found == barriers_.end() ? time : std::max(time, found->second);
    }
    case WaitOn::Kind::Join:
    case WaitOn::Kind::WarpBarrier:
      return 0;
    default:
      return time;
  }
}

void ClusterTrace::note_ready(const Warp& warp, const Split& split) {
  Agent& agent = agents_[warp.agent];
  if (agent.is_ready) return;
  agent.is_ready = true;
  agent.ready = ready_time(warp, split.wait);
}

void ClusterTrace::begin_turn(const Warp& warp) {
  Agent& agent = agents_[warp.agent];
  const uint64_t begin = std::max(agent.clock, agent.ready);
  if (begin > agent.clock && !agent.waits_for.empty()) {
    add({TraceSlice::Kind::Wait, warp.cta->rank, warp.index, agent.clock, begin, agent.waits_for,
         agent.waits_at});
  }
  agent.clock = begin;
  agent.ready = 0;
  turn_retired_ = warp.retired;
}

void ClusterTrace::end_turn(const Warp& warp, const Instr* first, const Instr* last) {
  Agent& agent = agents_[warp.agent];
  const uint64_t begin = agent.clock;
  agent.clock += warp.retired - turn_retired_;
  last_turn_end_ = agent.clock;
  if (agent.clock != begin) {
    add({TraceSlice::Kind::Run, warp.cta->rank, warp.index, begin, agent.clock, "run",
         first != nullptr ? names_->site(*first) : ""});
  }
  // What the split waits for that has run; it may be gone.
  agent.is_ready = true;
  agent.waits_for.clear();
  if (warp.split < warp.splits.size()) {
    const WaitOn& wait = warp.splits[warp.split].wait;
    agent.is_ready = wait.kind == WaitOn::Kind::Nothing;
    agent.waits_for = name_of_wait(wait);
    agent.waits_at = last != nullptr ? names_->site(*last) : "";
    if (wait.kind == WaitOn::Kind::NamedBarrier) {
      uint64_t& latest = barriers_[{warp.cta->rank, wait.id, wait.generation}];
      latest = std::max(latest, agent.clock);
    }
  }
  note_arrivals(warp);
  find_issued();
}

// Arrivals of a warp in this turn, at the turn's end.
void ClusterTrace::note_arrivals(const Warp& warp) {
  for (const BarrierRecord& record : cluster_->mbarriers.records()) {
    for (const BarrierPhase& phase : record.history) {
      for (const BarrierEvent& event : phase.events) {
        if (event.agent != warp.agent || event.operation != 0) continue;
        arrivals_.try_emplace({record.index, phase.phase, warp.agent}, last_turn_end_);
      }
    }
  }
}

void ClusterTrace::find_issued() {
  const auto& operations = cluster_->operations;
  for (auto at = operations.rbegin(); at != operations.rend(); ++at) {
    if ((*at)->number <= last_operation_) break;
    issued_[(*at)->number] = agents_[(*at)->warp->agent].clock;
  }
  last_operation_ = cluster_->num_operations;
}

void ClusterTrace::begin_step(const AsyncOp& op) {
  step_ = {TraceSlice::Kind::Operation,
           op.warp->cta->rank,
           static_cast<uint32_t>(engine_of(op.what())),
           0,
           0,
           op.what(),
           ""};
  step_.issuer = op.warp->index;
  step_agent_ = op.warp->agent;
  step_number_ = op.number;
  step_length_ = is_signal(op) ? 0 : op.num_steps() + 1;
  step_site_ = op.site;
}

// The operation is not there any more when it has finished.
void ClusterTrace::end_step() {
  const auto& operations = cluster_->operations;
  const bool unfinished = std::any_of(operations.begin(), operations.end(),
                                      [&](const auto& op) { return op->number == step_number_; });
  if (unfinished) return;
  const auto issued = issued_.find(step_number_);
  step_.issued = issued == issued_.end() ? last_turn_end_ : issued->second;
  uint64_t& free = engine_free_[size_t{step_.rank} * kNumEngines + step_.track];
  step_.begin = std::max(step_.issued, free);
  step_.end = step_.begin + step_length_;
  free = step_.end;
  if (issued != issued_.end()) issued_.erase(issued);
  ended_[step_number_] = step_.end;
  last_turn_end_ = step_.end;
  Agent& agent = agents_[step_agent_];
  agent.operations = std::max(agent.operations, step_.end);
  if (step_length_ == 0) return;
  step_.site = names_->site(*step_site_);
  add(step_);
}

}  // namespace fa4::emu
