// SPDX-License-Identifier: Apache-2.0
// The doors of memory: every access of every space by every agent goes through here, where it is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emu/machine/row.h"

namespace fa4::emu {

struct Warp;
struct Cta;
struct Cluster;

// SharedCluster: of any CTA of the cluster, as generic addresses too.
enum class Space : uint8_t { Generic, Global, Shared, SharedCluster, Local, Param, Const };
const char* name_of(Space space);

// Generic addresses: these windows, else global memory. No host address reaches so high.
inline constexpr uint64_t kSharedWindow = uint64_t{1} << 56;
inline constexpr uint64_t kLocalWindow = uint64_t{2} << 56;
inline constexpr uint64_t kParamWindow = uint64_t{3} << 56;

// Shared addresses: the rank of the CTA in its cluster from this bit up, below it the offset.
inline constexpr uint32_t kRankShift = 24;
inline constexpr uint32_t kOffsetMask = (uint32_t{1} << kRankShift) - 1;
// The first bytes of shared memory are the system's.
inline constexpr uint32_t kReservedShared = 1024;

struct GlobalRange {
  std::string name;  // "q", "kConfig"
  uint64_t base = 0;
  uint64_t bytes = 0;
  bool writable = true;
  // One for each byte: whether anybody has written it. Null: all of it, so that no read is asked about.
  std::shared_ptr<uint8_t[]> written = nullptr;
};

// For GlobalRange::written: of so many bytes none.
std::shared_ptr<uint8_t[]> unwritten(uint64_t bytes);

// Memory outside a grid: what the host has allocated, and the variables of modules. Addresses are those of the
// host, so that a kernel runs on tensors where they lie. Not changed while a kernel runs.
class GlobalMemory {
 public:
  void add(GlobalRange range);
  void remove(uint64_t base);
  // The range that holds all of the bytes; null: none.
  const GlobalRange* find(uint64_t address, uint64_t bytes) const;
  // The nearest range below or above, for a report; null: there is none.
  const GlobalRange* nearest(uint64_t address) const;
  // The host has written there.
  void mark_written(uint64_t address, uint64_t bytes);

 private:
  std::map<uint64_t, GlobalRange> ranges_;  // by base
};

// Where an access lies, after the generic windows. Null: it was bad, and has been reported.
// The address must be a multiple of `alignment`; 0: of `bytes`.
// Strong: .volatile, .relaxed, .acquire and .release, which do not race with one another. Look: a read that
// nobody remembers.
enum class Access : uint8_t { Read, Write, Atomic, StrongRead, StrongWrite, Look };
std::byte* resolve(Warp& warp, Space space, uint64_t address, int lane, uint32_t bytes,
                   Access access, uint32_t alignment = 0);

// Reads or Writes of several lanes, side by side, at once; each must lie at a multiple of `alignment`. Null: something
// may be wrong with one of them. Then nothing has been noted, and each lane asks `resolve`, which reports it.
std::byte* resolve_range(Warp& warp, Space space, uint64_t address, uint32_t bytes, Access access,
                         uint32_t alignment);

// Reads or Writes of the own CTA's shared memory by several lanes, each of so many bytes, 4 or a multiple. Returns the lanes
// with whose access something may be wrong, of Writes those behind the first of them too: for them nothing is set, and
// `resolve` reports it.
LaneMask resolve_shared_lanes(Warp& warp, LaneMask lanes, const uint64_t* address, uint32_t bytes,
                              Access access, std::byte** at);

// Shared memory without a word to the shadow. `peers`: it may be another CTA's.
std::byte* place_in_shared(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access,
                           uint32_t alignment, bool peers);
// The CTA that a shared address is of; null: there is none.
Cta* cta_of(Cluster& cluster, uint64_t address);

// One lane's access. A bad load gives the poison pattern, a bad store does nothing.
void load(Warp& warp, Space space, uint64_t address, int lane, void* to, uint32_t bytes);
void store(Warp& warp, Space space, uint64_t address, int lane, const void* from, uint32_t bytes);

// What a bad or an unfinished load reads: a NaN in every floating-point type.
inline constexpr uint8_t kPoisonByte = 0xff;

}  // namespace fa4::emu
