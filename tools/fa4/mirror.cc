// SPDX-License-Identifier: Apache-2.0
#include "mirror.h"

#include <algorithm>

#include "error.h"

namespace fa4::cli {
namespace {

constexpr size_t kGuardBytes = 4096;
constexpr auto kPoison = std::byte{0xff};  // a NaN in every floating type, -1 as an integer

}  // namespace

DeviceMemory::DeviceMemory(DLDevice device, size_t bytes) : device_(device), bytes_(bytes) {
  check(fa4_device_allocate(device, bytes, &data_));
}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void DeviceMemory::upload(std::span<const std::byte> from) const {
  check(fa4_device_copy(device_, data_, kHost, from.data(), from.size()));
}

void DeviceMemory::download(std::span<std::byte> to) const {
  check(fa4_device_copy(kHost, to.data(), device_, data_, to.size()));
}

DLTensor Mirror::add(const Tensor& tensor) {
  DLTensor view = tensor.dlpack();
  view.device = device_;
  const std::span<const std::byte> storage = tensor.storage();
  if (storage.empty()) return view;  // planning needs no data
  const auto offset = static_cast<const std::byte*>(view.data) - storage.data();
  entries_.push_back({storage.data(), DeviceMemory(device_, storage.size())});
  entries_.back().memory.upload(storage);
  view.data = entries_.back().memory.data() + offset;
  return view;
}

const Mirror::Entry* Mirror::find(const Tensor& tensor) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.host == tensor.storage().data();
  });
  return found == entries_.end() ? nullptr : &*found;
}

void Mirror::download(const Tensor& tensor) const {
  const Entry* entry = find(tensor);
  if (entry == nullptr) return;
  const std::span<const std::byte> storage = tensor.storage();
  entry->memory.download({const_cast<std::byte*>(storage.data()), storage.size()});
}

bool Mirror::differs(const Tensor& tensor) const {
  const Entry* entry = find(tensor);
  if (entry == nullptr) return false;
  std::vector<std::byte> now(entry->memory.bytes());
  entry->memory.download(now);
  return !std::equal(now.begin(), now.end(), entry->host);
}

size_t Mirror::bytes() const {
  size_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry.memory.bytes();
  return bytes;
}

DeviceWorkspace::DeviceWorkspace(DLDevice device, size_t bytes)
    : bytes_(bytes), memory_(device, bytes == 0 ? 0 : bytes + 2 * kGuardBytes) {
  memory_.upload(std::vector<std::byte>(memory_.bytes(), kPoison));
}

void* DeviceWorkspace::data() const { return bytes_ == 0 ? nullptr : memory_.data() + kGuardBytes; }

bool DeviceWorkspace::guards_are_intact() const {
  std::vector<std::byte> now(memory_.bytes());
  memory_.download(now);
  for (size_t i = 0; i < now.size(); ++i) {
    const bool guard = i < kGuardBytes || i >= kGuardBytes + bytes_;
    if (guard && now[i] != kPoison) return false;
  }
  return true;
}

DeviceTimer::DeviceTimer(DLDevice device) {
  check(fa4_event_create(device, &start_));
  check(fa4_event_create(device, &stop_));
}

DeviceTimer::~DeviceTimer() {
  fa4_event_destroy(start_);
  fa4_event_destroy(stop_);
}

void DeviceTimer::start() const { check(fa4_event_record(start_, nullptr)); }

double DeviceTimer::stop() const {
  double milliseconds = 0;
  check(fa4_event_record(stop_, nullptr));
  check(fa4_event_elapsed(start_, stop_, &milliseconds));
  return milliseconds;
}

}  // namespace fa4::cli
