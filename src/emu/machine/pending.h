// SPDX-License-Identifier: Apache-2.0
// The clusters of a launch that have not begun: they are started one after the other, or a cluster that runs takes one
// over (clusterlaunchcontrol).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace fa4::emu {

// Clusters of a launch that have not begun, in the order of their numbers. Taken by all threads.
class PendingClusters {
 public:
  void reset(uint32_t count) { count_ = count; }
  uint32_t count() const { return count_; }  // of the launch
  bool empty() const { return next_ >= count_; }
  std::optional<uint32_t> take() {
    const uint32_t taken = next_ < count_ ? next_++ : count_;
    return taken < count_ ? std::optional(taken) : std::nullopt;
  }

 private:
  uint32_t count_ = 0;
  std::atomic<uint32_t> next_ = 0;
};

}  // namespace fa4::emu
