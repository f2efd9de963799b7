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
  parts_[num_parts_++] = {target, source, bytes, source_bytes, {}};
}

bool CpAsync::add_run(int count, uint64_t to, uint64_t from, uint32_t bytes) {
  const uint32_t all = static_cast<uint32_t>(count) * bytes;
  const std::byte* source = resolve_range(*warp, Space::Global, from, all, Access::Read, bytes);
  if (source == nullptr) return false;
  std::byte* target = try_target(*this, to, all, bytes);
  if (target == nullptr) return false;
  for (uint32_t at = 0; at < all; at += bytes) {
    parts_[num_parts_++] = {target + at, source + at, bytes, bytes, {}};
  }
  return true;
}

void CpAsync::step(size_t index) {
  Part& part = parts_[index % num_parts_];
  if (index >= num_parts_) {
    std::memcpy(part.to, part.staged.data(), part.bytes);
    return;
  }
  if (part.source_bytes == 0) return;  // zeros
  if (part.from == nullptr) {
    std::memset(part.staged.data(), kPoisonByte, part.bytes);
  } else {
    std::memcpy(part.staged.data(), part.from, part.source_bytes);
  }
}

}  // namespace fa4::emu
