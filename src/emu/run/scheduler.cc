// SPDX-License-Identifier: Apache-2.0
#include "emu/run/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "emu/isa/table.h"
#include "emu/run/in_flight.h"

namespace fa4::emu {
namespace {

// Instructions are counted by stretches of the code that run without a jump: one more where a stretch begins, one less
// where it has ended, also by an exception.
struct Stretch {
  Stretch(std::vector<uint64_t>& of, const uint32_t& at) : counts(of), pc(at) { ++counts[pc]; }
  ~Stretch() { --counts[pc]; }
  Stretch(const Stretch&) = delete;
  Stretch& operator=(const Stretch&) = delete;

  std::vector<uint64_t>& counts;
  const uint32_t& pc;
};

}  // namespace

ClusterRun::ClusterRun(LaunchState& state)
    : state_(state),
      program_(*state.program),
      policy_(state.options->policy),
      stretches_(program_.code.size() + 1, 0),
      counts_(isa::num_forms(), 0) {
  cluster_.progress = &own_progress_;
}

void ClusterRun::run(uint32_t cluster_index) {
  begin(cluster_index);
  for (;;) {
    switch (turn()) {
      case Turn::Ran:
        break;
      case Turn::Done:
        return;
      case Turn::Stuck:
        if (!wake_pollers()) report_deadlock(state_, {this});
        break;
    }
  }
}

ClusterRun::Turn ClusterRun::turn() {
  gather();
  if (choices_.empty()) {
    if (cluster_.num_live_warps() != 0) return Turn::Stuck;
    end_cluster();
    if (trace_) state_.trace->add(cluster_, *trace_);
    return Turn::Done;
  }
  const Choice choice = choose();
  if (cluster_.random.has_lost_script()) lose_schedule();
  if (trace_) {
    make_traced(choice);
  } else if (choice.warp == nullptr) {
    step_operation(choice.at);
  } else {
    run_split(*choice.warp, choice.at);
  }
  if (state_.stopped) throw Stop("another cluster has stopped");
  return Turn::Ran;
}

void ClusterRun::make_traced(const Choice& choice) {
  if (choice.warp == nullptr) {
    trace_->begin_step(*cluster_.operations[choice.at]);
    step_operation(choice.at);
    trace_->end_step();
    return;
  }
  Warp& warp = *choice.warp;
  const auto instr_at = [&](uint32_t pc) {
    return pc < program_.code.size() ? &program_.code[pc] : nullptr;
  };
  const Instr* first = instr_at(warp.splits[choice.at].pc);
  trace_->begin_turn(warp);
  run_split(warp, choice.at);
  const bool waits = warp.split < warp.splits.size();
  trace_->end_turn(warp, first, waits ? instr_at(warp.splits[warp.split].pc) : nullptr);
}

void ClusterRun::lose_schedule() {
  state_.reports->add(Level::Error, "schedule", "",
                      fmt::format("the schedule is of another run: cluster {} has other choices "
                                  "than were written down",
                                  cluster_.index));
  throw Stop("another schedule");
}

bool ClusterRun::wake_pollers() {
  constexpr uint32_t kMostParks = 2;
  bool woken = false;
  for (const auto& cta : cluster_.ctas) {
    for (Warp& warp : cta->warps) {
      for (Split& split : warp.splits) {
        if (split.wait.kind != WaitOn::Kind::Poll || split.num_parks >= kMostParks) continue;
        split.wait = {};
        split.num_polls = 0;
        ++split.num_parks;
        woken = true;
      }
    }
  }
  return woken;
}

// Whether a split can go on. Lanes that have met their siblings become one split with them.
bool ClusterRun::ready(Warp& warp, size_t at) {
  Split& split = warp.splits[at];
  switch (split.wait.kind) {
    case WaitOn::Kind::Nothing:
      return true;
    case WaitOn::Kind::NamedBarrier:
      return warp.cta->barriers[split.wait.id].generation > split.wait.generation;
    case WaitOn::Kind::CpAsync:
    case WaitOn::Kind::BulkGroup:
    case WaitOn::Kind::Wgmma:
    case WaitOn::Kind::TensorLoad:
    case WaitOn::Kind::TensorStore:
      return groups_are_done(warp, split.mask, split.wait);
    case WaitOn::Kind::Mbarrier: {
      const BarrierRecord& record = cluster_.mbarriers.records()[split.wait.id];
      return !record.live || record.phase > split.wait.generation;
    }
    case WaitOn::Kind::ClusterBarrier:
      return cluster_.barrier.generation > split.wait.generation;
    case WaitOn::Kind::Registers:
      return warp.cta->free_registers >= split.wait.id;
    case WaitOn::Kind::TensorMemory:
      return Tmem::can_allocate(warp);
    case WaitOn::Kind::Poll:
      return *cluster_.progress != split.wait.generation;
    case WaitOn::Kind::Join:
      return siblings_have_come(warp, split);
    case WaitOn::Kind::WarpBarrier:  // others have exited since: they are no longer waited for
      return split.wait.generation != warp.exited;
  }
  return false;
}

void ClusterRun::gather() {
  choices_.clear();
  for (const auto& cta : cluster_.ctas) {
    for (Warp& warp : cta->warps) {
      settle(warp);
      for (size_t at = 0; at < warp.splits.size(); ++at) {
        if (!ready(warp, at)) continue;
        choices_.push_back({&warp, at});
        if (trace_) trace_->note_ready(warp, warp.splits[at]);
      }
    }
  }
  num_runnable_ = choices_.size();
  for (size_t at = 0; at < cluster_.operations.size(); ++at) {
    if (cluster_.operations[at]->enabled()) choices_.push_back({nullptr, at});
  }
}

const ClusterRun::Choice& ClusterRun::choose() {
  return choices_[cluster_.random.decide(choices_.size(), [&] { return choice_of_policy(); })];
}

size_t ClusterRun::choice_of_policy() {
  const size_t steps = choices_.size() - num_runnable_;
  switch (policy_) {
    case Policy::Eager: {
      if (num_runnable_ == 0) return 0;
      // Round robin: the first warp behind the one that ran last.
      const auto end = choices_.begin() + static_cast<std::ptrdiff_t>(num_runnable_);
      const auto behind = std::find_if(choices_.begin(), end, [&](const Choice& choice) {
        return choice.warp->agent >= next_warp_;
      });
      const auto choice = behind == end ? choices_.begin() : behind;
      next_warp_ = choice->warp->agent + 1;
      return static_cast<size_t>(choice - choices_.begin());
    }
    case Policy::Lazy:
      return 0;  // warps first, then the oldest operation
    case Policy::Reverse:
      return num_runnable_ != 0 ? num_runnable_ - 1 : choices_.size() - 1;
    case Policy::Starve: {  // other warps, then the oldest operation, then those
      size_t at = 0;
      while (at < num_runnable_ && is_starved(*choices_[at].warp)) ++at;
      return at < choices_.size() ? at : 0;
    }
    case Policy::Torn:
    case Policy::Random:
      break;
  }
  Random& random = cluster_.random;
  if (steps != 0 && (num_runnable_ == 0 || random.draw(4) == 0)) {
    return num_runnable_ + random.draw(steps);
  }
  return random.draw(num_runnable_);
}

// Torn: a few steps, and the rest at some other moment. Random: all that read, all that write, or the signal.
void ClusterRun::step_operation(size_t at) {
  AsyncOp& op = *cluster_.operations[at];
  size_t steps = op.num_steps() + 1;
  if (policy_ == Policy::Torn) {
    steps = 1 + cluster_.random.below(op.num_steps() / 4 + 1);
  } else if (policy_ == Policy::Random) {
    const size_t made = op.num_made();
    steps = made < op.num_reads()   ? op.num_reads() - made
            : made < op.num_steps() ? op.num_steps() - made
                                    : 1;
  }
  for (; steps != 0 && !op.finished() && op.enabled(); --steps) op.advance();
  if (!op.finished()) return;
  op.retire();
  cluster_.operations.erase(cluster_.operations.begin() + static_cast<std::ptrdiff_t>(at));
}

void ClusterRun::count_instructions(uint64_t instructions) {
  if (state_.instructions.fetch_add(instructions) + instructions <=
      state_.options->most_instructions) {
    return;
  }
  state_.reports->add(
      Level::Error, "livelock", "",
      fmt::format("deadlock: the launch has run {} warp instructions, the most that it may",
                  state_.options->most_instructions));
  throw Stop("step limit");
}

void ClusterRun::run_split(Warp& warp, size_t at) {
  warp.split = at;
  if (warp.splits[at].wait.kind == WaitOn::Kind::Poll) warp.splits[at].wait = {};
  const bool shuffles = policy_ == Policy::Random || policy_ == Policy::Torn;
  const uint64_t quantum = shuffles           ? 1 + cluster_.random.below(4096)
                           : is_starved(warp) ? 1  // until others may see what it did
                                              : std::numeric_limits<uint64_t>::max();
  const uint64_t begun = warp.retired;
  const Instr* const code = program_.code.data();
  const auto end = static_cast<uint32_t>(program_.code.size());
  uint64_t counted = begun;
  for (;;) {
    Split* split = &warp.splits[at];
    // Its depth of calls stays as it is until the next jump.
    const bool joins = !split->joins.empty() && split->joins.back().depth == split->depth();
    const uint32_t stop = joins ? std::min(split->joins.back().pc, end) : end;
    const LaneMask mask = split->mask;
    uint32_t pc = split->pc;
    Outcome outcome = Outcome::Next;
    {
      const Stretch stretch(stretches_, pc);
      for (; pc != stop && pc < end; ++pc) {
        const Instr& instr = code[pc];
        LaneMask active = mask;
        if (instr.guard != kNoGuard) {
          const LaneMask guard = warp.predicates[instr.guard & ~kGuardNegated];
          active &= (instr.guard & kGuardNegated) != 0 ? ~guard : guard;
          if (active == 0) {
            --counts_[instr.form];  // its stretch counts it
            continue;
          }
        }
        split->pc = pc;
        warp.active = active;
        warp.current = &instr;
        ++warp.retired;
        if (instr.flags != 0) touch_registers(warp, program_.uses_of(pc));
        outcome = instr.exec(warp, instr);
        if (outcome != Outcome::Next) break;
      }
      if (outcome == Outcome::Branch || outcome == Outcome::Yield) ++pc;  // it is made
    }
    split = &warp.splits[at];
    if (outcome == Outcome::Wait) break;
    if (outcome == Outcome::Next) {
      split->pc = pc;
      if (split->is_at_join()) {
        split->wait = {WaitOn::Kind::Join, 0, 0};
      } else {  // behind the last instruction
        warp.exited |= mask;
        split->mask = 0;
        end_lanes(warp);
      }
      break;
    }
    if (outcome == Outcome::Branch && split->mask == 0) {
      end_lanes(warp);
      break;
    }
    if (outcome == Outcome::Yield) {
      split->pc = pc;
      if (split->wait.kind != WaitOn::Kind::Nothing) break;  // parked
      if (warp.retired - begun >= quantum) break;
    }
    if (warp.retired - counted >= 1 << 20) {
      count_instructions(warp.retired - counted);
      counted = warp.retired;
    }
  }
  count_instructions(warp.retired - counted);
}

std::vector<uint64_t> ClusterRun::counts() const {
  std::vector<uint64_t> counts = counts_;
  uint64_t times = 0;
  for (size_t pc = 0; pc < program_.code.size(); ++pc) {
    times += stretches_[pc];
    counts[program_.code[pc].form] += times;
  }
  return counts;
}

// A split without lanes goes; with the last one the warp has exited, and barriers no longer expect it.
void ClusterRun::end_lanes(Warp& warp) {
  warp.splits.erase(warp.splits.begin() + static_cast<std::ptrdiff_t>(warp.split));
  note_progress(cluster_);
  complete_if_full(cluster_);
  if (!warp.splits.empty()) return;
  for (uint32_t id = 0; id < kNumNamedBarriers; ++id) complete_if_full(*warp.cta, id);
}

}  // namespace fa4::emu
