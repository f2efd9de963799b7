// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/tensor_box.h"

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

}  // namespace

TensorBox::TensorBox(const TensorMap& map, const Coordinates& at) : map_(map), at_(at) {
  row_bytes_ = map_.box[0] * map_.element_bytes();
  counts_.fill(1);
  for (uint32_t d = 1; d < map_.rank; ++d) {
    counts_[d] = (map_.box[d] + map_.steps[d] - 1) / map_.steps[d];
    num_rows_ *= counts_[d];
  }
}

BoxRow TensorBox::row(uint32_t index) const {
  uint64_t address = map_.address;
  for (uint32_t d = 1; d < map_.rank; ++d) {
    const int64_t place = int64_t{at_[d]} + int64_t{index % counts_[d]} * map_.steps[d];
    index /= counts_[d];
    if (place < 0 || static_cast<uint64_t>(place) >= map_.sizes[d]) return {};
    address += static_cast<uint64_t>(place) * map_.strides[d];
  }
  const int64_t begin = at_[0], end = begin + map_.box[0];
  const int64_t first = std::max<int64_t>(begin, 0);
  const int64_t last = std::min(end, static_cast<int64_t>(map_.sizes[0]));
  if (first >= last) return {};
  return {static_cast<uint32_t>(first - begin), static_cast<uint32_t>(last - begin),
          address + static_cast<uint64_t>(first) * map_.element_bytes()};
}

void TensorBox::read(uint32_t begin, uint32_t end, std::byte* to) const {
  const uint32_t size = map_.element_bytes();
  for (uint32_t index = begin; index < end; ++index, to += row_bytes_) {
    const BoxRow part = row(index);
    if (part.first != 0) fill_elements(map_, to, part.first);
    if (part.last != map_.box[0]) {
      fill_elements(map_, to + size_t{part.last} * size, map_.box[0] - part.last);
    }
    if (part.first == part.last) continue;
    std::memcpy(to + size_t{part.first} * size, reinterpret_cast<const std::byte*>(part.address),
                size_t{part.last - part.first} * size);
  }
}

void TensorBox::write(uint32_t begin, uint32_t end, const std::byte* from) const {
  const uint32_t size = map_.element_bytes();
  for (uint32_t index = begin; index < end; ++index, from += row_bytes_) {
    const BoxRow part = row(index);
    if (part.first == part.last) continue;
    std::memcpy(reinterpret_cast<std::byte*>(part.address), from + size_t{part.first} * size,
                size_t{part.last - part.first} * size);
  }
}

void to_tile(MapSwizzle swizzle, uint32_t address, std::byte* base, uint32_t begin, uint32_t end,
             const std::byte* from) {
  if (swizzle == MapSwizzle::None) {
    std::memcpy(base + begin, from, end - begin);
    return;
  }
  for (uint32_t at = begin; at < end; at += 16, from += 16) {
    std::memcpy(base + (swizzled(swizzle, address + at) - address), from, 16);
  }
}

void from_tile(MapSwizzle swizzle, uint32_t address, const std::byte* base, uint32_t begin,
               uint32_t end, std::byte* to) {
  if (swizzle == MapSwizzle::None) {
    std::memcpy(to, base + begin, end - begin);
    return;
  }
  for (uint32_t at = begin; at < end; at += 16, to += 16) {
    std::memcpy(to, base + (swizzled(swizzle, address + at) - address), 16);
  }
}

}  // namespace fa4::emu
