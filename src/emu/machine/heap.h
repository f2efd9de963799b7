// SPDX-License-Identifier: Apache-2.0
// malloc and free of kernels. The heap is as large as a GPU's is when nobody asks for more, and lasts as long as the
// machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "emu/machine/memory.h"

namespace fa4::emu {

// Used by one thread of the host at a time: kernels that allocate run on one.
class Heap {
 public:
  static constexpr uint64_t kBytes = uint64_t{8} << 20;

  // Before a launch whose kernel allocates.
  void open(GlobalMemory* memory);
  uint64_t allocate(uint64_t bytes);  // 0: there is no room
  bool release(uint64_t address);     // false: nothing has been allocated there

 private:
  std::vector<std::byte> storage_;
  const GlobalRange* range_ = nullptr;
  std::map<uint64_t, uint64_t> blocks_;  // in use: begin to bytes
};

}  // namespace fa4::emu
