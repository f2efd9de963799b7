// SPDX-License-Identifier: Apache-2.0
// What an H200 did with tensor maps (tests/emu/golden/tma.json): which maps its driver takes, and every box that was
// loaded, stored and added.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "emu/golden.h"
#include "emu/isa/bulk_reduce.h"
#include "emu/machine/tensor_box.h"
#include "emu/run/machine.h"
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

// Of some CTA's barrier not all bytes have come.
bool waits_for_ever(const nlohmann::json& row) {
  const std::vector<uint32_t> waits = row.value("waits", std::vector<uint32_t>());
  return std::count(waits.begin(), waits.end(), 0) != 0;
}

// The programs that the GPU has run. `out` has the words of each CTA's tile, then whether its wait has ended.
std::vector<uint32_t> outputs_of_program(Machine& machine, ModuleId module,
                                         const nlohmann::json& row, TmaMemory* memory) {
  const std::string entry = row["entry"], name = row["name"];
  const uint32_t cluster = row.value("cluster", 1u);
  std::vector<uint32_t> out(cluster * (kTmaTile + 1));
  alignas(64) std::byte bytes[kTensorMapBytes] = {};
  const auto in = reinterpret_cast<uint64_t>(memory->tile.data());
  const auto to = reinterpret_cast<uint64_t>(out.data());
  const auto tensor = reinterpret_cast<uint64_t>(memory->tensor.data());
  if (row["map"].contains("type")) {
    TensorMap map;
    map.address = tensor;
    read_tma_map(row["map"], &map);
    EXPECT_EQ(encode_tensor_map(map, bytes), "") << name;
  } else {
    const uint64_t address = tensor + row["map"]["byte_offset"].get<uint64_t>();
    std::memcpy(bytes, &address, 8);
  }
  machine.memory().add({"in", in, memory->tile.size() * 4, false});
  machine.memory().add({"out", to, out.size() * 4, true});
  machine.memory().add({"tensor", tensor, memory->tensor.size() * 4, true});
  std::array<int32_t, 8> arguments{};
  for (size_t d = 0; d < row["coords"].size(); ++d) arguments[d] = row["coords"][d];
  arguments[5] = row["offset"];
  arguments[6] = row["bytes"];
  arguments[7] = row.value("mask", 0);
  KernelLaunch launch;
  launch.module = module;
  launch.entry = entry;
  launch.grid = launch.cluster = {cluster, 1, 1};
  launch.block = {128, 1, 1};
  launch.dynamic_shared_bytes = kTmaTile * 4 + 1024;
  launch.params.resize(176);
  std::memcpy(launch.params.data(), bytes, sizeof(bytes));
  std::memcpy(launch.params.data() + 128, &in, 8);
  std::memcpy(launch.params.data() + 136, &to, 8);
  std::memcpy(launch.params.data() + 144, arguments.data(), sizeof(arguments));
  const RunReport report = machine.launch(launch);
  for (const uint64_t base : {in, to, tensor}) machine.memory().remove(base);
  if (waits_for_ever(row)) {  // the GPU's wait gave up; here it is a deadlock
    EXPECT_EQ(report.reports.at(0).code, "deadlock") << name;
    return {};
  }
  EXPECT_TRUE(report.finished) << name << report.reports.at(0).text;
  if (!row.contains("waits")) return memory->tensor;
  EXPECT_EQ(std::vector<uint32_t>(cluster, 1),
            std::vector<uint32_t>(out.end() - cluster, out.end()))
      << name;
  out.resize(cluster * kTmaTile);
  return out;
}

TEST(TmaGolden, ProgramsDoWhatTheGpuDid) {
  const auto page = golden_page("tma");
  ASSERT_TRUE(page) << "tests/emu/golden/tma.json is missing";
  Machine machine({.arch = 90, .checks = false});
  const ModuleId module = machine.load(golden_program("tma"));
  size_t programs = 0;
  for (const auto& row : (*page)["entries"]) {
    if (row.contains("refused")) continue;
    TmaMemory memory(row["inputs"]);
    const std::vector<uint32_t> outputs = outputs_of_program(machine, module, row, &memory);
    if (!waits_for_ever(row)) {
      EXPECT_EQ(golden_difference(row, outputs), "") << row["name"];
    }
    ++programs;
  }
  EXPECT_GT(programs, 300u);
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
