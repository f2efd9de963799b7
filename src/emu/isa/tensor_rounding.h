// SPDX-License-Identifier: Apache-2.0
// The last step of a tensor core: an integer sum in units of 2^unit becomes a floating-point number.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace fa4::emu::isa {

inline constexpr uint32_t kTensorNan32 = 0x7fffffff;
inline constexpr uint32_t kTensorNan16 = 0x7fff;

// Toward zero; beyond the largest number, infinity. What becomes zero is +0.
inline uint32_t tensor_truncate32(int64_t sum, int unit) {
  if (sum == 0) return 0;
  const uint32_t sign = sum < 0 ? 0x80000000 : 0;
  uint64_t magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  const int exponent = std::bit_width(magnitude) - 1 + unit;
  if (exponent > 127) return sign | 0x7f800000;
  const int last = std::max(exponent - 23, -149);  // of the bits that are kept
  const int shift = last - unit;
  if (shift > 63) return 0;
  magnitude = shift > 0 ? magnitude >> shift : magnitude << -shift;
  if (magnitude == 0) return 0;
  return sign | static_cast<uint32_t>((static_cast<uint64_t>(last + 149) << 23) + magnitude);
}

// To the nearest f16, ties to even. What becomes zero is +0.
inline uint32_t tensor_round16(int64_t sum, int unit) {
  if (sum == 0) return 0;
  const uint32_t sign = sum < 0 ? 0x8000 : 0;
  uint64_t magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  const int exponent = std::bit_width(magnitude) - 1 + unit;
  if (exponent > 15) return sign | 0x7c00;
  const int last = std::max(exponent - 10, -24);
  const int shift = last - unit;
  if (shift > 63) return 0;
  if (shift > 0) {
    const uint64_t rest = magnitude & ((uint64_t{1} << shift) - 1);
    const uint64_t half = uint64_t{1} << (shift - 1);
    magnitude >>= shift;
    magnitude += rest > half || (rest == half && (magnitude & 1) != 0) ? 1 : 0;
  } else {
    magnitude <<= -shift;
  }
  if (magnitude == 0) return 0;
  // A carry out of the significand raises the exponent, up to infinity.
  return sign | static_cast<uint32_t>((static_cast<uint64_t>(last + 24) << 10) + magnitude);
}

}  // namespace fa4::emu::isa
