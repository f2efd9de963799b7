// SPDX-License-Identifier: Apache-2.0
// The programs of tests/emu/golden on the PTX machine, against what the GPU answered: bit for bit, but for tanh, whose
// stored values must be near.
#include "emu/golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "emu/run/machine.h"

namespace fa4::emu::test {
namespace {

std::string golden_program(const std::string& name) {
  std::ifstream file("tests/emu/golden/" + name + ".ptx");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

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

// How far two numbers of 16 or 32 bits are apart, in units of the last place; NaN is near NaN.
uint64_t distance(uint32_t a, uint32_t b, uint32_t bits, uint32_t infinity) {
  const uint32_t sign = 1u << (bits - 1);
  const auto magnitude = [&](uint32_t x) { return x & (sign - 1); };
  if (magnitude(a) > infinity || magnitude(b) > infinity) {
    return magnitude(a) > infinity && magnitude(b) > infinity ? 0 : ~uint64_t{0};
  }
  const auto place = [&](uint32_t x) {
    return (x & sign) != 0 ? -static_cast<int64_t>(magnitude(x))
                           : static_cast<int64_t>(magnitude(x));
  };
  return static_cast<uint64_t>(std::abs(place(a) - place(b)));
}

// tanh: how far a value may be from the GPU's.
uint64_t bound_of(const std::string& instruction) {
  return instruction.find("f16x2") != std::string::npos ? 1 : 1 << 13;  // bf16x2 too
}

// The stored values against a bound: "" if all are within it.
std::string distant_value(const nlohmann::json& row, const std::vector<uint32_t>& outputs) {
  const std::string instruction = row["instruction"];
  const uint64_t bound = bound_of(instruction);
  const bool brain = instruction.find("bf16x2") != std::string::npos;
  const bool packed = instruction.find("f16x2") != std::string::npos;
  const size_t stride = outputs.size() / row["values"].size();
  for (size_t i = 0; i < row["values"].size(); ++i) {
    const uint32_t got = outputs[i * stride], gpu = row["values"][i];
    bool near = true;
    if (packed) {
      for (const uint32_t half : {0u, 16u}) {
        near = near && distance(got >> half & 0xffff, gpu >> half & 0xffff, 16,
                                brain ? 0x7f80 : 0x7c00) <= bound;
      }
    } else {
      near = distance(got, gpu, 32, 0x7f800000) <= bound;
    }
    if (!near) {
      return fmt::format("output {} is {:#010x}; the GPU gave {:#010x}", i * stride, got, gpu);
    }
  }
  return "";
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
    const std::string instruction = row["instruction"];
    const bool approximate = instruction.starts_with("tanh");
    EXPECT_EQ(approximate ? distant_value(row, outputs) : golden_difference(row, outputs), "")
        << instruction;
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
