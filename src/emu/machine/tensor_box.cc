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
  BoxRow only;
  for_each_row(index, index + 1, size, [&](const BoxRow& row) { only = row; });
  return only;
}

// The parts of rows [begin, end), one after another, dimension 1 fastest.
template <class Body>
void TensorBox::for_each_row(uint32_t begin, uint32_t end, uint64_t size, Body body) const {
  const int64_t origin = at_[0];
  const int64_t first = std::max<int64_t>(origin, 0);
  const int64_t last = std::min(origin + map_.box[0], static_cast<int64_t>(size));
  BoxRow inside;
  if (first < last) {
    inside = {static_cast<uint32_t>(first - origin), static_cast<uint32_t>(last - origin),
              map_.address + static_cast<uint64_t>(first) * map_.element_bytes()};
  }
  std::array<uint32_t, kMostTensorRank> at{};
  for (uint32_t d = 1, left = begin; d < map_.rank; ++d) {
    at[d] = left % counts_[d];
    left /= counts_[d];
  }
  for (uint32_t index = begin; index < end; ++index) {
    BoxRow row = inside;
    for (uint32_t d = 1; d < map_.rank; ++d) {
      const int64_t place = int64_t{at_[d]} + int64_t{at[d]} * map_.steps[d];
      if (place < 0 || static_cast<uint64_t>(place) >= map_.sizes[d]) row.first = row.last = 0;
      row.address += static_cast<uint64_t>(place) * map_.strides[d];
    }
    body(row);
    for (uint32_t d = 1; d < map_.rank && ++at[d] == counts_[d]; ++d) at[d] = 0;
  }
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
  const uint32_t size = map_.element_bytes(), box = map_.box[0], row_bytes = row_bytes_;
  const auto type = static_cast<MapType>(map_.type);
  const bool rounds = type == MapType::TF32 || type == MapType::TF32Ftz;
  for_each_row(begin, end, map_.sizes[0], [&](const BoxRow& row) {
    if (row.first != 0) fill_elements(map_, to, row.first);
    if (row.last != box) fill_elements(map_, to + size_t{row.last} * size, box - row.last);
    std::byte* inside = to + size_t{row.first} * size;
    if (row.first != row.last) {
      std::memcpy(inside, reinterpret_cast<const std::byte*>(row.address),
                  size_t{row.last - row.first} * size);
    }
    if (rounds) round_to_tf32(inside, row.last - row.first);
    to += row_bytes;
  });
}

void TensorBox::write(uint32_t begin, uint32_t end, const std::byte* from) const {
  const uint32_t size = map_.element_bytes(), row_bytes = row_bytes_;
  for_each_row(begin, end, stored_size_, [&](const BoxRow& row) {
    if (row.first != row.last) {
      std::memcpy(reinterpret_cast<std::byte*>(row.address), from + size_t{row.first} * size,
                  size_t{row.last - row.first} * size);
    }
    from += row_bytes;
  });
}

void TensorBox::reduce(uint32_t begin, uint32_t end, const std::byte* from, BulkReduce op) const {
  const uint32_t size = map_.element_bytes(), row_bytes = row_bytes_;
  for_each_row(begin, end, stored_size_, [&](const BoxRow& row) {
    if (row.first != row.last) {
      op(reinterpret_cast<std::byte*>(row.address), from + size_t{row.first} * size,
         row.last - row.first);
    }
    from += row_bytes;
  });
}

// A row of a swizzled tile lies in one line of 128 bytes: one XOR serves all of its chunks.
template <class Move>
void TensorBox::for_each_chunk(uint32_t address, uint32_t begin, uint32_t end, Move move) const {
  const uint32_t pitch = row_pitch_, bytes = row_bytes_, mask = mask_of(swizzle_);
  for (uint32_t index = begin, dense = 0; index < end; ++index, dense += bytes) {
    const uint32_t row = index * pitch, flip = ((address + row) >> 7 & mask) << 4;
    if (bytes == 128) {
      for (uint32_t at = 0; at < 128; at += 16) move(row + (at ^ flip), dense + at);
    } else {
      for (uint32_t at = 0; at < bytes; at += 16) move(row + (at ^ flip), dense + at);
    }
  }
}

void TensorBox::to_tile(uint32_t address, std::byte* tile, uint32_t begin, uint32_t end,
                        const std::byte* from) const {
  if (swizzle_ == MapSwizzle::None) {
    std::memcpy(tile + size_t{begin} * row_bytes_, from, size_t{end - begin} * row_bytes_);
    return;
  }
  for_each_chunk(address, begin, end, [tile, from](uint32_t place, uint32_t dense) {
    std::memcpy(tile + place, from + dense, 16);
  });
}

void TensorBox::from_tile(uint32_t address, const std::byte* tile, uint32_t begin, uint32_t end,
                          std::byte* to) const {
  if (swizzle_ == MapSwizzle::None) {
    std::memcpy(to, tile + size_t{begin} * row_bytes_, size_t{end - begin} * row_bytes_);
    return;
  }
  for_each_chunk(address, begin, end, [tile, to](uint32_t place, uint32_t dense) {
    std::memcpy(to + dense, tile + place, 16);
  });
}

}  // namespace fa4::emu
