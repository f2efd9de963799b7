// SPDX-License-Identifier: Apache-2.0
// The state of a cluster of CTAs, which is what one run of the scheduler runs: its CTAs, the shadow of their shared
// memory, their unfinished operations and their mbarriers. Without clusters, a cluster is one CTA.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "emu/machine/async.h"
#include "emu/machine/cta.h"
#include "emu/machine/mbarrier.h"
#include "emu/machine/operand_race.h"
#include "emu/machine/pending.h"
#include "emu/machine/random.h"
#include "emu/machine/shadow.h"
#include "emu/machine/tensor_op.h"

namespace fa4::emu {

// barrier.cluster. Threads come once in each generation; those that have exited count.
struct ClusterBarrier {
  uint64_t generation = 0;
  uint32_t channel = 0;            // Shadow's
  std::vector<LaneMask> arrived;   // by agent, in this generation
  std::vector<LaneMask> unwaited;  // by agent: has come, and has not waited since
};

struct Cluster {
  std::vector<std::unique_ptr<Cta>> ctas;  // by rank
  uint32_t index = 0;                      // in the grid
  std::array<uint32_t, 3> of_grid{};       // clusters in it
  std::array<uint32_t, 3> extents{};       // its CTAs
  PendingClusters* pending = nullptr;
  Shadow shadow;
  uint32_t shared_bytes = 0;                              // of a CTA, in the shadow
  std::vector<std::unique_ptr<AsyncOp>> operations;       // unfinished, oldest first
  uint64_t num_operations = 0;                            // ever
  std::unordered_map<uint32_t, TensorPipe> tensor_pipes;  // by agent * 32 + lane
  OperandRaces operand_races;
  MbarrierLedger mbarriers;
  ClusterBarrier barrier;
  Random random{0};
  bool eager = true;             // an operation is made when it is issued
  bool impatient = false;        // try_wait may give up early
  uint64_t* progress = nullptr;  // counts what others can see; clusters that run together share it

  uint32_t num_live_warps() const;
  Warp& warp_of(uint32_t agent);
  const Warp& warp_of(uint32_t agent) const;
  // "warp 3", "Load (warp 3)" if the launch names roles, and in a cluster of several CTAs "warp 3 of rank 1".
  std::string name_of(uint32_t agent) const;
  // "full[1]", or "shared 0x428"; in a cluster of several CTAs with " of rank 1".
  std::string name_of_shared(uint32_t address) const;
  // Threads that the barrier still expects in this generation.
  uint32_t num_missing() const;
};

// Ends the barrier's generation when all have come or have exited.
void complete_if_full(Cluster& cluster);

// Somebody has changed what others can see.
inline void note_progress(Cluster& cluster) { ++*cluster.progress; }

}  // namespace fa4::emu
