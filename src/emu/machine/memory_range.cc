// SPDX-License-Identifier: Apache-2.0
// The door of several lanes at once, which lets in what is surely right and leaves the rest to `resolve`.
#include <bit>
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

namespace {

// Places of all 32 lanes, in one plain loop. False: one of them is wrong.
bool place_all_lanes(const Cta& cta, const uint64_t* address, uint32_t bytes, uint32_t* offsets) {
  const uint64_t rank = cta.rank, last = cta.shared.size() - bytes;
  uint64_t wrong = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint64_t offset = address[lane] & kOffsetMask;
    // The sign: below the first byte, or beyond the last.
    const uint64_t outside = (offset - kReservedShared) | (last - offset);
    wrong |= (address[lane] >> kRankShift ^ rank) | (address[lane] & (bytes - 1)) | outside >> 63;
    offsets[lane] = static_cast<uint32_t>(offset);
  }
  return wrong == 0;
}

}  // namespace

LaneMask resolve_shared_lanes(Warp& warp, LaneMask lanes, const uint64_t* address, uint32_t bytes,
                              Access access, std::byte** at) {
  Cta& cta = *warp.cta;
  Shadow& shadow = cta.cluster->shadow;
  const uint32_t begin_of_cta = cta.rank * cta.cluster->shared_bytes;
  LaneMask wrong = 0;
  uint32_t offsets[kLanes];
  if (lanes != kAllLanes || !std::has_single_bit(bytes) ||
      !place_all_lanes(cta, address, bytes, offsets)) {
    for_each_lane(lanes, [&](int lane) {
      const uint32_t offset = address[lane] & kOffsetMask;
      offsets[lane] = offset;
      if (address[lane] >> kRankShift != cta.rank || address[lane] % bytes != 0 ||
          offset < kReservedShared || offset + bytes > cta.shared.size()) {
        wrong |= LaneMask{1} << lane;
      }
    });
  }
  // Writes are made in turn.
  if (access == Access::Write && wrong != 0) wrong |= ~((wrong & (0 - wrong)) - 1);
  const LaneMask right = lanes & ~wrong;
  const auto place = [&](int lane) {
    at[lane] = cta.shared.data() + offsets[lane];
    offsets[lane] += begin_of_cta;
  };
  if (right == kAllLanes) {
    for (int lane = 0; lane < kLanes; ++lane) place(lane);
  } else {
    for_each_lane(right, place);
  }
  const LaneMask colliding =
      access == Access::Write
          ? shadow.try_write_lanes(warp.agent, warp.current, right, offsets, bytes)
          : shadow.read_lanes(warp.agent, warp.current, right, offsets, bytes);
  return lanes & (wrong | colliding);
}

}  // namespace fa4::emu
