// SPDX-License-Identifier: Apache-2.0
// The state of a block of threads (CTA): its warps, its shared memory, its barriers and its unfinished copies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "emu/machine/calls.h"
#include "emu/machine/heap.h"
#include "emu/machine/memory.h"
#include "emu/machine/output.h"
#include "emu/machine/report.h"
#include "emu/machine/shadow.h"
#include "emu/machine/warp.h"

namespace fa4::emu {

// Says where an instruction stands: "line 523: cp.async.cg.shared.global [%r1], [%rd2], 16; (async.h:17, called at copy.h:61)".
class Describer {
 public:
  virtual ~Describer() = default;
  virtual std::string site(const Instr& instr) const = 0;
};

inline constexpr uint32_t kNumNamedBarriers = 16;

// bar.sync and its kin (PTX ISA 9.0, 9.7.13.1). Counts are threads; a warp counts 32.
struct NamedBarrier {
  uint32_t expected = 0;  // of this generation; 0: nobody has come, or all threads of the CTA
  uint32_t arrived = 0;
  uint64_t generation = 0;
  bool all_threads = false;                     // no count was given
  std::vector<uint32_t> warps;                  // that came in this generation
  std::vector<uint32_t> waiting;                // those of them that wait
  std::array<uint32_t, 3> reduced = {0, 1, 0};  // bar.red: popc, and, or of this generation
  std::array<uint32_t, 3> result{};             // of the last
};

// One lane's part of a cp.async.
struct CpLane {
  int lane;
  uint32_t group;  // of the lane
  uint32_t to;     // shared offset
  uint64_t from;   // generic or global address
  uint32_t bytes, source_bytes;
  bool done = false;
};

// What cp.async.wait_group waits for that leaves no group, committed or not.
inline constexpr uint32_t kAllCopyGroups = 0xffffffff;

// A cp.async that a warp has issued. Its bytes move when the policy says so.
struct CpAsync {
  uint32_t id;  // Shadow: what wrote a cell
  Warp* warp;
  const Instr* site;
  std::vector<CpLane> lanes;
  size_t num_done = 0;
};

struct Cta {
  std::array<uint32_t, 3> index{};  // %ctaid
  uint32_t rank = 0;                // in its cluster
  std::vector<std::byte> shared;    // by offset; the first kReservedShared bytes are nobody's
  std::span<const std::byte> params;
  uint32_t local_bytes = 0;  // of a thread
  std::vector<Warp> warps;
  std::array<NamedBarrier, kNumNamedBarriers> barriers;
  std::deque<CpAsync> copies;  // for which nobody has waited, in the order of their issue
  bool eager_copies = true;    // a copy is made when it is issued
  Shadow shadow;
  GlobalMemory* memory = nullptr;
  Reports* reports = nullptr;
  const Describer* describer = nullptr;
  const CallTable* calls = nullptr;
  Output* output = nullptr;
  Heap* heap = nullptr;

  uint32_t num_live_warps() const;
};

// Makes a part of a copy: the lanes [first, first + count) of CpAsync::lanes.
void advance(Cta& cta, CpAsync& copy, size_t first, size_t count);
// Whether the active lanes of a warp wait for a part when they allow so many unfinished groups.
bool waits_for(const Warp& warp, const CpLane& part, uint32_t unfinished_groups);
// Whether all such parts are done.
bool copies_are_done(const Cta& cta, const Warp& warp, uint32_t unfinished_groups);
// The wait is over: the warp knows that those copies are done, and they are forgotten.
void note_waited(Cta& cta, Warp& warp, uint32_t unfinished_groups);
// The shared memory that a copy is going to write; null: it may not, which has been reported.
std::byte* copy_target(Warp& warp, uint32_t copy, uint64_t address, int lane, uint32_t bytes);

// Ends a barrier's generation when all have come.
void complete_if_full(Cta& cta, uint32_t barrier);

}  // namespace fa4::emu
