// SPDX-License-Identifier: Apache-2.0
#include "emurun/memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "emurun/base.h"
#include "emurun/machine.h"

namespace fa4::emurun {
namespace {

constexpr uint64_t kAlignment = 256;  // as cudaMalloc promises
constexpr uint64_t kRedZone = 256;
constexpr std::byte kRedByte{0xfa};
constexpr uint32_t kPoison = 0x7fff7fff;  // NaN in f64, f32, bf16 and f16

struct Memory {
  std::map<uint64_t, Allocation> allocations;  // by the first byte, that of the red zone before it
  uint64_t bytes = 0;
  uint64_t number = 0;
};

Memory& memory() {
  static auto* const all = new Memory;
  return *all;
}

uint64_t number_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

uint64_t zone_of(const Allocation& allocation) {
  return allocation.block == nullptr ? 0 : kRedZone;
}

const char* words_of(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::Device:
      return "device memory";
    case MemoryKind::Managed:
      return "managed memory";
    case MemoryKind::Pinned:
      return "page-locked host memory";
    case MemoryKind::Registered:
      return "registered host memory";
    case MemoryKind::Variable:
      return "a variable";
  }
  return "";
}

std::map<uint64_t, Allocation>::iterator find_base(const void* base) {
  auto& all = memory().allocations;
  auto found = all.upper_bound(number_of(base));
  if (found == all.begin()) return all.end();
  --found;
  return found->second.base == base ? found : all.end();
}

void check_red_zones(const Allocation& allocation) {
  const auto* begin = static_cast<const std::byte*>(allocation.block);
  const std::byte* const end = allocation.base + allocation.bytes;
  const auto is_red = [](std::byte byte) { return byte == kRedByte; };
  if (std::all_of(begin, begin + kRedZone, is_red) && std::all_of(end, end + kRedZone, is_red))
    return;
  say(fmt::format("out of bounds: the program itself has written outside {}, {} bytes at {:#x}",
                  allocation.name, allocation.bytes, number_of(allocation.base)));
  count_errors(1);
}

void add(Allocation allocation) {
  const uint64_t begin = number_of(allocation.base) - zone_of(allocation);
  memory().allocations[begin] = std::move(allocation);
}

}  // namespace

MemoryInfo memory_info() {
  static const uint64_t physical = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                   static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  const uint64_t total = physical / 2;  // the other half is the host's
  return {total - std::min(total, memory().bytes), total};
}

void* allocate(MemoryKind kind, uint64_t bytes, const char* function) {
  if (bytes == 0) return nullptr;
  if (bytes > memory_info().free) {
    fail(kOutOfMemory, "{}: {} bytes are asked for, and {} of {} are free", function, bytes,
         memory_info().free, memory_info().total);
  }
  const uint64_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment + 2 * kRedZone;
  auto* const block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, padded));
  if (block == nullptr) throw std::bad_alloc();
  Allocation made;
  made.kind = kind;
  made.name = fmt::format("{} #{}", function, ++memory().number);
  made.block = block;
  made.base = block + kRedZone;
  made.bytes = bytes;
  std::memset(block, static_cast<int>(kRedByte), kRedZone);
  std::memset(made.base + bytes, static_cast<int>(kRedByte), padded - kRedZone - bytes);
  for (uint64_t i = 0; i < bytes; i += sizeof(kPoison)) {
    std::memcpy(made.base + i, &kPoison, std::min<uint64_t>(sizeof(kPoison), bytes - i));
  }
  // What the host may write without a call has been written, as far as anybody can tell.
  machine_add_memory(made.name, made.base, bytes, kind != MemoryKind::Device);
  memory().bytes += bytes;
  void* const base = made.base;
  add(std::move(made));
  return base;
}

void release(void* base, MemoryKind kind, const char* function) {
  if (base == nullptr) return;
  const auto found = find_base(base);
  const bool pinned = kind == MemoryKind::Pinned;
  if (found == memory().allocations.end() || found->second.block == nullptr ||
      (found->second.kind == MemoryKind::Pinned) != pinned) {
    fail(kInvalidValue, "{}: {:#x} is not the beginning of an allocation of {}", function,
         number_of(base), words_of(kind));
  }
  const Allocation allocation = found->second;
  check_red_zones(allocation);
  machine_remove_memory(base);
  memory().allocations.erase(found);
  memory().bytes -= allocation.bytes;
  std::free(allocation.block);
}

