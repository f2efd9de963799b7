// SPDX-License-Identifier: Apache-2.0
// Tensor maps (PTX ISA 9.0, 5.5.8; CUDA driver API, cuTensorMapEncodeTiled): how a tensor lies in global memory, which
// boxes of it are copied, and how they lie in shared memory. Their 128 bytes are in the machine's own encoding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fa4::emu {

inline constexpr size_t kTensorMapBytes = 128;
inline constexpr size_t kMostTensorRank = 5;

// Numbered as CUtensorMapDataType; the packed types of 4 and 6 bits are not served.
enum class MapType : uint8_t {
  U8,
  U16,
  U32,
  S32,
  U64,
  S64,
  F16,
  F32,
  F64,
  BF16,
  F32Ftz,
  TF32,
  TF32Ftz,
};
inline constexpr uint32_t kNumMapTypes = 13;
const char* name_of(MapType type);  // "bf16"
uint32_t bytes_of(MapType type);
bool is_float(MapType type);
// What an element outside the tensor becomes where NaN is asked for.
uint64_t nan_fill_of(MapType type);

// Numbered as CUtensorMapSwizzle.
enum class MapSwizzle : uint8_t { None, B32, B64, B128 };
inline constexpr uint32_t kNumMapSwizzles = 4;
// Bits 7 and up of an address that are added, modulo 2, to its bits 4 and up.
constexpr uint32_t mask_of(MapSwizzle swizzle) {
  return (1u << static_cast<uint32_t>(swizzle)) - 1;
}
// Of an absolute shared address: bits 4 to 6 are changed by bits 7 to 9.
constexpr uint32_t swizzled(MapSwizzle swizzle, uint32_t address) {
  return address ^ (address >> 7 & mask_of(swizzle)) << 4;
}

// Enumerated fields as numbers of the driver's enumerations, so that what is not served can be said.
struct TensorMap {
  uint32_t type = 0;  // MapType
  uint32_t rank = 0;
  uint64_t address = 0;
  std::array<uint64_t, kMostTensorRank> sizes{};    // elements; dimension 0 is the contiguous one
  std::array<uint64_t, kMostTensorRank> strides{};  // bytes; that of dimension 0 is an element's
  std::array<uint32_t, kMostTensorRank> box{};      // elements that a box spans
  std::array<uint32_t, kMostTensorRank> steps{};    // element strides within it
  uint32_t interleave = 0;                          // 0: none
  uint32_t swizzle = 0;                             // MapSwizzle
  uint32_t l2_promotion = 0;                        // 0 to 3, a hint
  uint32_t fill = 0;                                // 0: zeros, 1: NaN

  uint32_t element_bytes() const { return bytes_of(static_cast<MapType>(type)); }
};

// What cuTensorMapEncodeTiled would refuse, and what the machine does not serve: one sentence; "": nothing.
std::string refusal_of(const TensorMap& map);
// Writes the 128 bytes; "" or the refusal.
std::string encode_tensor_map(const TensorMap& map, std::byte* to);
// Reads them: "" or why they are no map.
std::string decode_tensor_map(const std::byte* from, TensorMap* map);

// tensormap.replace.tile: one field of the 128 bytes, in the instruction's own numbers. What the fields then say together is
// checked where the map is used. "" or why not.
enum class MapField : uint8_t {
  GlobalAddress,
  Rank,
  BoxDim,
  GlobalDim,
  GlobalStride,
  ElementStride,
  Elemtype,
  InterleaveLayout,
  SwizzleMode,
  FillMode,
};
std::string replace_in_tensor_map(std::byte* map, MapField field, uint32_t ordinal, uint64_t value);

}  // namespace fa4::emu
