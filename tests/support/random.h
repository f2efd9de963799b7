// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same on every machine: splitmix64 (Steele, Lea and Flood 2014), and N(0,1) by Box and
// Muller.
#pragma once

#include <cmath>
#include <cstdint>

namespace fa4::test {

// The bits of a word, mixed.
constexpr uint64_t mix_bits(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}
inline constexpr uint64_t kGoldenGamma = 0x9e3779b97f4a7c15;

// Output i of splitmix64, from 0.
constexpr uint64_t splitmix64(uint64_t seed, uint64_t i) {
  return mix_bits(seed + (i + 1) * kGoldenGamma);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() { return mix_bits(state_ += kGoldenGamma); }
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }  // in (0, 1)
  int64_t between(int64_t low, int64_t high) {                                      // both included
    return low + static_cast<int64_t>(bits() % static_cast<uint64_t>(high - low + 1));
  }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * 3.14159265358979323846 * uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace fa4::test
