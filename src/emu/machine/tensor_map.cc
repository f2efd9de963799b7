// SPDX-License-Identifier: Apache-2.0
// The encoding of tensor maps, and what they may say.
#include "emu/machine/tensor_map.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>

namespace fa4::emu {
namespace {

struct MapTypeRow {
  const char* name;
  uint8_t bytes;
  bool is_float;
  uint64_t nan;
};

constexpr MapTypeRow kMapTypes[kNumMapTypes] = {
    {"u8", 1, false, 0},
    {"u16", 2, false, 0},
    {"u32", 4, false, 0},
    {"s32", 4, false, 0},
    {"u64", 8, false, 0},
    {"s64", 8, false, 0},
    {"f16", 2, true, 0x7ff7},
    {"f32", 4, true, 0x7ff77ff7},
    {"f64", 8, true, 0x7ff77ff77ff77ff7},
    {"bf16", 2, true, 0x7ff7},
    {"f32_ftz", 4, true, 0x7ff77ff7},
    {"tf32", 4, true, 0x7ff77ff7},
    {"tf32_ftz", 4, true, 0x7ff77ff7},
};

constexpr uint32_t kMapMagic = 0x54346166;  // "fa4T"

// The 128 bytes. Sizes of up to 2^32 are kept less one.
struct MapBytes {
  uint32_t magic, check;
  uint64_t address;
  uint64_t strides[4];
  uint32_t sizes_less_one[5];
  uint16_t box[5];
  uint8_t steps[5];
  uint8_t type, rank, interleave, swizzle, l2_promotion, fill;
  uint8_t reserved[35];
};
static_assert(sizeof(MapBytes) == kTensorMapBytes);

// So that a byte that a program has changed by itself does not go unnoticed.
uint32_t check_of(MapBytes bytes) {
  bytes.check = 0;
  uint64_t words[kTensorMapBytes / 8];
  std::memcpy(words, &bytes, sizeof(words));
  uint64_t sum = 0;
  for (const uint64_t word : words) {
    sum = (sum ^ word) * 0x9e3779b97f4a7c15;
    sum ^= sum >> 29;
  }
  return static_cast<uint32_t>(sum >> 16);
}

MapBytes bytes_of_map(const TensorMap& map) {
  MapBytes bytes = {};
  bytes.magic = kMapMagic;
  bytes.address = map.address;
  for (size_t d = 0; d < kMostTensorRank; ++d) {
    if (d != 0) bytes.strides[d - 1] = map.strides[d];
    bytes.sizes_less_one[d] = static_cast<uint32_t>(map.sizes[d] - 1);
    bytes.box[d] = static_cast<uint16_t>(map.box[d]);
    bytes.steps[d] = static_cast<uint8_t>(map.steps[d]);
  }
  bytes.type = static_cast<uint8_t>(map.type);
  bytes.rank = static_cast<uint8_t>(map.rank);
  bytes.interleave = static_cast<uint8_t>(map.interleave);
  bytes.swizzle = static_cast<uint8_t>(map.swizzle);
  bytes.l2_promotion = static_cast<uint8_t>(map.l2_promotion);
  bytes.fill = static_cast<uint8_t>(map.fill);
  bytes.check = check_of(bytes);
  return bytes;
}

std::string refusal_of_kinds(const TensorMap& map) {
  if (map.type >= kNumMapTypes && map.type <= 15) {
    return fmt::format("the data type is {}, a packed type; the machine has none of those",
                       map.type);
  }
  if (map.type > 15) return fmt::format("the data type is {}; it must be 0 to 15", map.type);
  if (map.rank < 1 || map.rank > kMostTensorRank) {
    return fmt::format("the rank is {}; it must be 1 to 5", map.rank);
  }
  if (map.interleave != 0) {
    return fmt::format("interleave is {}; the machine serves 0, none", map.interleave);
  }
  if (map.swizzle > 6) return fmt::format("swizzle is {}; it must be 0 to 6", map.swizzle);
  if (map.swizzle >= kNumMapSwizzles) {
    return fmt::format(
        "swizzle is {}, 128 bytes with larger atoms, which are for sm_100; the machine serves 0 to 3",
        map.swizzle);
  }
  if (map.l2_promotion > 3) {
    return fmt::format("the L2 promotion is {}; it must be 0 to 3", map.l2_promotion);
  }
  if (map.fill > 1) return fmt::format("the fill is {}; it must be 0 or 1", map.fill);
  if (map.fill == 1 && !kMapTypes[map.type].is_float) {
    return fmt::format("the fill is 1, NaN, but the data type is {}, of integers",
                       kMapTypes[map.type].name);
  }
  return "";
}

std::string refusal_of_tensor(const TensorMap& map) {
  if (map.address % 16 != 0) {
    return fmt::format("the global address is {:#x}; it must be a multiple of 16", map.address);
  }
  for (uint32_t d = 0; d < map.rank; ++d) {
    if (map.sizes[d] < 1 || map.sizes[d] > uint64_t{1} << 32) {
      return fmt::format("size {} is {}; it must be 1 to 2^32", d, map.sizes[d]);
    }
    if (d == 0) continue;
    if (map.strides[d] % 16 != 0 || map.strides[d] >= uint64_t{1} << 40) {
      return fmt::format(
          "the stride of dimension {} is {} bytes; it must be a multiple of 16 below 2^40", d,
          map.strides[d]);
    }
  }
  return "";
}

constexpr uint64_t kMostBoxBytes = 227 * 1024;  // the shared memory of a block

std::string refusal_of_box(const TensorMap& map) {
  for (uint32_t d = 0; d < map.rank; ++d) {
    if (map.box[d] < 1 || map.box[d] > 256) {
      return fmt::format("the box spans {} elements of dimension {}; it must be 1 to 256",
                         map.box[d], d);
    }
    if (map.steps[d] < 1 || map.steps[d] > 8) {
      return fmt::format("the element stride of dimension {} is {}; it must be 1 to 8", d,
                         map.steps[d]);
    }
  }
  const uint32_t inner = map.box[0] * map.element_bytes();
  uint64_t whole = inner;
  for (uint32_t d = 1; d < map.rank; ++d) whole *= (map.box[d] + map.steps[d] - 1) / map.steps[d];
  if (whole > kMostBoxBytes) {
    return fmt::format("a box has {} bytes; it must not be larger than {}", whole, kMostBoxBytes);
  }
  if (inner % 16 != 0) {
    return fmt::format("the box has rows of {} bytes; they must be a multiple of 16", inner);
  }
  const uint32_t span = 16u << map.swizzle;
  if (map.swizzle != 0 && inner > span) {
    return fmt::format(
        "the box has rows of {} bytes; with a swizzle of {} bytes they must not be longer", inner,
        span);
  }
  return "";
}

// The numbers of tensormap.replace's .elemtype are not those of the driver.
constexpr uint8_t kElemtypes[] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 8, 9, 11, 12};

// The field's number as a driver's; none: it has no meaning there.
std::string replace_kind(MapBytes* bytes, MapField field, uint64_t value) {
  switch (field) {
    case MapField::Elemtype:
      if (value >= std::size(kElemtypes)) {
        return fmt::format("element type {} is not served; 0 to 12 are", value);
      }
      bytes->type = kElemtypes[value];
      return "";
    case MapField::InterleaveLayout:
      if (value != 0) return fmt::format("interleave layout {} is not served; 0, none, is", value);
      bytes->interleave = 0;
      return "";
    case MapField::SwizzleMode:
      if (value >= kNumMapSwizzles)
        return fmt::format("swizzle mode {} is not served; 0 to 3 are", value);
      bytes->swizzle = static_cast<uint8_t>(value);
      return "";
    default:
      if (value > 1) return fmt::format("fill mode {} is unknown; it must be 0 or 1", value);
      bytes->fill = static_cast<uint8_t>(value);
      return "";
  }
}

std::string replace_number(MapBytes* bytes, MapField field, uint32_t ordinal, uint64_t value) {
  const uint32_t most = field == MapField::GlobalStride ? 3 : 4;
  if (ordinal > most) return fmt::format("the ordinal is {}; it must be 0 to {}", ordinal, most);
  switch (field) {
    case MapField::GlobalAddress:
      bytes->address = value;
      return "";
    case MapField::Rank:  // it counts from 0
      if (value >= kMostTensorRank) {
        return fmt::format("the rank, less one, is {}; it must be 0 to 4", value);
      }
      bytes->rank = static_cast<uint8_t>(value + 1);
      return "";
    case MapField::BoxDim:
      if (value < 1 || value > 256)
        return fmt::format("a box extent is {}; it must be 1 to 256", value);
      bytes->box[ordinal] = static_cast<uint16_t>(value);
      return "";
    case MapField::GlobalDim:
      bytes->sizes_less_one[ordinal] = static_cast<uint32_t>(value - 1);
      return "";
    case MapField::GlobalStride:
      bytes->strides[ordinal] = value;
      return "";
    default:
      if (value < 1 || value > 8)
        return fmt::format("an element stride is {}; it must be 1 to 8", value);
      bytes->steps[ordinal] = static_cast<uint8_t>(value);
      return "";
  }
}

std::string unreadable(const MapBytes& bytes) {
  if (bytes.magic != kMapMagic) {
    return "these 128 bytes are no tensor map of this machine; fa4emu_encode_tensor_map makes those, and a GPU's driver "
           "makes others";
  }
  if (bytes.check != check_of(bytes)) {
    return "the 128 bytes of a tensor map have been changed by something else than tensormap.replace";
  }
  return "";
}

}  // namespace

