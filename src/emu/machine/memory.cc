// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "emu/machine/async.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

bool is_read(Access access) {
  return access == Access::Read || access == Access::StrongRead || access == Access::Look;
}

const char* verb_of(Access access) { return is_read(access) ? "read" : "write"; }

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

void report_conflict(Warp& warp, const Conflict& conflict, uint32_t offset, int lane,
                     Access access) {
  if (conflict.kind == Conflict::Kind::None) return;
  const auto other = [&](const char* what) {
    return fmt::format("{} of {} at {}", what, warp.cta->cluster->name_of(conflict.warp),
                       warp.cta->describer->site(*static_cast<const Instr*>(conflict.site)));
  };
  const std::string here =
      fmt::format("lane {}'s {} of shared offset {:#x}", lane, verb_of(access), offset);
  switch (conflict.kind) {
    case Conflict::Kind::None:
      return;
    case Conflict::Kind::WriteWrite:
      return report(warp, Level::Error, "race.write_vs_write",
                    fmt::format("race: no barrier orders {} after the {}", here, other("write")));
    case Conflict::Kind::WriteRead:
      return report(warp, Level::Error, "race.write_vs_read",
                    fmt::format("race: no barrier orders {} after the {}", here, other("write")));
    case Conflict::Kind::ReadWrite:
      return report(warp, Level::Error, "race.read_vs_write",
                    fmt::format("race: no barrier orders {} after the {}", here, other("read")));
    case Conflict::Kind::CopyPending:
      return report(warp, Level::Error, "race.copy_pending",
                    fmt::format("race: {} meets the {}, for which its warp has not waited", here,
                                other("asynchronous copy")));
    case Conflict::Kind::CopyReading:
      return report(warp, Level::Error, "race.copy_pending",
                    fmt::format("race: {} meets the {}, which reads it, and for which nobody has "
                                "waited",
                                here, other("asynchronous operation")));
    case Conflict::Kind::Unfenced:
      return report(warp, Level::Error, "proxy.unfenced",
                    fmt::format("race: {} is of the asynchronous proxy, and no fence.proxy.async "
                                "comes after the {}",
                                here, other("write")));
    case Conflict::Kind::UnfencedLanes:
      return report(warp, Level::Error, "proxy.unfenced_lanes",
                    fmt::format("race: {} is of the asynchronous proxy; each lane has fenced for "
                                "itself the {}, and no warp barrier has told this one",
                                here, other("write")));
    case Conflict::Kind::Unwritten:
      return report(warp, Level::Error, "smem.uninit",
                    fmt::format("uninitialised read: nobody has written what is {}", here));
  }
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

std::byte* note_source(AsyncOp& op, uint64_t address, int lane, uint32_t bytes, uint32_t alignment,
                       bool peers) {
  Warp& warp = *op.warp;
  std::byte* at = place_in_shared(warp, address, lane, bytes, Access::Read, alignment, peers);
  if (at == nullptr) return nullptr;
  Cluster& cluster = *warp.cta->cluster;
  if (std::popcount(op.lanes) > 1) cluster.shadow.issued_by_all(warp.agent);
  report_conflict(warp,
                  cluster.shadow.copy_reads(op.id, op.site,
                                            cta_of(cluster, address)->shadow_offset(at), bytes),
                  static_cast<uint32_t>(address & kOffsetMask), lane, Access::Read);
  return at;
}

std::byte* note_target(AsyncOp& op, uint64_t address, int lane, uint32_t bytes, uint32_t alignment,
                       bool accumulates) {
  Warp& warp = *op.warp;
  std::byte* at = place_in_shared(warp, address, lane, bytes, Access::Write, alignment, true);
  if (at == nullptr) return nullptr;
  Cluster& cluster = *warp.cta->cluster;
  report_conflict(warp,
                  cluster.shadow.copy_writes(op.id, op.site,
                                             cta_of(cluster, address)->shadow_offset(at), bytes),
                  static_cast<uint32_t>(address & kOffsetMask), lane, Access::Write);
  if (!accumulates) std::memset(at, kPoisonByte, bytes);
  return at;
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

void GlobalMemory::add(GlobalRange range) {
  const uint64_t base = range.base;
  ranges_[base] = std::move(range);
}

void GlobalMemory::mark_written(uint64_t address, uint64_t bytes) {
  const uint64_t end = address + bytes;
  for (auto& [base, range] : ranges_) {
    if (range.written == nullptr) continue;
    const uint64_t from = std::max(address, base), to = std::min(end, base + range.bytes);
    if (from < to) std::memset(range.written.get() + (from - base), 1, to - from);
  }
}

std::shared_ptr<uint8_t[]> unwritten(uint64_t bytes) {
  // Pages that nobody touches cost nothing.
  auto* const flags = static_cast<uint8_t*>(std::calloc(bytes, 1));
  if (flags == nullptr) throw std::bad_alloc();
  return {flags, [](uint8_t* given) { std::free(given); }};
}

void GlobalMemory::remove(uint64_t base) { ranges_.erase(base); }

const GlobalRange* GlobalMemory::find(uint64_t address, uint64_t bytes) const {
  auto above = ranges_.upper_bound(address);
  // Ranges may overlap: an input seen twice. The nearest below that holds the bytes is taken.
  while (above != ranges_.begin()) {
    --above;
    const GlobalRange& range = above->second;
    if (address - range.base <= range.bytes && bytes <= range.bytes - (address - range.base)) {
      return &range;
    }
  }
  return nullptr;
}

const GlobalRange* GlobalMemory::nearest(uint64_t address) const {
  if (ranges_.empty()) return nullptr;
  const auto above = ranges_.upper_bound(address);
  if (above == ranges_.begin()) return &above->second;
  const GlobalRange& below = std::prev(above)->second;
  if (above == ranges_.end()) return &below;
  const uint64_t end = below.base + below.bytes;
  const uint64_t distance = address > end ? address - end : 0;
  return distance <= above->first - address ? &below : &above->second;
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
