// SPDX-License-Identifier: Apache-2.0
// Element types, and the 16-bit floats as bits: conversions round to nearest even and keep NaN.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace fa4 {

enum class Dtype : uint8_t { Float32, BFloat16, Float16, Float64, Int32 };

constexpr int64_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::Float64:
      return 8;
    case Dtype::Float32:
    case Dtype::Int32:
      return 4;
    case Dtype::BFloat16:
    case Dtype::Float16:
      return 2;
  }
  return 0;
}

constexpr const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::Float32:
      return "float32";
    case Dtype::BFloat16:
      return "bfloat16";
    case Dtype::Float16:
      return "float16";
    case Dtype::Float64:
      return "float64";
    case Dtype::Int32:
      return "int32";
  }
  return "";
}

constexpr float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

constexpr uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);  // quiet NaN
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

constexpr float float16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) {  // Inf and NaN
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  }
  if (magnitude < 0x400) {  // zero and subnormals: units of 2^-24
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000));
}

constexpr uint16_t float_to_float16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | static_cast<uint16_t>(magnitude >> 13 & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and up round to Inf
  if (magnitude < 0x38800000) {                       // below 2^-14: a multiple of 2^-24
    const float scaled = std::bit_cast<float>(magnitude) + 0.5f;  // ulp of [0.5, 1) is 2^-24
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(scaled) - 0x3f000000);
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

// Loads and stores of one element, for code that is not in a hurry.
inline double load_element(const void* address, Dtype dtype) {
  uint16_t bits;
  switch (dtype) {
    case Dtype::Float64: {
      double value;
      std::memcpy(&value, address, sizeof(value));
      return value;
    }
    case Dtype::Float32: {
      float value;
      std::memcpy(&value, address, sizeof(value));
      return static_cast<double>(value);
    }
    case Dtype::BFloat16:
      std::memcpy(&bits, address, sizeof(bits));
      return static_cast<double>(bfloat16_to_float(bits));
    case Dtype::Float16:
      std::memcpy(&bits, address, sizeof(bits));
      return static_cast<double>(float16_to_float(bits));
    case Dtype::Int32: {
      int32_t value;
      std::memcpy(&value, address, sizeof(value));
      return value;
    }
  }
  return 0;
}

// double -> 16 bits goes through float with rounding to odd, so that it rounds once.
inline float round_to_odd(double value) {
  float narrow = static_cast<float>(value);
  const double back = static_cast<double>(narrow);
  if (back == value || std::isnan(value) || std::isinf(narrow)) return narrow;
  uint32_t bits = std::bit_cast<uint32_t>(narrow);
  if (std::fabs(back) > std::fabs(value)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1);
}

inline void store_element(void* address, Dtype dtype, double value) {
  switch (dtype) {
    case Dtype::Float64:
      std::memcpy(address, &value, sizeof(value));
      return;
    case Dtype::Float32: {
      const float narrow = static_cast<float>(value);
      std::memcpy(address, &narrow, sizeof(narrow));
      return;
    }
    case Dtype::BFloat16: {
      const uint16_t bits = float_to_bfloat16(round_to_odd(value));
      std::memcpy(address, &bits, sizeof(bits));
      return;
    }
    case Dtype::Float16: {
      const uint16_t bits = float_to_float16(round_to_odd(value));
      std::memcpy(address, &bits, sizeof(bits));
      return;
    }
    case Dtype::Int32: {
      const auto narrow = static_cast<int32_t>(value);
      std::memcpy(address, &narrow, sizeof(narrow));
      return;
    }
  }
}

}  // namespace fa4
