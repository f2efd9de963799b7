// SPDX-License-Identifier: Apache-2.0
// Runs one CTA of a kernel to its end, under a policy.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "emu/machine/cta.h"
#include "emu/run/machine.h"
#include "emu/run/program.h"
#include "emu/run/random.h"

namespace fa4::emu {

// What all CTAs of a launch share.
struct LaunchState {
  const Program* program = nullptr;
  const KernelLaunch* launch = nullptr;
  const MachineOptions* options = nullptr;
  GlobalMemory* memory = nullptr;
  Reports* reports = nullptr;
  Output* output = nullptr;
  Heap* heap = nullptr;
  std::atomic<uint64_t> instructions = 0;
  std::atomic<bool> stopped = false;
};

class CtaRun {
 public:
  explicit CtaRun(LaunchState& state);

  // From the first instruction to the exit of all warps. Throws Stop after a report of why it cannot go on.
  void run(uint32_t linear_index);

  const std::vector<uint64_t>& counts() const { return counts_; }  // warp instructions by form

 private:
  struct Choice {
    Warp* warp;  // null: a step of a copy
    size_t at;   // of its splits, or of Cta::copies
  };

  void begin(uint32_t linear_index);
  void begin_warp(Warp& warp, uint32_t first_thread);
  uint32_t special_value(const Warp& warp, const SpecialRow& special, int lane) const;

  void gather();
  void settle(Warp& warp);
  bool ready(Warp& warp, size_t split);
  bool siblings_have_come(const Warp& warp, const Split& split) const;
  void meet(Warp& warp, size_t split);
  bool merge_waiting(Warp& warp, size_t split);
  const Choice& choose();
  void step_copy(CpAsync& copy);
  void run_split(Warp& warp, size_t split);
  void end_lanes(Warp& warp);
  void count_instructions(uint64_t instructions);
  [[noreturn]] void deadlock();

  LaunchState& state_;
  const Program& program_;
  Policy policy_;
  Cta cta_;
  Random random_;
  std::vector<Choice> choices_;
  size_t num_runnable_ = 0;  // of the choices, which come before the steps of copies
  size_t next_warp_ = 0;     // of the round robin
  std::vector<uint64_t> counts_;
};

}  // namespace fa4::emu
