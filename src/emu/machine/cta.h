// SPDX-License-Identifier: Apache-2.0
// The state of a block of threads (CTA): its warps, its shared memory and its named barriers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "emu/machine/calls.h"
#include "emu/machine/heap.h"
#include "emu/machine/memory.h"
#include "emu/machine/output.h"
#include "emu/machine/report.h"
#include "emu/machine/tmem.h"
#include "emu/machine/warp.h"

namespace fa4::emu {

struct WatchTable;

// Says where an instruction stands: "line 523: cp.async.cg.shared.global [%r1], [%rd2], 16; (async.h:17, called at copy.h:61)".
class Describer {
 public:
  virtual ~Describer() = default;
  virtual std::string site(const Instr& instr) const = 0;
  // What lies at a shared offset, and what a warp does; "": it has no name.
  virtual std::string shared_name(uint32_t) const { return ""; }
  virtual std::string role(uint32_t) const { return ""; }
  // What lies in a column of tensor memory.
  virtual std::string tensor_name(uint32_t) const { return ""; }
};

struct Cluster;

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

struct Cta {
  std::array<uint32_t, 3> index{};  // %ctaid
  uint32_t rank = 0;                // in its cluster
  std::vector<std::byte> shared;    // by offset; the first kReservedShared bytes are nobody's
  std::span<const std::byte> params;
  uint32_t local_bytes = 0;  // of a thread
  std::vector<Warp> warps;
  std::array<NamedBarrier, kNumNamedBarriers> barriers;
  Cluster* cluster = nullptr;
  uint32_t first_agent = 0;     // of its warps
  uint32_t free_registers = 0;  // of its pool: setmaxnreg
  // By warpgroup; none until one is issued.
  std::vector<WgmmaQueue> wgmma;
  Tmem tmem;
  GlobalMemory* memory = nullptr;
  Reports* reports = nullptr;
  const Describer* describer = nullptr;
  const CallTable* calls = nullptr;
  const WatchTable* watched = nullptr;
  Output* output = nullptr;
  Heap* heap = nullptr;

  uint32_t num_live_warps() const;
  // Its place in the cluster's shadow.
  uint32_t shadow_offset(const std::byte* at) const;
};

// Ends a barrier's generation when all have come.
void complete_if_full(Cta& cta, uint32_t barrier);

}  // namespace fa4::emu
