// SPDX-License-Identifier: Apache-2.0
// What a launch prints: CTA by CTA in their order, so that the number of threads does not show; within a CTA in the
// order of the calls, which the policy fixes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace fa4::emu {

class Output {
 public:
  void add(const std::array<uint32_t, 3>& cta, const std::string& text) {
    const std::lock_guard lock(mutex_);
    texts_[{cta[2], cta[1], cta[0]}] += text;
  }
  std::string all() const {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const auto& [cta, text] : texts_) all += text;
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::array<uint32_t, 3>, std::string> texts_;
};

}  // namespace fa4::emu
