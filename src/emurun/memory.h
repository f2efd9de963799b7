// SPDX-License-Identifier: Apache-2.0
// Memory that kernels may touch: allocations of the program, each a range of the host's memory that the machine knows by name,
// between two red zones that it does not know; and host memory that the program has registered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace fa4::emurun {

enum class MemoryKind { Device, Managed, Pinned, Registered, Variable };

struct Allocation {
  MemoryKind kind = MemoryKind::Device;
  std::string name;           // "cudaMalloc #3"
  std::byte* base = nullptr;  // what the program has
  uint64_t bytes = 0;
  void* block = nullptr;  // with the red zones; null: memory that is not ours
};

// Poisoned with NaN. Null for 0 bytes, as cudaMalloc gives it. `function` becomes the name.
void* allocate(MemoryKind kind, uint64_t bytes, const char* function);
void release(void* base, MemoryKind kind, const char* function);  // null is fine

void register_host(void* base, uint64_t bytes, const char* function);
void unregister_host(void* base, const char* function);

// A variable of a module, which the machine has allocated.
void note_variable(const std::string& name, void* base, uint64_t bytes);

// The allocation in whose range, or in whose red zone, an address lies; null: host memory.
const Allocation* find_allocation(const void* address);

struct MemoryInfo {
  uint64_t free = 0, total = 0;
};
MemoryInfo memory_info();

// Copies of cudaMemcpyKind: 0 to 3 say which side is the device's, 4 does not. A range that leaves its allocation, or is not
// where the kind says, is refused.
enum CopyKind : int { kHostToHost, kHostToDevice, kDeviceToHost, kDeviceToDevice, kDefault };
void check_range(const void* address, uint64_t bytes, bool device, const char* function,
                 const char* what);
void copy(void* to, const void* from, uint64_t bytes, int kind, const char* function);
void fill(void* to, uint64_t value, size_t value_bytes, uint64_t count, const char* function);

}  // namespace fa4::emurun
