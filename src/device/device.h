// SPDX-License-Identifier: Apache-2.0
// The joint between what is launched and what runs it: a GPU, or a machine that executes the same PTX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/status.h"
#include "plan/launch.h"

namespace fa4::device {

// What a device loads.
enum class Code : uint8_t { Cubin, Ptx };

// A kernel that a device has loaded. It lives as long as the device.
struct Kernel {
  void* handle = nullptr;
  uint32_t threads = 0;
  uint32_t smem_bytes = 0;   // dynamic
  uint32_t param_bytes = 0;  // of its one parameter; 0: the device cannot tell
  uint32_t registers = 0;
};

struct Step {
  const Kernel* kernel;
  const plan::Launch* launch;
};

// Memory that the kernels of a launch may touch: a tensor from its first to its last byte, the workspace.
struct Buffer {
  std::string name;  // "q", "page_table"
  std::byte* base = nullptr;
  size_t bytes = 0;
  bool writable = false;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual const plan::DeviceFacts& facts() const = 0;
  virtual std::string description() const = 0;  // "NVIDIA H200"
  virtual Code code() const = 0;
  virtual std::string driver() const = 0;  // its version, part of the key of cached code

  virtual Status load(const std::string& image, const plan::KernelSpec& spec,
                      Kernel* kernel) const = 0;

  // Whether launches must name the memory that they touch. A GPU does not ask.
  virtual bool names_buffers() const { return false; }

  // In order on the stream. On a GPU nothing is allocated and nothing is waited for.
  virtual Status launch(std::span<const Step> steps, std::span<const Buffer> buffers,
                        void* stream) const = 0;

  // Memory in the order of a stream: one-shot calls have no other. Neither waits.
  virtual Status take_scratch(size_t bytes, void* stream, void** address) const = 0;
  virtual Status return_scratch(void* address, void* stream) const = 0;

  // For tools and tests. Copies wait for the device.
  virtual Status allocate(size_t bytes, void** address) const = 0;
  virtual Status free(void* address) const = 0;
  virtual Status copy_in(void* to, const void* from, size_t bytes) const = 0;
  virtual Status copy_out(void* to, const void* from, size_t bytes) const = 0;
  virtual Status synchronize(void* stream) const = 0;
  virtual Status create_event(void** event) const = 0;
  virtual Status destroy_event(void* event) const = 0;
  virtual Status record_event(void* event, void* stream) const = 0;
  // Waits for `stop`.
  virtual Status elapsed(void* start, void* stop, double* milliseconds) const = 0;
};

// The devices of this machine, by index.
class Devices {
 public:
  virtual ~Devices() = default;
  virtual Status available() const = 0;  // or why there is none
  virtual int count() const = 0;
  virtual Status find(int index, const Device** device) const = 0;
};

}  // namespace fa4::device
