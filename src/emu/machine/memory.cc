// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

const char* verb_of(Access access) { return access == Access::Read ? "read" : "write"; }

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
  if (access != Access::Read && !range->writable) {
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
    return fmt::format("{} of warp {} at {}", what, conflict.warp,
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
    case Conflict::Kind::Unwritten:
      return report(warp, Level::Error, "smem.uninit",
                    fmt::format("uninitialised read: nobody has written what is {}", here));
  }
}

// Bounds and alignment, without a word to the shadow.
std::byte* place_in_shared(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access,
                           uint32_t alignment) {
  Cta& cta = *warp.cta;
  if (address % alignment != 0) {
    return refused(warp, "misaligned", "misaligned", Space::Shared, address, lane, bytes, access,
                   fmt::format("which is not a multiple of {}", alignment));
  }
  const auto rank = static_cast<uint32_t>(address >> kRankShift);
  const uint32_t offset = address & kOffsetMask;
  if (rank != cta.rank || address >> 32 != 0) {
    return refused(warp, "smem.foreign_rank", "out of bounds", Space::Shared, address, lane, bytes,
                   access,
                   fmt::format("which is of rank {}; this CTA has rank {}", rank, cta.rank));
  }
  if (offset < kReservedShared || offset + bytes > cta.shared.size()) {
    return refused(warp, "smem.bounds", "out of bounds", Space::Shared, address, lane, bytes,
                   access,
                   fmt::format("outside [{:#x}, {:#x})", kReservedShared, cta.shared.size()));
  }
  return cta.shared.data() + offset;
}

std::byte* resolve_shared(Warp& warp, uint64_t address, int lane, uint32_t bytes, Access access,
                          uint32_t alignment) {
  Cta& cta = *warp.cta;
  std::byte* at = place_in_shared(warp, address, lane, bytes, access, alignment);
  if (at != nullptr && cta.shadow.enabled()) {
    const auto offset = static_cast<uint32_t>(at - cta.shared.data());
    const Conflict conflict =
        access == Access::Read    ? cta.shadow.read(warp.index, warp.current, offset, bytes)
        : access == Access::Write ? cta.shadow.write(warp.index, warp.current, offset, bytes)
                                  : cta.shadow.atomic(warp.index, offset, bytes);
    report_conflict(warp, conflict, offset, lane, access);
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
  if (access != Access::Read) {
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

std::byte* copy_target(Warp& warp, uint32_t copy, uint64_t address, int lane, uint32_t bytes) {
  Cta& cta = *warp.cta;
  std::byte* at = place_in_shared(warp, address, lane, bytes, Access::Write, bytes);
  if (at == nullptr) return nullptr;
  const auto offset = static_cast<uint32_t>(at - cta.shared.data());
  report_conflict(warp, cta.shadow.copy_issued(copy, warp.current, offset, bytes), offset, lane,
                  Access::Write);
  return at;
}

const char* name_of(Space space) {
  switch (space) {
    case Space::Generic:
      return "generic";
    case Space::Global:
      return "global";
    case Space::Shared:
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
    if (window == kSharedWindow >> 56) space = Space::Shared;
    if (window == kLocalWindow >> 56) space = Space::Local;
    if (window == kParamWindow >> 56) space = Space::Param;
    if (space != Space::Generic) address = inside;
  }
  if (space == Space::Shared) {
    return resolve_shared(warp, address, lane, bytes, access, alignment);
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
