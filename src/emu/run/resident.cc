// SPDX-License-Identifier: Apache-2.0
// Clusters that may wait for one another through global memory run beside one another, on one thread of the host.
#include <algorithm>
#include <memory>

#include "emu/run/scheduler.h"

namespace fa4::emu {
namespace {

class Residents {
 public:
  Residents(LaunchState& state, uint32_t num_clusters)
      : state_(state),
        num_clusters_(num_clusters),
        random_(state.options->seed ^ 0x7265736964656e74) {}

  void run() {
    for (;;) {
      while (live_.size() < state_.options->resident && next_ < num_clusters_) admit();
      if (live_.empty()) return;
      if (turn()) continue;
      // All are stuck. A device has room for many clusters: more may come before that is a deadlock.
      if (next_ < num_clusters_ && live_.size() < kMostResident) {
        admit();
        continue;
      }
      bool woken = false;
      for (const auto& run : live_) woken = run->wake_pollers() || woken;
      if (woken) continue;
      std::vector<const ClusterRun*> runs;
      for (const auto& run : live_) runs.push_back(run.get());
      report_deadlock(state_, runs);
    }
  }

  void add_counts(std::vector<uint64_t>* counts) const {
    for (const auto& run : idle_) add(*run, counts);
    for (const auto& run : live_) add(*run, counts);
  }

 private:
  static constexpr size_t kMostResident = 132;

  static void add(const ClusterRun& run, std::vector<uint64_t>* counts) {
    const std::vector<uint64_t> own = run.counts();
    for (size_t form = 0; form < counts->size(); ++form) (*counts)[form] += own[form];
  }

  void admit() {
    if (idle_.empty()) {
      idle_.push_back(std::make_unique<ClusterRun>(state_));
      idle_.back()->share_progress(&progress_);
    }
    idle_.back()->begin(next_++);
    live_.push_back(std::move(idle_.back()));
    idle_.pop_back();
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
  uint32_t num_clusters_;
  uint32_t next_ = 0;
  Random random_;
  uint64_t progress_ = 0;
  std::vector<std::unique_ptr<ClusterRun>> live_;  // in the order of their numbers
  std::vector<std::unique_ptr<ClusterRun>> idle_;
};

}  // namespace

void run_beside_one_another(LaunchState& state, uint32_t num_clusters,
                            std::vector<uint64_t>* counts) {
  Residents residents(state, num_clusters);
  try {
    residents.run();
  } catch (const Stop&) {
    state.stopped = true;
  }
  residents.add_counts(counts);
}

}  // namespace fa4::emu
