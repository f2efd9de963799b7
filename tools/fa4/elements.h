// SPDX-License-Identifier: Apache-2.0
// Element types of the command's tensors, their names in each world, and element-wise access as double.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "fa4/fa4.h"

namespace fa4::cli {

enum class ElementType : uint8_t { Float64, Float32, BFloat16, Float16, Int64, Int32 };

struct ElementTypeFacts {
  ElementType type;
  std::string_view name;         // in the command's messages
  std::string_view option;       // of --dtype; empty: not selectable
  std::string_view safetensors;  // in a file's header
  int64_t bytes;
  DLDataType dlpack;
};

inline constexpr ElementTypeFacts kElementTypes[] = {
    {ElementType::Float64, "float64", "fp64", "F64", 8, {kDLFloat, 64, 1}},
    {ElementType::Float32, "float32", "fp32", "F32", 4, {kDLFloat, 32, 1}},
    {ElementType::BFloat16, "bfloat16", "bf16", "BF16", 2, {kDLBfloat, 16, 1}},
    {ElementType::Float16, "float16", "fp16", "F16", 2, {kDLFloat, 16, 1}},
    {ElementType::Int64, "int64", "", "I64", 8, {kDLInt, 64, 1}},
    {ElementType::Int32, "int32", "", "I32", 4, {kDLInt, 32, 1}},
};

constexpr const ElementTypeFacts& facts(ElementType type) {
  return kElementTypes[static_cast<size_t>(type)];
}
constexpr std::string_view name_of(ElementType type) { return facts(type).name; }
constexpr int64_t size_of(ElementType type) { return facts(type).bytes; }
constexpr bool is_floating(ElementType type) {
  return type != ElementType::Int64 && type != ElementType::Int32;
}

// The accuracy rule's unit in the last place.
constexpr double ulp_of(ElementType type) {
  switch (type) {
    case ElementType::BFloat16:
      return 0x1p-8;
    case ElementType::Float16:
      return 0x1p-11;
    case ElementType::Float32:
      return 0x1p-22;
    default:
      return 0x1p-48;
  }
}

// Errors below this are not judged: processors may treat denormal numbers as zero (vdpbf16ps does).
constexpr double smallest_of(ElementType type) {
  switch (type) {
    case ElementType::BFloat16:
    case ElementType::Float32:
      return 0x1p-118;
    case ElementType::Float16:
      return 0x1p-24;
    default:
      return 0;
  }
}

constexpr double largest_of(ElementType type) {
  switch (type) {
    case ElementType::BFloat16:
      return 0x1.fep127;
    case ElementType::Float16:
      return 65504;
    case ElementType::Float32:
      return 0x1.fffffep127;
    default:
      return 0x1.fffffffffffffp1023;
  }
}

constexpr float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

constexpr uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

constexpr float float16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) {
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  }
  if (magnitude < 0x400) {  // units of 2^-24
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000));
}

constexpr uint16_t float_to_float16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and up round to Inf
  if (magnitude < 0x38800000) {  // a multiple of 2^-24, which is the ulp of [0.5, 1)
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

template <class Value>
Value load_as(const std::byte* address) {
  Value value;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

inline double load_element(const std::byte* address, ElementType type) {
  switch (type) {
    case ElementType::Float64:
      return load_as<double>(address);
    case ElementType::Float32:
      return static_cast<double>(load_as<float>(address));
    case ElementType::BFloat16:
      return static_cast<double>(bfloat16_to_float(load_as<uint16_t>(address)));
    case ElementType::Float16:
      return static_cast<double>(float16_to_float(load_as<uint16_t>(address)));
    case ElementType::Int64:
      return static_cast<double>(load_as<int64_t>(address));
    case ElementType::Int32:
      return load_as<int32_t>(address);
  }
  return 0;
}

template <class Value>
void store_as(std::byte* address, Value value) {
  std::memcpy(address, &value, sizeof(value));
}

// The 16-bit types go through float: two roundings, which is fine for making inputs.
inline void store_element(std::byte* address, ElementType type, double value) {
  switch (type) {
    case ElementType::Float64:
      return store_as(address, value);
    case ElementType::Float32:
      return store_as(address, static_cast<float>(value));
    case ElementType::BFloat16:
      return store_as(address, float_to_bfloat16(static_cast<float>(value)));
    case ElementType::Float16:
      return store_as(address, float_to_float16(static_cast<float>(value)));
    case ElementType::Int64:
      return store_as(address, static_cast<int64_t>(value));
    case ElementType::Int32:
      return store_as(address, static_cast<int32_t>(value));
  }
}

// What fills memory that must not be read: signalling NaN and Inf of both signs in turn; for integers,
// values that are no index.
inline void store_poison(std::byte* address, ElementType type, int64_t position) {
  const bool infinite = position % 2 == 1;
  const bool negative = position % 4 == 3;
  switch (type) {
    case ElementType::Float64:
      return store_as<uint64_t>(address, (infinite ? 0x7ff0000000000000 : 0x7ff4000000000000) |
                                             static_cast<uint64_t>(negative) << 63);
    case ElementType::Float32:
      return store_as<uint32_t>(
          address, (infinite ? 0x7f800000u : 0x7fa00000u) | static_cast<uint32_t>(negative) << 31);
    case ElementType::BFloat16:
      return store_as(address,
                      static_cast<uint16_t>((infinite ? 0x7f80 : 0x7fa0) | negative << 15));
    case ElementType::Float16:
      return store_as(address,
                      static_cast<uint16_t>((infinite ? 0x7c00 : 0x7d00) | negative << 15));
    case ElementType::Int64:
      return store_as<int64_t>(address, infinite ? INT64_MAX : INT64_MIN);
    case ElementType::Int32:
      return store_as<int32_t>(address, infinite ? INT32_MAX : INT32_MIN);
  }
}

}  // namespace fa4::cli
