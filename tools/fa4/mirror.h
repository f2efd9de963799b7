// SPDX-License-Identifier: Apache-2.0
// Copies of tensors on a device: all of a tensor's storage, so that what lies around its elements is there too.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "fa4/fa4.h"
#include "tensor.h"

namespace fa4::cli {

inline constexpr DLDevice kHost{kDLCPU, 0};

// Memory of a device.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(DLDevice device, size_t bytes);
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  ~DeviceMemory() { fa4_device_free(device_, data_); }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  size_t bytes() const { return bytes_; }
  void upload(std::span<const std::byte> from) const;
  void download(std::span<std::byte> to) const;

 private:
  DLDevice device_ = kHost;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

class Mirror {
 public:
  explicit Mirror(DLDevice device) : device_(device) {}

  // The tensor on the device, uploaded now. It must stay where it is.
  DLTensor add(const Tensor& tensor);
  // Back into the host's storage.
  void download(const Tensor& tensor) const;
  // Whether the device's copy differs from the host's.
  bool differs(const Tensor& tensor) const;

  DLDevice device() const { return device_; }
  size_t bytes() const;

 private:
  struct Entry {
    const std::byte* host;
    DeviceMemory memory;
  };
  const Entry* find(const Tensor& tensor) const;

  DLDevice device_;
  std::deque<Entry> entries_;
};

// A workspace on a device, full of NaN between guards.
class DeviceWorkspace {
 public:
  DeviceWorkspace(DLDevice device, size_t bytes);
  void* data() const;
  size_t bytes() const { return bytes_; }
  bool guards_are_intact() const;

 private:
  size_t bytes_;
  DeviceMemory memory_;
};

// Time on a device: of `work`, called `times` times in a row, in milliseconds each.
class DeviceTimer {
 public:
  explicit DeviceTimer(DLDevice device);
  ~DeviceTimer();
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  template <class Work>
  double milliseconds(const Work& work, int times) const {
    start();
    for (int i = 0; i < times; ++i) work();
    return stop() / times;
  }

 private:
  void start() const;
  double stop() const;

  fa4_event *start_ = nullptr, *stop_ = nullptr;
};

}  // namespace fa4::cli
