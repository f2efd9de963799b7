// SPDX-License-Identifier: Apache-2.0
// All clusters of a launch: on all threads of the host, or beside one another on one.
#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>

#include "emu/isa/table.h"
#include "emu/run/launch.h"
#include "emu/run/scheduler.h"

namespace fa4::emu {
namespace {

void add_counts_of(const ClusterRun& run, std::vector<uint64_t>* counts) {
  const std::vector<uint64_t> own = run.counts();
  for (size_t form = 0; form < counts->size(); ++form) (*counts)[form] += own[form];
}

// Clusters that may wait for one another through global memory.
class Residents {
 public:
  explicit Residents(LaunchState& state)
      : state_(state), random_(state.options->seed ^ 0x7265736964656e74) {}

  void run() {
    for (;;) {
      while (live_.size() < state_.options->resident && admit()) {
      }
      if (live_.empty()) return;
      if (turn()) continue;
      // All are stuck. A device has room for many clusters: more may come before that is a deadlock.
      if (live_.size() < kMostResident && admit()) continue;
      bool woken = false;
      for (const auto& run : live_) woken = run->wake_pollers() || woken;
      if (woken) continue;
      std::vector<const ClusterRun*> runs;
      for (const auto& run : live_) runs.push_back(run.get());
      report_deadlock(state_, runs);
    }
  }

  void add_counts(std::vector<uint64_t>* counts) const {
    for (const auto& run : idle_) add_counts_of(*run, counts);
    for (const auto& run : live_) add_counts_of(*run, counts);
  }

 private:
  static constexpr size_t kMostResident = 132;

  // One more; false: none is pending.
  bool admit() {
    const std::optional<uint32_t> index = state_.pending.take();
    if (!index) return false;
    if (idle_.empty()) {
      idle_.push_back(std::make_unique<ClusterRun>(state_));
      idle_.back()->share_progress(&progress_);
    }
    idle_.back()->begin(*index);
    live_.push_back(std::move(idle_.back()));
    idle_.pop_back();
    return true;
  }

  // A turn of one cluster that can go on; false: none can. The first one (reverse: the last, torn and random: any) is
  // tried first.
  bool turn() {
    const size_t count = live_.size();
    const Policy policy = state_.options->policy;
    size_t first = 0;
    if (policy == Policy::Torn || policy == Policy::Random) first = random_.below(count);
    for (size_t i = 0; i < count; ++i) {
      const size_t at = policy == Policy::Reverse ? count - 1 - i : (first + i) % count;
      switch (live_[at]->turn()) {
        case ClusterRun::Turn::Ran:
          return true;
        case ClusterRun::Turn::Done:
          idle_.push_back(std::move(live_[at]));
          live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(at));
          return true;
        case ClusterRun::Turn::Stuck:
          break;
      }
    }
    return false;
  }

  LaunchState& state_;
  Random random_;
  uint64_t progress_ = 0;
  std::vector<std::unique_ptr<ClusterRun>> live_;  // in the order of their numbers
  std::vector<std::unique_ptr<ClusterRun>> idle_;
};

void run_beside_one_another(LaunchState& state, std::vector<uint64_t>* counts) {
  Residents residents(state);
  try {
    residents.run();
  } catch (const Stop&) {
    state.stopped = true;
  }
  residents.add_counts(counts);
}

// Those that are independent: results do not depend on which thread runs them.
void run_on_threads(LaunchState& state, uint32_t num_threads, std::vector<uint64_t>* counts) {
  std::mutex mutex;
  const auto work = [&] {
    ClusterRun run(state);
    try {
      while (const std::optional<uint32_t> index = state.pending.take()) run.run(*index);
    } catch (const Stop&) {
      state.stopped = true;
    }
    const std::lock_guard lock(mutex);
    add_counts_of(run, counts);
  };
  std::vector<std::thread> helpers;
  for (uint32_t thread = 1; thread < num_threads; ++thread) helpers.emplace_back(work);
  work();
  for (std::thread& thread : helpers) thread.join();
}

}  // namespace

// Atomics on global memory tie clusters together: then one thread runs them, in order; where they may wait for one
// another, several at a time.
std::vector<uint64_t> run_clusters(LaunchState& state) {
  const KernelLaunch& launch = *state.launch;
  state.pending.reset(
      static_cast<uint32_t>(volume_of_launch(launch.grid) / volume_of_launch(launch.cluster)));
  std::vector<uint64_t> counts(isa::num_forms(), 0);
  if (state.program->waits_on_memory) {
    run_beside_one_another(state, &counts);
  } else if (state.program->global_atomics) {
    run_on_threads(state, 1, &counts);
  } else {
    const uint32_t wanted = state.options->threads == 0
                                ? std::max(1u, std::thread::hardware_concurrency())
                                : state.options->threads;
    run_on_threads(state, std::min(wanted, state.pending.count()), &counts);
  }
  return counts;
}

}  // namespace fa4::emu
