// SPDX-License-Identifier: Apache-2.0
// The rows of tests/emu/golden/wgmma.json on the PTX machine, under all policies: bit for bit what the GPU answered.
#include <fstream>
#include <sstream>

#include "emu/golden.h"
#include "emu/golden_wgmma.h"
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

std::string wgmma_program() {
  std::ifstream file("tests/emu/golden/wgmma.ptx");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<uint32_t> run_row(Machine& machine, ModuleId module, const GoldenWgmma& row) {
  std::vector<uint32_t> inputs = golden_wgmma_inputs(row);
  std::vector<uint32_t> outputs(size_t{row.products} * row.num_d() * 128);
  const auto in = reinterpret_cast<uint64_t>(inputs.data());
  const auto out = reinterpret_cast<uint64_t>(outputs.data());
  machine.memory().add({"in", in, inputs.size() * 4, false});
  machine.memory().add({"out", out, outputs.size() * 4, true});
  KernelLaunch launch;
  launch.module = module;
  launch.entry = row.entry;
  launch.grid = {row.products, 1, 1};
  launch.block = {128, 1, 1};
  launch.params.resize(20);
  std::memcpy(launch.params.data(), &in, 8);
  std::memcpy(launch.params.data() + 8, &out, 8);
  std::memcpy(launch.params.data() + 16, &row.image_words, 4);
  const RunReport report = machine.launch(launch);
  EXPECT_TRUE(report.finished) << row.entry;
  for (const Report& one : report.reports) ADD_FAILURE() << row.entry << ": " << one.text;
  machine.memory().remove(in);
  machine.memory().remove(out);
  return outputs;
}

class WgmmaGolden : public testing::TestWithParam<Policy> {};

// The numbers are those of the first policy's test; each of the others runs a part of the rows.
TEST_P(WgmmaGolden, Rows) {
  const auto page = golden_page("wgmma");
  ASSERT_TRUE(page) << "tests/emu/golden/wgmma.json is missing";
  Machine machine({.arch = 90, .policy = GetParam()});
  const ModuleId module = machine.load(wgmma_program());
  size_t at = 0;
  for (const auto& [name, entry] : (*page)["entries"].items()) {
    const GoldenWgmma row = golden_wgmma(entry);
    const bool chosen = GetParam() == Policy::Eager || at % 9 == static_cast<size_t>(GetParam());
    ++at;
    if (!chosen) continue;
    EXPECT_EQ(golden_difference(entry, run_row(machine, module, row)), "") << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, WgmmaGolden, testing::ValuesIn(kAllPolicies),
                         [](const auto& policy) { return std::string(name_of(policy.param)); });

}  // namespace
}  // namespace fa4::emu::test
