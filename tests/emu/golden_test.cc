// SPDX-License-Identifier: Apache-2.0
// The programs of tests/emu/golden on the PTX machine, against what the GPU answered: bit for bit.
#include "emu/golden.h"

#include <gtest/gtest.h>

#include <cstring>

#include "emu/run/machine.h"

namespace fa4::emu::test {
namespace {

// The outputs of an entry of a golden program.
std::vector<uint32_t> outputs_of(Machine& machine, ModuleId module, const std::string& entry,
                                 std::vector<uint32_t> inputs, size_t outputs, uint32_t count,
                                 uint32_t threads) {
  std::vector<uint32_t> result(outputs);
  const auto in = reinterpret_cast<uint64_t>(inputs.data());
  const auto out = reinterpret_cast<uint64_t>(result.data());
  machine.memory().add({"in", in, inputs.size() * 4, false});
  machine.memory().add({"out", out, result.size() * 4, true});
  KernelLaunch launch;
  launch.module = module;
  launch.entry = entry;
  launch.grid = {threads / 128, 1, 1};
  launch.block = {128, 1, 1};
  launch.params.resize(20);
  std::memcpy(launch.params.data(), &in, 8);
  std::memcpy(launch.params.data() + 8, &out, 8);
  std::memcpy(launch.params.data() + 16, &count, 4);
  const RunReport report = machine.launch(launch);
  EXPECT_TRUE(report.finished && report.reports.empty()) << entry;
  machine.memory().remove(in);
  machine.memory().remove(out);
  return result;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, ElementwiseRows) {
  const auto page = golden_page(GetParam());
  ASSERT_TRUE(page) << "tests/emu/golden/" << GetParam() << ".json is missing";
  Machine machine({.arch = 90});
  const ModuleId module = machine.load(golden_program(GetParam()));
  for (const auto& [entry, row] : (*page)["entries"].items()) {
    const std::vector<uint32_t> outputs =
        outputs_of(machine, module, entry, golden_inputs(row["inputs"], row["planes"]),
                   kGoldenCount, kGoldenCount, kGoldenCount);
    EXPECT_EQ(golden_difference(row, outputs), "") << row["instruction"];
  }
}

INSTANTIATE_TEST_SUITE_P(Pages, Golden, testing::Values("sm_80", "sm_90"),
                         [](const auto& page) { return std::string(page.param); });

TEST(GoldenMatrix, Rows) {
  const auto page = golden_page("matrix");
  ASSERT_TRUE(page) << "tests/emu/golden/matrix.json is missing";
  Machine machine({.arch = 90});
  const ModuleId module = machine.load(golden_program("matrix"));
  for (const auto& [name, row] : (*page)["entries"].items()) {
    const std::string entry = row["entry"];
    const GoldenShape shape = {.k = entry.find("k16") != std::string::npos ? 16 : 8,
                               .half_accumulator = entry.ends_with("_f16_f16"),
                               .brain = entry.ends_with("bf16")};
    const GoldenMatrices all = golden_matrices(shape, row["distribution"]);
    std::vector<uint32_t> inputs = all.a;
    inputs.insert(inputs.end(), all.b.begin(), all.b.end());
    inputs.insert(inputs.end(), all.c.begin(), all.c.end());
    const std::vector<uint32_t> outputs =
        outputs_of(machine, module, entry, std::move(inputs), row["count"], kGoldenProducts,
                   kGoldenProducts * 32);
    EXPECT_EQ(golden_difference(row, outputs), "") << name;
  }
}

}  // namespace
}  // namespace fa4::emu::test