const char* name_of(MapType type) { return kMapTypes[static_cast<size_t>(type)].name; }
uint32_t bytes_of(MapType type) { return kMapTypes[static_cast<size_t>(type)].bytes; }
bool is_float(MapType type) { return kMapTypes[static_cast<size_t>(type)].is_float; }
uint64_t nan_fill_of(MapType type) { return kMapTypes[static_cast<size_t>(type)].nan; }

std::string refusal_of(const TensorMap& map) {
  for (const auto check : {refusal_of_kinds, refusal_of_tensor, refusal_of_box}) {
    const std::string why = check(map);
    if (!why.empty()) return why;
  }
  return "";
}

std::string encode_tensor_map(const TensorMap& map, std::byte* to) {
  const std::string why = refusal_of(map);
  if (!why.empty()) return why;
  TensorMap known = map;  // what lies beyond the rank is 1
  for (uint32_t d = known.rank; d < kMostTensorRank; ++d) {
    known.sizes[d] = known.box[d] = known.steps[d] = 1;
    known.strides[d] = 0;
  }
  const MapBytes bytes = bytes_of_map(known);
  std::memcpy(to, &bytes, sizeof(bytes));
  return "";
}

std::string decode_tensor_map(const std::byte* from, TensorMap* map) {
  MapBytes bytes;
  std::memcpy(&bytes, from, sizeof(bytes));
  const std::string why = unreadable(bytes);
  if (!why.empty()) return why;
  map->type = bytes.type;
  map->rank = bytes.rank;
  map->address = bytes.address;
  map->strides[0] = map->element_bytes();
  for (size_t d = 0; d < kMostTensorRank; ++d) {
    if (d != 0) map->strides[d] = bytes.strides[d - 1];
    map->sizes[d] = uint64_t{bytes.sizes_less_one[d]} + 1;
    map->box[d] = bytes.box[d];
    map->steps[d] = bytes.steps[d];
  }
  map->interleave = bytes.interleave;
  map->swizzle = bytes.swizzle;
  map->l2_promotion = bytes.l2_promotion;
  map->fill = bytes.fill;
  return refusal_of(*map);
}

std::string replace_in_tensor_map(std::byte* map, MapField field, uint32_t ordinal,
                                  uint64_t value) {
  MapBytes bytes;
  std::memcpy(&bytes, map, sizeof(bytes));
  std::string why = unreadable(bytes);
  if (why.empty()) {
    why = field >= MapField::Elemtype ? replace_kind(&bytes, field, value)
                                      : replace_number(&bytes, field, ordinal, value);
  }
  if (!why.empty()) return why;
  bytes.check = check_of(bytes);
  std::memcpy(map, &bytes, sizeof(bytes));
  return "";
}

}  // namespace fa4::emu
