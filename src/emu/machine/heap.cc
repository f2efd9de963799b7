// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/heap.h"

#include <algorithm>

namespace fa4::emu {
namespace {

constexpr uint64_t kHeapAlignment = 16;

uint64_t heap_rounded(uint64_t bytes) {
  return (bytes + kHeapAlignment - 1) / kHeapAlignment * kHeapAlignment;
}

}  // namespace

void Heap::open(GlobalMemory* memory) {
  if (range_ != nullptr) return;
  storage_.assign(kBytes + kHeapAlignment, std::byte{kPoisonByte});
  const uint64_t base = heap_rounded(reinterpret_cast<uint64_t>(storage_.data()));
  memory->add(
      {.name = "the heap of malloc", .base = base, .bytes = kBytes, .written = unwritten(kBytes)});
  range_ = memory->find(base, kBytes);
}

// First fit, between the blocks in use.
uint64_t Heap::allocate(uint64_t bytes) {
  if (bytes == 0 || bytes > kBytes) return 0;
  uint64_t at = range_->base;
  for (const auto& [begin, size] : blocks_) {
    if (begin - at >= heap_rounded(bytes)) break;
    at = begin + heap_rounded(size);
  }
  if (at + bytes > range_->base + kBytes) return 0;
  blocks_[at] = bytes;
  std::fill_n(range_->written.get() + (at - range_->base), bytes, uint8_t{0});
  return at;
}

bool Heap::release(uint64_t address) { return address == 0 || blocks_.erase(address) == 1; }

}  // namespace fa4::emu
