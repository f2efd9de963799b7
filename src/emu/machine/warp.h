// SPDX-License-Identifier: Apache-2.0
// The state of a warp. Execution functions see its rows, its predicates and the lanes that are active.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "emu/machine/async.h"
#include "emu/machine/calls.h"
#include "emu/machine/row.h"
#include "emu/machine/tensor_loads.h"
#include "emu/machine/wgmma_state.h"

namespace fa4::emu {

struct Instr;
struct Cta;
struct GlobalRange;

// What a split waits for.
struct WaitOn {
  enum class Kind : uint8_t {
    Nothing,
    NamedBarrier,    // id: which; generation: that must have ended
    WarpBarrier,     // generation: lanes that had exited
    CpAsync,         // id: groups that may be unfinished
    BulkGroup,       // likewise; generation 1: only their sources must have been read
    Wgmma,           // likewise, of the warp
    Mbarrier,        // id: index in the ledger; generation: the phase that must have completed
    ClusterBarrier,  // generation: that must have ended
    TensorMemory,    // its request to allocate
    TensorLoad,      // all tcgen05.ld of the warp
    TensorStore,     // all tcgen05.st
    Registers,       // id: how many the pool must have
    Poll,            // generation: Cluster::progress when it was seen that polling is in vain
    Join,
  };
  Kind kind = Kind::Nothing;
  uint32_t id = 0;
  uint64_t generation = 0;
};

// Where lanes that a branch has parted meet again: the branch's immediate post-dominator.
struct Join {
  uint32_t pc;
  uint64_t id;         // of one divergence
  uint32_t depth = 0;  // of calls: in a recursive function, others pass by that place
};

// Lanes of a warp that are at one place.
struct Split {
  uint32_t pc = 0;
  LaneMask mask = 0;
  std::vector<Join> joins;  // the nearest last
  WaitOn wait;
  uint64_t poll_progress = 0;          // Cluster::progress at the last poll
  uint32_t num_polls = 0;              // that have seen since what they had seen before
  uint32_t num_parks = 0;              // how often it was parked since
  std::array<uint64_t, 4> polled{};    // what the last ones saw
  std::shared_ptr<const Frame> frame;  // of the innermost call; null: in the entry

  uint32_t depth() const { return frame == nullptr ? 0 : frame->depth; }
  bool is_at_join() const {
    return !joins.empty() && pc == joins.back().pc && depth() == joins.back().depth;
  }
};

struct Warp {
  // What execution functions use.
  Row* rows = nullptr;
  LaneMask* predicates = nullptr;
  LaneMask active = 0;              // lanes that execute the current instruction
  LaneMask carry = 0;               // CC.CF of each lane: carry of add.cc, borrow of sub.cc
  const Instr* current = nullptr;   // for reports
  const uint32_t* lists = nullptr;  // Program::lists, which Instr::extra may index
  uint32_t index = 0;               // in its CTA
  uint32_t agent = 0;               // in its cluster: Shadow's number
  Cta* cta = nullptr;

  // What the scheduler uses.
  std::vector<Split> splits;
  size_t split = 0;  // the one that runs
  LaneMask exited = 0;
  uint64_t retired = 0;
  std::vector<std::byte> local;                // [lane][bytes]
  std::array<uint32_t, kLanes> cp_groups{};    // cp.async groups that a lane has committed
  std::array<uint32_t, kLanes> bulk_groups{};  // bulk groups, likewise
  uint32_t registers = 0;                      // of a thread, as setmaxnreg has left it
  uint64_t elect_seed = 0;                     // which lane elect.sync takes; 0: the lowest
  uint32_t wgmma_groups = 0;                   // that the warp has committed
  WgmmaRegisters wgmma;                        // in use from its first wgmma or wgmma.fence on
  TensorLoads tensor_loads;                    // of its registers
  std::vector<Unwaited> unwaited;              // finished operations of its groups
  uint64_t num_divergences = 0;
  const GlobalRange* last_range = nullptr;  // of the last global access

  std::vector<Row> row_storage;
  std::vector<LaneMask> predicate_storage;
};

}  // namespace fa4::emu