void register_host(void* base, uint64_t bytes, const char* function) {
  if (base == nullptr || bytes == 0) {
    fail(kInvalidValue, "{}: {} bytes at {:#x} cannot be registered", function, bytes,
         number_of(base));
  }
  if (find_base(base) != memory().allocations.end()) {
    fail(kAlreadyRegistered, "{}: {:#x} is registered already", function, number_of(base));
  }
  Allocation made;
  made.kind = MemoryKind::Registered;
  made.name = fmt::format("{} #{}", function, ++memory().number);
  made.base = static_cast<std::byte*>(base);
  made.bytes = bytes;
  machine_add_memory(made.name, base, bytes, true);
  add(std::move(made));
}

void unregister_host(void* base, const char* function) {
  const auto found = find_base(base);
  if (found == memory().allocations.end() || found->second.kind != MemoryKind::Registered) {
    fail(kNotRegistered, "{}: {:#x} is not registered", function, number_of(base));
  }
  machine_remove_memory(base);
  memory().allocations.erase(found);
}

void note_variable(const std::string& name, void* base, uint64_t bytes) {
  Allocation made;
  made.kind = MemoryKind::Variable;
  made.name = name;
  made.base = static_cast<std::byte*>(base);
  made.bytes = bytes;
  add(std::move(made));
}

const Allocation* find_allocation(const void* address) {
  const auto& all = memory().allocations;
  auto found = all.upper_bound(number_of(address));
  if (found == all.begin()) return nullptr;
  const Allocation& allocation = (--found)->second;
  const uint64_t end = number_of(allocation.base) + allocation.bytes + zone_of(allocation);
  // The end itself is an address that a copy of no bytes may have.
  return number_of(address) < end ? &allocation : nullptr;
}

void check_range(const void* address, uint64_t bytes, bool device, const char* function,
                 const char* what) {
  if (bytes == 0) return;
  if (address == nullptr) fail(kInvalidValue, "{}: the {} is null", function, what);
  const Allocation* allocation = find_allocation(address);
  if (allocation == nullptr) {
    if (!device) return;
    fail(kInvalidValue, "{}: the {} {:#x} is said to be the device's, and no allocation is there",
         function, what, number_of(address));
  }
  const uint64_t begin = number_of(allocation->base), at = number_of(address);
  if (at < begin || at - begin > allocation->bytes || bytes > allocation->bytes - (at - begin)) {
    fail(kInvalidValue, "{}: the {}, {} bytes at {:#x}, leaves {}, {} bytes at {:#x}", function,
         what, bytes, at, allocation->name, allocation->bytes, begin);
  }
}

void copy(void* to, const void* from, uint64_t bytes, int kind, const char* function) {
  if (kind < kHostToHost || kind > kDefault) {
    fail(kInvalidDirection, "{}: kind is {}; it must be 0 to 4", function, kind);
  }
  check_range(to, bytes, kind == kHostToDevice || kind == kDeviceToDevice, function, "destination");
  check_range(from, bytes, kind == kDeviceToHost || kind == kDeviceToDevice, function, "source");
  if (bytes != 0) std::memmove(to, from, bytes);
  machine_mark_written(to, bytes);
}

void fill(void* to, uint64_t value, size_t value_bytes, uint64_t count, const char* function) {
  check_range(to, value_bytes * count, true, function, "destination");
  machine_mark_written(to, value_bytes * count);
  if (value_bytes == 1) {
    if (count != 0) std::memset(to, static_cast<int>(value), count);
    return;
  }
  auto* const bytes = static_cast<std::byte*>(to);
  for (uint64_t i = 0; i < count; ++i) std::memcpy(bytes + i * value_bytes, &value, value_bytes);
}

}  // namespace fa4::emurun
