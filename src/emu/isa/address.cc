// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/address.h"

#include <bit>

namespace fa4::emu::isa {

Space space_of(const Words& words) {
  if (words.has("global")) return Space::Global;
  if (words.has("shared") || words.has("shared::cta")) return Space::Shared;
  if (words.has("shared::cluster")) return Space::SharedCluster;
  if (words.has("local")) return Space::Local;
  if (words.has("param") || words.has("param::entry") || words.has("param::func")) {
    return Space::Param;
  }
  if (words.has("const")) return Space::Const;
  return Space::Generic;
}

std::vector<uint32_t> address_list(Decoder& decoder, const Words& words,
                                   const ptx::Operand& operand) {
  const Address address = decoder.address(operand);
  const bool yields = words.has("volatile") || words.has("relaxed") || words.has("acquire") ||
                      words.has("release") || words.has("acq_rel");
  Space space = space_of(words);
  if (space == Space::Param && address.in_frame) space = Space::Local;
  return {static_cast<uint32_t>(space) | (address.wide ? 0x100u : 0u) | (yields ? 0x200u : 0u) |
              (words.has("acquire") || words.has("acq_rel") ? 0x400u : 0u) |
              (words.has("release") || words.has("acq_rel") ? 0x800u : 0u),
          address.base, static_cast<uint32_t>(address.offset)};
}

namespace {

// Whether all 32 addresses lie side by side, so many bytes apart.
bool side_by_side(const Warp& warp, const Place& place, uint32_t bytes) {
  const Row& low = warp.rows[place.base];
  uint32_t other = 0;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    other |= low.lane[lane] ^ (low.lane[0] + lane * bytes);
  }
  if (!place.wide || other != 0) return other == 0;
  const Row& high = warp.rows[place.base + 1];
  for (uint32_t lane = 0; lane < kLanes; ++lane) other |= high.lane[lane] ^ high.lane[0];
  return other == 0 && low.lane[0] <= 0xffffffff - kLanes * bytes;
}

// Whether the first two of the lanes name neither the same place nor neighbours.
bool is_scattered(const uint64_t* address, LaneMask lanes, uint32_t bytes) {
  const LaneMask others = lanes & (lanes - 1);
  if (others == 0) return false;
  const uint64_t first = address[std::countr_zero(lanes)];
  const uint64_t second = address[std::countr_zero(others)];
  return second != first && second != first + bytes;
}

}  // namespace

std::byte* resolve_lanes(Warp& warp, const Place& place, uint32_t bytes, Access access,
                         std::byte** at) {
  if (warp.active == kAllLanes && side_by_side(warp, place, bytes)) {
    std::byte* begin =
        resolve_range(warp, place.space, place.of(warp, 0), kLanes * bytes, access, bytes);
    if (begin != nullptr) return begin;
  }
  uint64_t address[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) address[lane] = place.of(warp, lane);
  LaneMask left = warp.active;
  if (place.space == Space::Shared && (access == Access::Read || access == Access::Write) &&
      bytes % 4 == 0 && is_scattered(address, left, bytes)) {
    left = resolve_shared_lanes(warp, left, address, bytes, access, at);
  }
  while (left != 0) {
    const int first = std::countr_zero(left);
    int end = first + 1;
    while (end < kLanes && has_lane(left, end) && address[end] == address[end - 1] + bytes) ++end;
    uint32_t stride = bytes;
    uint32_t range = bytes * static_cast<uint32_t>(end - first);
    if (end == first + 1 && access == Access::Read) {
      while (end < kLanes && has_lane(left, end) && address[end] == address[first]) ++end;
      stride = 0;
    }
    std::byte* begin = resolve_range(warp, place.space, address[first], range, access, bytes);
    for (int lane = first; lane < end; ++lane) {
      at[lane] = begin != nullptr
                     ? begin + static_cast<size_t>(stride) * static_cast<size_t>(lane - first)
                     : resolve(warp, place.space, address[lane], lane, bytes, access);
    }
    left &= ~static_cast<LaneMask>(((uint64_t{1} << end) - 1) & ~((uint64_t{1} << first) - 1));
  }
  return nullptr;
}

}  // namespace fa4::emu::isa
