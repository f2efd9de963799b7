// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/cp_async.h"

#include <cstring>

#include "emu/machine/memory.h"
#include "emu/machine/warp.h"

namespace fa4::emu {

void CpAsync::add(int lane, uint64_t to, uint64_t from, uint32_t bytes, uint32_t source_bytes) {
  std::byte* target = note_target(*this, to, lane, bytes, bytes);
  const std::byte* source = nullptr;
  if (source_bytes != 0) {
    source = resolve(*warp, Space::Global, from, lane, source_bytes, Access::Read, bytes);
  }
  if (target == nullptr) return;
  parts_[num_parts_++] = {target, source, bytes, source_bytes};
}

bool CpAsync::add_run(int count, uint64_t to, uint64_t from, uint32_t bytes) {
  const uint32_t all = static_cast<uint32_t>(count) * bytes;
  const std::byte* source = resolve_range(*warp, Space::Global, from, all, Access::Read, bytes);
  if (source == nullptr) return false;
  std::byte* target = try_target(*this, to, all, bytes);
  if (target == nullptr) return false;
  for (uint32_t at = 0; at < all; at += bytes) {
    parts_[num_parts_++] = {target + at, source + at, bytes, bytes};
  }
  return true;
}

void CpAsync::fill_rest(const Part& part, std::byte* to) {
  const bool bad = part.source_bytes != 0 && part.from == nullptr;
  const uint32_t read = bad ? 0 : part.source_bytes;
  std::memset(to + read, bad ? kPoisonByte : 0, part.bytes - read);
}

void CpAsync::step(size_t index) {
  const size_t at = index % num_parts_;
  const Part& part = parts_[at];
  std::byte* const staged = staged_[at].data();
  if (index >= num_parts_) {
    std::memcpy(part.to, staged, part.bytes);
    return;
  }
  if (part.from != nullptr) std::memcpy(staged, part.from, part.source_bytes);
  fill_rest(part, staged);
}

// Parts beside one another in one piece: global and shared memory are never the same.
bool CpAsync::step_all() {
  for (size_t at = 0; at < num_parts_;) {
    const Part& part = parts_[at];
    uint32_t bytes = part.from != nullptr ? part.source_bytes : 0;
    std::byte* const to = part.to;
    if (bytes < part.bytes) fill_rest(part, to);
    bool whole = bytes == part.bytes;
    for (++at; whole && at < num_parts_; ++at) {
      const Part& next = parts_[at];
      whole = next.to == to + bytes && next.from == part.from + bytes &&
              next.source_bytes == next.bytes;
      if (!whole) break;
      bytes += next.bytes;
    }
    if (bytes != 0) std::memcpy(to, part.from, bytes);
  }
  return true;
}

}  // namespace fa4::emu
