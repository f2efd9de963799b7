// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emu/machine/cluster.h"
#include "emu/machine/conflict.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

Conflict ask_shadow(Shadow& shadow, const Warp& warp, Access access, uint32_t offset,
                    uint32_t bytes) {
  switch (access) {
    case Access::Read:
      return shadow.read(warp.agent, warp.current, offset, bytes);
    case Access::Write:
      return shadow.write(warp.agent, warp.current, offset, bytes);
    case Access::StrongRead:
      return shadow.strong_read(warp.agent, offset, bytes);
    case Access::StrongWrite:
      return shadow.strong_write(warp.agent, warp.current, offset, bytes);
    case Access::Atomic:
    case Access::Look:
      break;
  }
  return shadow.atomic(warp.agent, offset, bytes);
}

std::byte* refused(Warp& warp, std::string_view code, std::string_view kind, Space space,
                   uint64_t address, int lane, uint32_t bytes, Access access,
                   const std::string& why) {
  report(warp, Level::Error, code,
         fmt::format("{}: lane {} would {} {} bytes of {} memory at {:#x}, {}", kind, lane,
                     verb_of(access), bytes, name_of(space), address, why));
  return nullptr;
}

// A read of what nobody has written, in a range that says so, is reported and made.
void note_written(Warp& warp, const GlobalRange& range, Space space, uint64_t address, int lane,
                  uint32_t bytes, Access access) {
  uint8_t* const flags = range.written.get() + (address - range.base);
  if (access != Access::Write) {
    const uint8_t* const end = flags + bytes;
    const uint8_t* const hole = std::find<const uint8_t*>(flags, end, uint8_t{0});
    if (hole != end) {
      report(warp, Level::Error, "gmem.uninit",
             fmt::format(
                 "uninitialised read: lane {} reads {} bytes of {} memory at {:#x}, byte {} of {}, "
                 "which nobody has written",
                 lane, bytes, name_of(space), address,
                 address - range.base + static_cast<uint64_t>(hole - flags), range.name));
    }
  }
  if (access != Access::Read) std::memset(flags, 1, bytes);
}

std::byte* resolve_global(Warp& warp, Space space, uint64_t address, int lane, uint32_t bytes,
                          Access access) {
  const GlobalRange* range = warp.last_range;
  if (range == nullptr || address < range->base || address - range->base + bytes > range->bytes) {
    range = warp.cta->memory->find(address, bytes);
    if (range == nullptr) {
      const GlobalRange* near = warp.cta->memory->nearest(address);
      std::string why = "where nothing is allocated";
      if (near != nullptr) {
        why +=
            fmt::format("; nearest is {}, {} bytes at {:#x}", near->name, near->bytes, near->base);
      }
      return refused(warp, "gmem.bounds", "out of bounds", space, address, lane, bytes, access,
                     why);
    }
    warp.last_range = range;
  }
  if (!is_read(access) && !range->writable) {
    return refused(warp, "gmem.readonly", "out of bounds", space, address, lane, bytes, access,
                   fmt::format("which is {}, an input", range->name));
  }
  if (range->written != nullptr) note_written(warp, *range, space, address, lane, bytes, access);
  return reinterpret_cast<std::byte*>(address);
}

std::byte* resolve_shared(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access,
                          uint32_t alignment, bool peers) {
  std::byte* at = place_in_shared(warp, address, lane, bytes, access, alignment, peers);
  Shadow& shadow = warp.cta->cluster->shadow;
  if (at != nullptr && shadow.enabled()) {
    const auto offset = static_cast<uint32_t>(address & kOffsetMask);
    const uint32_t in_cluster =
        static_cast<uint32_t>(address >> kRankShift) * warp.cta->cluster->shared_bytes + offset;
    report_conflict(warp, ask_shadow(shadow, warp, access, in_cluster, bytes), offset, lane,
                    access);
  }
  return at;
}

std::byte* resolve_local(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access) {
  const uint32_t size = warp.cta->local_bytes;
  if (address + bytes > size) {
    return refused(warp, "lmem.bounds", "out of bounds", Space::Local, address, lane, bytes, access,
                   fmt::format("beyond the {} bytes of a thread", size));
  }
  return warp.local.data() + static_cast<size_t>(lane) * size + address;
}

