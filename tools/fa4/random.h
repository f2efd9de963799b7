// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same on every machine and library.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace fa4::cli {

// splitmix64
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // Streams of one seed that have nothing to do with each other.
  Random(uint64_t seed, uint64_t stream) : state_(Random(seed ^ Random(stream).next()).next()) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // [0, 1)
  bool chance(double probability) { return uniform() < probability; }
  int64_t integer(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(uniform() * static_cast<double>(most - least + 1));
  }
  int64_t log_uniform(int64_t least, int64_t most) {  // least > 0
    const double low = std::log(static_cast<double>(least));
    const double high = std::log(static_cast<double>(most) + 1);
    const auto value = static_cast<int64_t>(std::exp(low + uniform() * (high - low)));
    return value < least ? least : value > most ? most : value;
  }
  template <class Value>
  Value pick(std::initializer_list<Value> values) {
    return values.begin()[integer(0, static_cast<int64_t>(values.size()) - 1)];
  }

  double normal() {  // N(0, 1), two at a time
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    const double angle = 2 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace fa4::cli
