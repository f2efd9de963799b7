// SPDX-License-Identifier: Apache-2.0
// Hands out pieces of a block of memory, aligned to 64 bytes; on no block it only counts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fa4::cpu {

class Arena {
 public:
  Arena() = default;
  explicit Arena(void* base) : address_(reinterpret_cast<uintptr_t>(base)) {}

  template <class T>
  T* take(int64_t count) {
    const uintptr_t result = address_ + used_;
    used_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(result);
  }

  size_t used() const { return used_; }

 private:
  uintptr_t address_ = 0;
  size_t used_ = 0;
};

}  // namespace fa4::cpu
