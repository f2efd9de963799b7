// SPDX-License-Identifier: Apache-2.0
// What a policy is free to choose: drawn by chance, splitmix64 (Steele, Lea and Flood 2014), the same on every machine;
// or read from what an earlier run has written down (run/schedule.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fa4::emu {

// One of `bound` possibilities.
struct Decision {
  uint32_t value = 0;
  uint32_t bound = 0;
};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // In [0, bound): a decision of its own.
  uint64_t below(uint64_t bound) {
    return decide(bound, [&] { return draw(bound); });
  }
  // A decision made by a rule, which may draw on the way to it.
  template <class Choose>
  uint64_t decide(uint64_t bound, Choose choose) {
    if (bound == 1) return 0;
    if (script_ != nullptr) return next_of_script(bound);
    const uint64_t value = choose();
    if (log_ != nullptr) {
      log_->push_back({static_cast<uint32_t>(value), static_cast<uint32_t>(bound)});
    }
    return value;
  }
  // In [0, bound): a part of a decision.
  uint64_t draw(uint64_t bound) { return next() % bound; }

  // Decisions are written down, or taken from what has been; neither outlives what is given.
  void write_down(std::vector<Decision>* log) { log_ = log; }
  void follow(const std::vector<Decision>* script) { script_ = script; }
  // The script has ended, or a decision had another number of possibilities: this is another run.
  bool has_lost_script() const { return lost_; }

 private:
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  uint64_t next_of_script(uint64_t bound) {
    if (lost_ || at_ == script_->size() || (*script_)[at_].bound != bound) {
      lost_ = true;
      return 0;
    }
    return (*script_)[at_++].value;
  }

  uint64_t state_;
  std::vector<Decision>* log_ = nullptr;
  const std::vector<Decision>* script_ = nullptr;
  size_t at_ = 0;
  bool lost_ = false;
};

}  // namespace fa4::emu
