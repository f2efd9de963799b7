// SPDX-License-Identifier: Apache-2.0
// The device that programs are told of: a well-known one of the emulated architecture.
#pragma once

#include <cstdint>
#include <string>

#include "fa4/emu.h"

namespace fa4::emurun {

struct Device {
  std::string name;
  int arch;  // 90
  int multiprocessors;
  int threads_per_multiprocessor;
  int blocks_per_multiprocessor;
  int shared_per_multiprocessor;
  int shared_per_block;  // with cudaFuncAttributeMaxDynamicSharedMemorySize
  int l2_bytes;
};
const Device& device();

void check_device(int index, const char* function);  // throws Failure: there is device 0 alone

// cudaDeviceAttr and CUdevice_attribute have one numbering. What is not known of an emulated device is 0; false: there is no
// such attribute.
bool device_attribute(int attribute, int* value);

constexpr int kSharedPerBlock = 48 << 10;  // without asking for more
constexpr int kReservedShared = 1 << 10;   // of each block, on sm_80 and later
constexpr int kRegistersPerThread = 32;    // PTX does not say how many a thread takes
constexpr const char* kPciBusId = "0000:00:00.0";

uint64_t most_threads(const fa4emu_entry& facts);  // of a block

// By threads, blocks and shared memory.
int blocks_per_multiprocessor(const fa4emu_entry& facts, int threads, uint64_t dynamic_shared);

}  // namespace fa4::emurun