std::byte* resolve_param(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access) {
  const std::span<const std::byte> params = warp.cta->params;
  if (!is_read(access)) {
    return refused(warp, "param.readonly", "out of bounds", Space::Param, address, lane, bytes,
                   access, "and parameters of a kernel are read only");
  }
  if (address + bytes > params.size()) {
    return refused(warp, "param.bounds", "out of bounds", Space::Param, address, lane, bytes,
                   access, fmt::format("beyond the {} bytes of parameters", params.size()));
  }
  return const_cast<std::byte*>(params.data()) + address;
}

}  // namespace

Cta* cta_of(Cluster& cluster, uint64_t address) {
  const uint64_t rank = address >> kRankShift;
  return rank < cluster.ctas.size() ? cluster.ctas[rank].get() : nullptr;
}

std::byte* place_in_shared(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access,
                           uint32_t alignment, bool peers) {
  Cta* cta = warp.cta;
  if (address % alignment != 0) {
    return refused(warp, "misaligned", "misaligned", Space::Shared, address, lane, bytes, access,
                   fmt::format("which is not a multiple of {}", alignment));
  }
  const uint64_t rank = address >> kRankShift;
  const uint32_t offset = address & kOffsetMask;
  if (rank != cta->rank) {
    const size_t ranks = cta->cluster->ctas.size();
    cta = cta_of(*cta->cluster, address);
    if (!peers || cta == nullptr) {
      return refused(
          warp, "smem.foreign_rank", "out of bounds", Space::Shared, address, lane, bytes, access,
          cta == nullptr
              ? fmt::format("which is of rank {}; this cluster has {} CTAs", rank, ranks)
              : fmt::format("which is of rank {}; this CTA has rank {}, and the instruction "
                            "reaches no other (.shared::cta)",
                            rank, warp.cta->rank));
    }
    if (cta->num_live_warps() == 0) {
      return refused(warp, "smem.peer_exited", "out of bounds", Space::Shared, address, lane, bytes,
                     access, fmt::format("which is of rank {}, and that CTA has exited", rank));
    }
  }
  if (offset < kReservedShared || offset + bytes > cta->shared.size()) {
    return refused(warp, "smem.bounds", "out of bounds", Space::Shared, address, lane, bytes,
                   access,
                   fmt::format("outside [{:#x}, {:#x})", kReservedShared, cta->shared.size()));
  }
  return cta->shared.data() + offset;
}

const char* name_of(Space space) {
  switch (space) {
    case Space::Generic:
      return "generic";
    case Space::Global:
      return "global";
    case Space::Shared:
    case Space::SharedCluster:
      return "shared";
    case Space::Local:
      return "local";
    case Space::Param:
      return "param";
    case Space::Const:
      break;
  }
  return "const";
}

std::byte* resolve(Warp& warp, Space space, uint64_t address, int lane, uint32_t bytes,
                   Access access, uint32_t alignment) {
  if (alignment == 0) alignment = bytes;
  if (space == Space::Generic) {
    const uint64_t window = address >> 56;
    const uint64_t inside = address & ~(uint64_t{0xff} << 56);
    if (window == kSharedWindow >> 56) space = Space::SharedCluster;
    if (window == kLocalWindow >> 56) space = Space::Local;
    if (window == kParamWindow >> 56) space = Space::Param;
    if (space != Space::Generic) address = inside;
  }
  if (space == Space::Shared || space == Space::SharedCluster) {
    return resolve_shared(warp, address, lane, bytes, access, alignment,
                          space == Space::SharedCluster);
  }
  if (address % alignment != 0) {
    return refused(warp, "misaligned", "misaligned", space, address, lane, bytes, access,
                   fmt::format("which is not a multiple of {}", alignment));
  }
  switch (space) {
    case Space::Local:
      return resolve_local(warp, address, lane, bytes, access);
    case Space::Param:
      return resolve_param(warp, address, lane, bytes, access);
    default:
      return resolve_global(warp, space, address, lane, bytes, access);
  }
}

void load(Warp& warp, Space space, uint64_t address, int lane, void* to, uint32_t bytes) {
  const std::byte* from = resolve(warp, space, address, lane, bytes, Access::Read);
  if (from == nullptr) {
    std::memset(to, kPoisonByte, bytes);
  } else {
    std::memcpy(to, from, bytes);
  }
}

void store(Warp& warp, Space space, uint64_t address, int lane, const void* from, uint32_t bytes) {
  std::byte* to = resolve(warp, space, address, lane, bytes, Access::Write);
  if (to != nullptr) std::memcpy(to, from, bytes);
}

}  // namespace fa4::emu
