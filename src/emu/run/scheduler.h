// SPDX-License-Identifier: Apache-2.0
// Runs one cluster of a kernel to its end, under a policy. Without clusters that is one CTA.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emu/machine/cluster.h"
#include "emu/run/machine.h"
#include "emu/run/program.h"
#include "emu/run/schedule.h"
#include "emu/run/trace.h"

namespace fa4::emu {

// What all clusters of a launch share.
struct LaunchState {
  const Program* program = nullptr;
  const KernelLaunch* launch = nullptr;
  const MachineOptions* options = nullptr;
  GlobalMemory* memory = nullptr;
  Reports* reports = nullptr;
  const Describer* names = nullptr;
  Output* output = nullptr;
  Heap* heap = nullptr;
  LaunchSchedule* written = nullptr;   // takes what is chosen
  LaunchSchedule* followed = nullptr;  // says what is chosen
  TraceWriter* trace = nullptr;        // takes what happened
  uint32_t starved = 0;                // warps of every CTA
  PendingClusters pending;
  std::atomic<uint64_t> instructions = 0;
  std::atomic<bool> stopped = false;
};

class ClusterRun {
 public:
  explicit ClusterRun(LaunchState& state);

  // From the first instruction to the exit of all warps. Throws Stop after a report of why it cannot go on.
  void run(uint32_t cluster_index);

  // The same in turns, for clusters that run beside one another.
  enum class Turn : uint8_t { Ran, Stuck, Done };
  void begin(uint32_t cluster_index);
  Turn turn();
  // Nobody can go on: those who poll in vain are let to try again, unless they have done so too often.
  bool wake_pollers();
  // For the report of a deadlock: one sentence, and lines for each that waits.
  std::string whose() const;
  std::string who_waits() const;
  std::string story_of(const Warp& warp, const Split& split) const;

  // Counts what others can see together with other clusters.
  void share_progress(uint64_t* progress) { cluster_.progress = progress; }

  std::vector<uint64_t> counts() const;  // warp instructions by form

 private:
  struct Choice {
    Warp* warp;  // null: a step of an operation
    size_t at;   // of its splits, or of Cluster::operations
  };

  void begin_cta(Cta& cta, uint32_t rank);
  void begin_warp(Warp& warp, uint32_t first_thread);
  uint32_t special_value(const Warp& warp, const SpecialRow& special, int lane) const;

  void gather();
  void settle(Warp& warp);
  bool ready(Warp& warp, size_t split);
  bool siblings_have_come(const Warp& warp, const Split& split) const;
  void meet(Warp& warp, size_t split);
  bool merge_waiting(Warp& warp, size_t split);
  const Choice& choose();
  size_t choice_of_policy();
  bool is_starved(const Warp& warp) const { return (state_.starved >> warp.index & 1) != 0; }
  [[noreturn]] void lose_schedule();
  void step_operation(size_t at);
  void run_split(Warp& warp, size_t split);
  void make_traced(const Choice& choice);
  void end_lanes(Warp& warp);
  void end_cluster();
  void count_instructions(uint64_t instructions);
  std::string what_it_waits_for(const Warp& warp, const Split& split) const;

  LaunchState& state_;
  const Program& program_;
  Policy policy_;
  Cluster cluster_;
  std::optional<ClusterTrace> trace_;
  uint64_t own_progress_ = 0;
  std::vector<Choice> choices_;
  size_t num_runnable_ = 0;  // of the choices, which come before the steps of operations
  size_t next_warp_ = 0;     // of the round robin
  std::vector<uint64_t>
      stretches_;  // by instruction: stretches that begin there, less those that end before it
  std::vector<uint64_t> counts_;  // by form: what guards have kept from the stretches, negative
};

// All clusters of a launch; the warp instructions by form.
std::vector<uint64_t> run_clusters(LaunchState& state);

[[noreturn]] void report_deadlock(LaunchState& state, const std::vector<const ClusterRun*>& runs);

}  // namespace fa4::emu
