// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>

#include "emu/machine/memory.h"

namespace fa4::emu {

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

}  // namespace fa4::emu
