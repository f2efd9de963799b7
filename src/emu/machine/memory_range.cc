// SPDX-License-Identifier: Apache-2.0
// The door of several lanes at once, which lets in what is surely right and leaves the rest to `resolve`.
#include <cstring>

#include "emu/machine/cluster.h"
#include "emu/machine/memory.h"

namespace fa4::emu {

std::byte* resolve_range(Warp& warp, Space space, uint64_t address, uint32_t bytes, Access access,
                         uint32_t alignment) {
  if (space == Space::Generic) {
    if (address >> 56 == kSharedWindow >> 56) {
      space = Space::SharedCluster;
      address &= ~(uint64_t{0xff} << 56);
    } else if (address >> 56 != 0) {
      return nullptr;
    }
  }
  if ((access != Access::Read && access != Access::Write) || address % alignment != 0)
    return nullptr;
  Cta& cta = *warp.cta;
  switch (space) {
    case Space::Shared:
    case Space::SharedCluster: {
      const uint32_t offset = address & kOffsetMask;
      if (address >> kRankShift != cta.rank || offset < kReservedShared ||
          offset + bytes > cta.shared.size()) {
        return nullptr;
      }
      std::byte* at = cta.shared.data() + offset;
      Shadow& shadow = cta.cluster->shadow;
      if (!shadow.enabled()) return at;
      const uint32_t in_cluster = cta.rank * cta.cluster->shared_bytes + offset;
      // A read that collides is made once more, which changes nothing.
      const bool clean = access == Access::Read
                             ? shadow.read(warp.agent, warp.current, in_cluster, bytes).kind ==
                                   Conflict::Kind::None
                             : shadow.try_write(warp.agent, warp.current, in_cluster, bytes);
      return clean ? at : nullptr;
    }
    case Space::Generic:
    case Space::Global:
    case Space::Const: {
      const GlobalRange* range = warp.last_range;
      if (range == nullptr || address < range->base ||
          address - range->base + bytes > range->bytes) {
        range = cta.memory->find(address, bytes);
        if (range == nullptr) return nullptr;
      }
      if (access != Access::Read && !range->writable) return nullptr;
      if (range->written != nullptr) {
        uint8_t* const flags = range->written.get() + (address - range->base);
        if (access == Access::Write) {
          std::memset(flags, 1, bytes);
        } else if (std::memchr(flags, 0, bytes) != nullptr) {
          return nullptr;
        }
      }
      warp.last_range = range;
      return reinterpret_cast<std::byte*>(address);
    }
    case Space::Param:
      if (access != Access::Read || address + bytes > cta.params.size()) return nullptr;
      return const_cast<std::byte*>(cta.params.data()) + address;
    case Space::Local:
      break;
  }
  return nullptr;
}

LaneMask resolve_shared_reads(Warp& warp, LaneMask lanes, const uint64_t* address, uint32_t bytes,
                              std::byte** at) {
  Cta& cta = *warp.cta;
  const uint32_t begin_of_cta = cta.rank * cta.cluster->shared_bytes;
  LaneMask wrong = 0;
  uint32_t offsets[kLanes];
  for_each_lane(lanes, [&](int lane) {
    const uint32_t offset = address[lane] & kOffsetMask;
    if (address[lane] >> kRankShift != cta.rank || address[lane] % bytes != 0 ||
        offset < kReservedShared || offset + bytes > cta.shared.size()) {
      wrong |= LaneMask{1} << lane;
      return;
    }
    offsets[lane] = begin_of_cta + offset;
    at[lane] = cta.shared.data() + offset;
  });
  return wrong |
         cta.cluster->shadow.read_lanes(warp.agent, warp.current, lanes & ~wrong, offsets, bytes);
}

}  // namespace fa4::emu
