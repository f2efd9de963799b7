// SPDX-License-Identifier: Apache-2.0
// Tensor maps and the boxes that they describe, against scalar twins.
#include "emu/machine/tensor_map.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "emu/machine/tensor_box.h"

namespace fa4::emu::test {
namespace {

TensorMap good_map() {
  TensorMap map;
  map.type = static_cast<uint32_t>(MapType::BF16);
  map.rank = 3;
  map.address = 0x10000;
  map.sizes = {64, 40, 3, 1, 1};
  map.strides = {2, 128, 8192, 0, 0};
  map.box = {64, 16, 1, 1, 1};
  map.steps = {1, 1, 1, 1, 1};
  map.swizzle = 3;
  return map;
}

struct Edit {
  std::function<void(TensorMap&)> change;
  const char* says;
};

TEST(TensorMap, RefusesWhatTheDriverRefuses) {
  EXPECT_EQ(refusal_of(good_map()), "");
  const Edit edits[] = {
      {[](TensorMap& m) { m.type = 13; }, "packed"},
      {[](TensorMap& m) { m.type = 16; }, "data type is 16"},
      {[](TensorMap& m) { m.rank = 0; }, "rank is 0"},
      {[](TensorMap& m) { m.rank = 6; }, "rank is 6"},
      {[](TensorMap& m) { m.address = 0x10008; }, "multiple of 16"},
      {[](TensorMap& m) { m.sizes[1] = 0; }, "size 1 is 0"},
      {[](TensorMap& m) { m.sizes[2] = (uint64_t{1} << 32) + 1; }, "size 2"},
      {[](TensorMap& m) { m.strides[1] = 136; }, "stride of dimension 1 is 136"},
      {[](TensorMap& m) { m.strides[2] = uint64_t{1} << 40; }, "below 2^40"},
      {[](TensorMap& m) { m.box[1] = 0; }, "spans 0 elements of dimension 1"},
      {[](TensorMap& m) { m.box[1] = 257; }, "spans 257"},
      {[](TensorMap& m) { m.box[0] = 12; }, "rows of 24 bytes"},
      {[](TensorMap& m) { m.box[0] = 72; }, "rows of 144 bytes; with a swizzle of 128"},
      {[](TensorMap& m) { m.swizzle = 1; }, "with a swizzle of 32"},
      {[](TensorMap& m) { m.steps[2] = 9; }, "element stride of dimension 2 is 9"},
      {[](TensorMap& m) { m.steps[1] = 0; }, "element stride of dimension 1 is 0"},
      {[](TensorMap& m) { m.interleave = 1; }, "interleave is 1"},
      {[](TensorMap& m) { m.swizzle = 4; }, "swizzle is 4"},
      {[](TensorMap& m) { m.swizzle = 7; }, "swizzle is 7"},
      {[](TensorMap& m) { m.l2_promotion = 4; }, "L2 promotion is 4"},
      {[](TensorMap& m) { m.fill = 2; }, "fill is 2"},
      {[](TensorMap& m) { m.type = 1, m.fill = 1; }, "of integers"},
  };
  for (const Edit& edit : edits) {
    TensorMap map = good_map();
    edit.change(map);
    EXPECT_NE(refusal_of(map).find(edit.says), std::string::npos)
        << refusal_of(map) << " / " << edit.says;
    std::byte bytes[kTensorMapBytes] = {};
    EXPECT_NE(encode_tensor_map(map, bytes), "");
    EXPECT_EQ(bytes[0], std::byte{0}) << "a refused map is not written";
  }
}

TEST(TensorMap, ComesBackAsItWas) {
  std::byte bytes[kTensorMapBytes];
  TensorMap map = good_map(), read;
  map.sizes[0] = uint64_t{1} << 32;
  map.strides[2] = (uint64_t{1} << 40) - 16;
  map.steps[1] = 8;
  map.box[1] = 256;
  map.fill = 1;
  map.l2_promotion = 3;
  ASSERT_EQ(encode_tensor_map(map, bytes), "");
  ASSERT_EQ(decode_tensor_map(bytes, &read), "");
  EXPECT_EQ(read.type, map.type);
  EXPECT_EQ(read.rank, map.rank);
  EXPECT_EQ(read.address, map.address);
  EXPECT_EQ(read.sizes, map.sizes);
  EXPECT_EQ(read.strides, map.strides);
  EXPECT_EQ(read.box, map.box);
  EXPECT_EQ(read.steps, map.steps);
  EXPECT_EQ(read.swizzle, map.swizzle);
  EXPECT_EQ(read.l2_promotion, map.l2_promotion);
  EXPECT_EQ(read.fill, map.fill);
}

TEST(TensorMap, NoticesForeignAndChangedBytes) {
  std::byte bytes[kTensorMapBytes] = {};
  TensorMap map;
  EXPECT_NE(decode_tensor_map(bytes, &map).find("fa4emu_encode_tensor_map"), std::string::npos);
  ASSERT_EQ(encode_tensor_map(good_map(), bytes), "");
  for (size_t i = 0; i < kTensorMapBytes; ++i) {
    bytes[i] ^= std::byte{4};
    EXPECT_NE(decode_tensor_map(bytes, &map), "") << "byte " << i;
    bytes[i] ^= std::byte{4};
  }
  EXPECT_EQ(decode_tensor_map(bytes, &map), "");
}

TEST(TensorMap, FieldsAreReplaced) {
  std::byte bytes[kTensorMapBytes];
  TensorMap map;
  ASSERT_EQ(encode_tensor_map(good_map(), bytes), "");
  const auto replace = [&](MapField field, uint32_t ordinal, uint64_t value) {
    return replace_in_tensor_map(bytes, field, ordinal, value);
  };
  EXPECT_EQ(replace(MapField::GlobalAddress, 0, 0x20000), "");
  EXPECT_EQ(replace(MapField::Rank, 0, 1), "");
  EXPECT_EQ(replace(MapField::BoxDim, 1, 8), "");
  EXPECT_EQ(replace(MapField::GlobalDim, 1, 17), "");
  EXPECT_EQ(replace(MapField::GlobalStride, 0, 256), "");
  EXPECT_EQ(replace(MapField::ElementStride, 1, 2), "");
  EXPECT_EQ(replace(MapField::Elemtype, 0, 6), "");
  EXPECT_EQ(replace(MapField::SwizzleMode, 0, 3), "");
  EXPECT_EQ(replace(MapField::FillMode, 0, 1), "");
  ASSERT_EQ(decode_tensor_map(bytes, &map), "");
  EXPECT_EQ(map.address, 0x20000u);
  EXPECT_EQ(map.rank, 2u);
  EXPECT_EQ(map.box[1], 8u);
  EXPECT_EQ(map.sizes[1], 17u);
  EXPECT_EQ(map.strides[1], 256u);
  EXPECT_EQ(map.steps[1], 2u);
  EXPECT_EQ(map.type, static_cast<uint32_t>(MapType::F16));
  EXPECT_EQ(map.fill, 1u);
  EXPECT_EQ(replace(MapField::Elemtype, 0, 8), "");  // .f32.ftz; 9 is .f64
  ASSERT_EQ(replace(MapField::BoxDim, 0, 32), "");
  ASSERT_EQ(decode_tensor_map(bytes, &map), "");
  EXPECT_EQ(map.type, static_cast<uint32_t>(MapType::F32Ftz));
  EXPECT_EQ(replace(MapField::BoxDim, 0, 64), "");
  EXPECT_NE(decode_tensor_map(bytes, &map).find("rows of 256 bytes"), std::string::npos);
  EXPECT_NE(replace(MapField::BoxDim, 5, 8), "");
  EXPECT_NE(replace(MapField::GlobalStride, 4, 16), "");
  EXPECT_NE(replace(MapField::Rank, 0, 5), "");
  EXPECT_NE(replace(MapField::SwizzleMode, 0, 4), "");
  EXPECT_NE(replace(MapField::InterleaveLayout, 0, 1), "");
}

constexpr size_t kPlenty = 1 << 16;

TensorMap random_map(std::mt19937& random, const std::byte* memory) {
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  TensorMap map;
  do {
    map.type = below(kNumMapTypes);
    map.rank = 1 + below(5);
    map.swizzle = below(4);
    map.fill = below(2);
    map.address = reinterpret_cast<uint64_t>(memory) + 16 * below(8);
    map.strides[0] = map.element_bytes();
    uint64_t extent = 0;
    for (uint32_t d = 0; d < kMostTensorRank; ++d) {
      map.box[d] = 1 + below(d == 0 ? 64 : 6);
      map.steps[d] = 1 + (below(3) == 0 ? below(4) : 0);
      map.sizes[d] = 1 + below(2 * map.box[d]);
      if (d != 0) map.strides[d] = (extent + 15) / 16 * 16 + 16 * below(2);
      extent = map.strides[d] * map.sizes[d];
    }
    if (extent > kPlenty / 2) map.rank = 0;
  } while (refusal_of(map) != "");
  return map;
}

// One element, by the formulas of the manual; false: it is outside the tensor, whose dimension 0 has that size.
bool element_place(const TensorMap& map, const Coordinates& at, std::array<uint32_t, 5> index,
                   uint64_t size, uint64_t* place) {
  *place = map.address;
  for (uint32_t d = 0; d < map.rank; ++d) {
    const int64_t c = int64_t{at[d]} + int64_t{index[d]} * (d == 0 ? 1 : map.steps[d]);
    if (c < 0 || c >= static_cast<int64_t>(d == 0 ? size : map.sizes[d])) return false;
    *place += static_cast<uint64_t>(c) * map.strides[d];
  }
  return true;
}

template <class Body>
void for_each_element(const TensorMap& map, Body body) {
  std::array<uint32_t, 5> counts = {map.box[0], 1, 1, 1, 1}, i{};
  for (uint32_t d = 1; d < map.rank; ++d)
    counts[d] = (map.box[d] + map.steps[d] - 1) / map.steps[d];
  uint32_t dense = 0;
  for (i[4] = 0; i[4] < counts[4]; ++i[4])
    for (i[3] = 0; i[3] < counts[3]; ++i[3])
      for (i[2] = 0; i[2] < counts[2]; ++i[2])
        for (i[1] = 0; i[1] < counts[1]; ++i[1])
          for (i[0] = 0; i[0] < counts[0]; ++i[0], dense += map.element_bytes()) body(i, dense);
}

TEST(TensorBox, AgreesWithItsScalarTwin) {
  std::mt19937 random(1);
  std::vector<std::byte> memory(kPlenty), dense, back;
  for (auto& byte : memory) byte = static_cast<std::byte>(random());
  for (int round = 0; round < 3000; ++round) {
    const TensorMap map = random_map(random, memory.data());
    Coordinates at{};
    for (uint32_t d = 0; d < map.rank; ++d) {
      at[d] = static_cast<int32_t>(random() % (map.sizes[d] + 2 * map.box[d])) -
              static_cast<int32_t>(map.box[d]);
    }
    const TensorBox box(map, at);
    const uint32_t size = map.element_bytes();
    dense.assign(box.bytes(), std::byte{0xab});
    const uint32_t middle = static_cast<uint32_t>(random()) % (box.num_rows() + 1);
    box.read(middle, box.num_rows(), dense.data() + size_t{middle} * box.row_bytes());
    box.read(0, middle, dense.data());
    back = memory;
    TensorMap other = map;
    other.address += back.data() - memory.data();
    uint32_t seen = 0;
    uint64_t nan = map.fill == 0 ? 0 : nan_fill_of(static_cast<MapType>(map.type));
    std::vector<std::byte> written = dense;
    for (auto& byte : written) byte = static_cast<std::byte>(random());
    TensorBox(other, at).write(0, box.num_rows(), written.data());
    std::vector<std::byte> twin = memory;
    BoxExtent read_extent, stored_extent;
    const auto widen = [&](BoxExtent* extent, uint64_t place) {
      if (extent->begin == extent->end) *extent = {place, place};
      *extent = {std::min(extent->begin, place), std::max(extent->end, place + size)};
    };
    for_each_element(map, [&](const std::array<uint32_t, 5>& i, uint32_t offset) {
      ++seen;
      uint64_t place = 0;
      const bool inside = element_place(map, at, i, map.sizes[0], &place);
      const void* wanted = inside ? reinterpret_cast<const void*>(place) : &nan;
      if (!inside || map.type < static_cast<uint32_t>(MapType::TF32)) {
        ASSERT_EQ(std::memcmp(dense.data() + offset, wanted, size), 0) << "round " << round;
      }
      if (inside) widen(&read_extent, place);
      uint64_t stored = map.sizes[0];
      while (stored * size % 16 != 0) ++stored;
      if (!element_place(map, at, i, stored, &place)) return;
      widen(&stored_extent, place);
      const uint64_t from_base = place - reinterpret_cast<uint64_t>(memory.data());
      std::memcpy(twin.data() + from_base, written.data() + offset, size);
    });
    EXPECT_EQ(seen * size, box.bytes());
    EXPECT_EQ(box.extent(false).begin, read_extent.begin) << "round " << round;
    EXPECT_EQ(box.extent(false).end, read_extent.end) << "round " << round;
    EXPECT_EQ(box.extent(true).begin, stored_extent.begin) << "round " << round;
    EXPECT_EQ(box.extent(true).end, stored_extent.end) << "round " << round;
    ASSERT_EQ(back, twin) << "round " << round;
  }
}

// Chunk c of a row lies at chunk c ^ f(line), by the table of the manual; rows that are shorter than the span leave gaps.
TEST(TensorBox, SwizzlesByAbsoluteAddress) {
  std::mt19937 random(2);
  std::vector<std::byte> dense, tile, back;
  for (uint32_t swizzle = 0; swizzle < kNumMapSwizzles; ++swizzle) {
    const uint32_t span = swizzle == 0 ? 96 : 16u << swizzle;
    for (uint32_t inner = 16; inner <= span; inner += 16) {
      TensorMap map = good_map();
      map.swizzle = swizzle;
      map.box = {inner / 2, 30, 1, 1, 1};
      const TensorBox box(map, {});
      dense.resize(box.bytes());
      back.assign(box.bytes(), std::byte{0});
      for (auto& byte : dense) byte = static_cast<std::byte>(random());
      for (const uint32_t address : {0x400u, 0x480u, 0x700u, 0x1000880u}) {
        tile.assign(30 * 128, std::byte{0xab});
        box.to_tile(address, tile.data(), 0, 7, dense.data());
        box.to_tile(address, tile.data(), 7, 30, dense.data() + size_t{7} * inner);
        size_t kept = 0;
        for (const std::byte byte : tile) kept += byte == std::byte{0xab};
        EXPECT_GE(kept + dense.size(), tile.size());
        for (uint32_t row = 0; row < 30; ++row) {
          for (uint32_t chunk = 0; chunk < inner / 16; ++chunk) {
            const uint32_t pitch = swizzle == 0 ? inner : span;
            const uint32_t line = (address + row * pitch) / 128;
            const uint32_t flip = swizzle == 0 ? 0 : line % (span / 16);
            ASSERT_EQ(std::memcmp(tile.data() + row * pitch + 16 * (chunk ^ flip),
                                  dense.data() + row * inner + 16 * chunk, 16),
                      0)
                << span << " " << inner << " " << address << " " << row;
          }
        }
        box.from_tile(address, tile.data(), 0, 11, back.data());
        box.from_tile(address, tile.data(), 11, 30, back.data() + size_t{11} * inner);
        ASSERT_EQ(back, dense);
      }
    }
  }
}

}  // namespace
}  // namespace fa4::emu::test
