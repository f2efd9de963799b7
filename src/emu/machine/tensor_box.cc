// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/tensor_box.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace fa4::emu {
namespace {

void fill_elements(const TensorMap& map, std::byte* to, uint32_t elements) {
  const uint32_t size = map.element_bytes();
  if (map.fill == 0) {
    std::memset(to, 0, size_t{elements} * size);
    return;
  }
  const uint64_t nan = nan_fill_of(static_cast<MapType>(map.type));
  for (uint32_t i = 0; i < elements; ++i) std::memcpy(to + size_t{i} * size, &nan, size);
}

// To the nearest tf32, ties to even; NaN to the one NaN.
uint32_t to_tf32(uint32_t bits) {
  const uint32_t magnitude = bits & 0x7fffffff, sign = bits & 0x80000000;
  if (magnitude > 0x7f800000) return 0x7fffe000;
  return sign | ((magnitude + 0xfff + (magnitude >> 13 & 1)) & ~0x1fffu);
}

void round_to_tf32(std::byte* values, uint32_t elements) {
  for (uint32_t i = 0; i < elements; ++i, values += 4) {
    uint32_t bits;
    std::memcpy(&bits, values, 4);
    bits = to_tf32(bits);
    std::memcpy(values, &bits, 4);
  }
}

}  // namespace

std::string fault_of_coordinates(const TensorMap& map, const Coordinates& at, bool stores) {
  if (int64_t{at[0]} * map.element_bytes() % 16 != 0) {
    return fmt::format(
        "coordinate 0 is {}, {} bytes from the first element; it must be a multiple of 16 bytes",
        at[0], int64_t{at[0]} * map.element_bytes());
  }
  for (uint32_t d = 0; d < map.rank && stores; ++d) {
    if (at[d] < 0)
      return fmt::format("coordinate {} is {}; a store's must not be negative", d, at[d]);
  }
  return "";
}

TensorBox::TensorBox(const TensorMap& map, const Coordinates& at)
    : map_(map), at_(at), swizzle_(static_cast<MapSwizzle>(map.swizzle)) {
  const uint32_t size = map_.element_bytes();
  row_bytes_ = map_.box[0] * size;
  row_pitch_ = map_.swizzle == 0 ? row_bytes_ : 16u << map_.swizzle;
  stored_size_ = (map_.sizes[0] * size + 15) / 16 * 16 / size;
  counts_.fill(1);
  for (uint32_t d = 1; d < map_.rank; ++d) {
    counts_[d] = (map_.box[d] + map_.steps[d] - 1) / map_.steps[d];
    num_rows_ *= counts_[d];
  }
}

BoxRow TensorBox::row(uint32_t index) const { return part_of_row(index, map_.sizes[0]); }

BoxRow TensorBox::part_of_row(uint32_t index, uint64_t size) const {
  uint64_t address = map_.address;
  for (uint32_t d = 1; d < map_.rank; ++d) {
    const int64_t place = int64_t{at_[d]} + int64_t{index % counts_[d]} * map_.steps[d];
    index /= counts_[d];
    if (place < 0 || static_cast<uint64_t>(place) >= map_.sizes[d]) return {};
    address += static_cast<uint64_t>(place) * map_.strides[d];
  }
  const int64_t begin = at_[0], end = begin + map_.box[0];
  const int64_t first = std::max<int64_t>(begin, 0);
  const int64_t last = std::min(end, static_cast<int64_t>(size));
  if (first >= last) return {};
  return {static_cast<uint32_t>(first - begin), static_cast<uint32_t>(last - begin),
          address + static_cast<uint64_t>(first) * map_.element_bytes()};
}

// Addresses grow with every coordinate: the first and the last place inside along each dimension are the ends.
BoxExtent TensorBox::extent(bool stores) const {
  BoxExtent extent{map_.address, map_.address};
  for (uint32_t d = 0; d < map_.rank; ++d) {
    const int64_t step = d == 0 ? 1 : map_.steps[d], count = d == 0 ? map_.box[0] : counts_[d];
    const auto size = static_cast<int64_t>(d == 0 && stores ? stored_size_ : map_.sizes[d]);
    const int64_t at = at_[d];
    int64_t first = at >= 0 ? 0 : (-at + step - 1) / step;
    int64_t last = at >= size ? -1 : std::min(count - 1, (size - 1 - at) / step);
    if (first > last) return {};
    extent.begin += static_cast<uint64_t>(at + first * step) * map_.strides[d];
    extent.end += static_cast<uint64_t>(at + last * step) * map_.strides[d];
  }
  extent.end += map_.element_bytes();
  return extent;
}

void TensorBox::read(uint32_t begin, uint32_t end, std::byte* to) const {
  const uint32_t size = map_.element_bytes();
  const auto type = static_cast<MapType>(map_.type);
  const bool rounds = type == MapType::TF32 || type == MapType::TF32Ftz;
  for (uint32_t index = begin; index < end; ++index, to += row_bytes_) {
    const BoxRow part = row(index);
    if (part.first != 0) fill_elements(map_, to, part.first);
    if (part.last != map_.box[0]) {
      fill_elements(map_, to + size_t{part.last} * size, map_.box[0] - part.last);
    }
    if (part.first == part.last) continue;
    std::byte* inside = to + size_t{part.first} * size;
    std::memcpy(inside, reinterpret_cast<const std::byte*>(part.address),
                size_t{part.last - part.first} * size);
    if (rounds) round_to_tf32(inside, part.last - part.first);
  }
}

void TensorBox::write(uint32_t begin, uint32_t end, const std::byte* from) const {
  const uint32_t size = map_.element_bytes();
  for (uint32_t index = begin; index < end; ++index, from += row_bytes_) {
    const BoxRow part = stored_row(index);
    if (part.first == part.last) continue;
    std::memcpy(reinterpret_cast<std::byte*>(part.address), from + size_t{part.first} * size,
                size_t{part.last - part.first} * size);
  }
}

void TensorBox::reduce(uint32_t begin, uint32_t end, const std::byte* from, BulkReduce op) const {
  const uint32_t size = map_.element_bytes();
  for (uint32_t index = begin; index < end; ++index, from += row_bytes_) {
    const BoxRow part = stored_row(index);
    if (part.first == part.last) continue;
    op(reinterpret_cast<std::byte*>(part.address), from + size_t{part.first} * size,
       part.last - part.first);
  }
}

void TensorBox::to_tile(uint32_t address, std::byte* tile, uint32_t begin, uint32_t end,
                        const std::byte* from) const {
  if (swizzle_ == MapSwizzle::None) {
    std::memcpy(tile + size_t{begin} * row_bytes_, from, size_t{end - begin} * row_bytes_);
    return;
  }
  for (uint32_t index = begin; index < end; ++index) {
    for (uint32_t chunk = 0; chunk < row_bytes_ / 16; ++chunk, from += 16) {
      std::memcpy(tile + place_in_tile(address, index, chunk), from, 16);
    }
  }
}

void TensorBox::from_tile(uint32_t address, const std::byte* tile, uint32_t begin, uint32_t end,
                          std::byte* to) const {
  if (swizzle_ == MapSwizzle::None) {
    std::memcpy(to, tile + size_t{begin} * row_bytes_, size_t{end - begin} * row_bytes_);
    return;
  }
  for (uint32_t index = begin; index < end; ++index) {
    for (uint32_t chunk = 0; chunk < row_bytes_ / 16; ++chunk, to += 16) {
      std::memcpy(to, tile + place_in_tile(address, index, chunk), 16);
    }
  }
}

}  // namespace fa4::emu
