// SPDX-License-Identifier: Apache-2.0
// What an H200 did with tensor maps (tests/emu/golden/tma.json): which maps its driver takes, and every box that was
// loaded, stored and added.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "emu/golden.h"
#include "emu/isa/bulk_reduce.h"
#include "emu/machine/tensor_box.h"
#include "emu/tma_cases.h"

namespace fa4::emu::test {
namespace {

// Types, layouts and swizzles that the machine has not, and the driver has.
bool is_beyond_the_machine(const nlohmann::json& encoding) {
  return encoding["type"] > 12 || encoding["interleave"] != 0;
}

TEST(TmaGolden, MapsAreTakenAsTheDriverTakesThem) {
  const auto page = golden_page("tma");
  ASSERT_TRUE(page) << "tests/emu/golden/tma.json is missing";
  size_t taken = 0;
  for (const auto& encoding : (*page)["encoded"]) {
    if (is_beyond_the_machine(encoding)) continue;
    TensorMap map;
    map.address = uint64_t{1} << 20;
    read_tma_map(encoding, &map);
    const std::string refusal = refusal_of(map);
    EXPECT_EQ(refusal.empty(), encoding["taken"].get<bool>()) << encoding << "\n" << refusal;
    taken += refusal.empty();
  }
  EXPECT_GT(taken, 50u);
}

// The tile after a load, the tensor after a store or a reduction.
std::vector<uint32_t> outputs_of_box(const nlohmann::json& row, TmaMemory* memory) {
  TensorMap map;
  map.address = reinterpret_cast<uint64_t>(memory->tensor.data());
  read_tma_map(row["map"], &map);
  Coordinates at{};
  for (size_t d = 0; d < row["coords"].size(); ++d) at[d] = row["coords"][d];
  const TensorBox box(map, at);
  const std::string entry = row["entry"];
  EXPECT_EQ(fault_of_coordinates(map, at, !entry.starts_with("load")), "") << row["name"];
  if (row.contains("waits")) {
    EXPECT_EQ(row["waits"][0] == 1, box.bytes() == row["bytes"]) << row["name"];
  }
  const uint32_t offset = row["offset"];
  auto* tile = reinterpret_cast<std::byte*>(memory->tile.data()) + offset;
  std::vector<std::byte> dense(box.bytes());
  if (entry.starts_with("load")) {
    box.read(0, box.num_rows(), dense.data());
    box.to_tile(1024 + offset, tile, 0, box.num_rows(), dense.data());
    return memory->tile;
  }
  box.from_tile(1024 + offset, tile, 0, box.num_rows(), dense.data());
  if (entry.starts_with("store")) {
    box.write(0, box.num_rows(), dense.data());
  } else {
    const BulkReduce reduce = isa::bulk_reduce_of(entry.substr(7, entry.find('_', 7) - 7),
                                                  static_cast<MapType>(map.type));
    EXPECT_NE(reduce, nullptr) << row["name"];
    if (reduce != nullptr) box.reduce(0, box.num_rows(), dense.data(), reduce);
  }
  return memory->tensor;
}

// The same for copies and reductions of plain bytes.
std::vector<uint32_t> outputs_of_bytes(const nlohmann::json& row, TmaMemory* memory) {
  const std::string entry = row["entry"];
  const size_t bytes = row["bytes"], at = row["map"]["byte_offset"];
  auto* tile = reinterpret_cast<std::byte*>(memory->tile.data()) + row["offset"].get<size_t>();
  auto* tensor = reinterpret_cast<std::byte*>(memory->tensor.data()) + at;
  if (entry == "bulk_load") {
    std::memcpy(tile, tensor, bytes);
    return memory->tile;
  }
  if (entry == "bulk_store") {
    std::memcpy(tensor, tile, bytes);
    return memory->tensor;
  }
  const std::string op = entry.substr(5, entry.find('_', 5) - 5);
  std::string type = entry.substr(entry.rfind('_') + 1);
  if (type[0] == 'b' && type != "bf16") type[0] = 'u';
  uint32_t index = 0;
  while (type != name_of(static_cast<MapType>(index))) ++index;
  const auto kind = static_cast<MapType>(index);
  const BulkReduce reduce = isa::bulk_reduce_of(op, kind);
  EXPECT_NE(reduce, nullptr) << entry;
  if (reduce != nullptr) reduce(tensor, tile, static_cast<uint32_t>(bytes / bytes_of(kind)));
  return memory->tensor;
}

TEST(TmaGolden, CopiesAreThoseOfTheGpu) {
  const auto page = golden_page("tma");
  ASSERT_TRUE(page) << "tests/emu/golden/tma.json is missing";
  size_t copies = 0;
  for (const auto& row : (*page)["entries"]) {
    const std::string entry = row["entry"];
    if (row.contains("refused") || row.contains("cluster")) continue;
    TmaMemory memory(row["inputs"]);
    const bool plain = entry.starts_with("bulk");
    EXPECT_EQ(golden_difference(
                  row, plain ? outputs_of_bytes(row, &memory) : outputs_of_box(row, &memory)),
              "")
        << row["name"];
    ++copies;
  }
  EXPECT_GT(copies, 300u);
}

// What was an illegal instruction there: reductions that a type does not have, boxes that begin between multiples of 16
// bytes, stores before the first element.
TEST(TmaGolden, FaultsAreThoseOfTheGpu) {
  const auto page = golden_page("tma");
  ASSERT_TRUE(page) << "tests/emu/golden/tma.json is missing";
  for (const auto& row : (*page)["failed"]) {
    const std::string entry = row["entry"], name = row["name"];
    TensorMap map;
    map.address = 1 << 20;
    read_tma_map(row["map"], &map);
    Coordinates at{};
    for (size_t d = 0; d < row["coords"].size(); ++d) at[d] = row["coords"][d];
    bool fails = !fault_of_coordinates(map, at, !entry.starts_with("load")).empty();
    if (entry.starts_with("reduce")) {
      fails |= isa::bulk_reduce_of(entry.substr(7, entry.find('_', 7) - 7),
                                   static_cast<MapType>(map.type)) == nullptr;
    }
    EXPECT_TRUE(fails) << name;
  }
}

}  // namespace
}  // namespace fa4::emu::test
