// SPDX-License-Identifier: Apache-2.0
// The machine's C face: what it refuses, and what it hands back.
#include <cstring>
#include <string>

#include "fa4/emu.h"
#include "gtest/gtest.h"

namespace {

constexpr const char* kFill = R"(.version 8.0
.target sm_80
.address_size 64
.global .align 8 .u64 counter = 7;
.visible .entry fill(.param .u64 x)
.maxntid 64, 1, 1
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [x];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.u32 [%rd3], %r1;
  ret;
}
)";

class HostMachine : public testing::Test {
 protected:
  void SetUp() override {
    fa4emu_options_init(&options_);
    ASSERT_EQ(fa4emu_create(&options_, &machine_), FA4EMU_OK) << fa4emu_last_error();
    ASSERT_EQ(fa4emu_load(machine_, kFill, std::strlen(kFill), &module_), FA4EMU_OK)
        << fa4emu_last_error();
    base_ = reinterpret_cast<uint64_t>(x_);
    launch_.struct_size = sizeof(launch_);
    launch_.module = module_;
    launch_.entry = "fill";
    for (size_t i = 0; i < 3; ++i) launch_.grid[i] = launch_.block[i] = launch_.cluster[i] = 1;
    launch_.block[0] = 64;
    launch_.params = &base_;
    launch_.param_bytes = sizeof(base_);
  }
  void TearDown() override { fa4emu_destroy(machine_); }

  void expect_refusal(fa4emu_status status, fa4emu_status expected, const char* words) {
    EXPECT_EQ(status, expected);
    EXPECT_NE(std::string(fa4emu_last_error()).find(words), std::string::npos)
        << fa4emu_last_error();
  }

  fa4emu_options options_;
  fa4emu_machine* machine_ = nullptr;
  uint64_t module_ = 0;
  uint32_t x_[64] = {};
  uint64_t base_ = 0;
  fa4emu_launch_config launch_ = {};
};

TEST_F(HostMachine, LaunchesAndReports) {
  ASSERT_EQ(fa4emu_add_memory(machine_, "x", x_, sizeof(x_), 1), FA4EMU_OK);
  fa4emu_report* report = nullptr;
  ASSERT_EQ(fa4emu_launch(machine_, &launch_, &report), FA4EMU_OK) << fa4emu_last_error();
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(x_[i], i);
  fa4emu_summary summary = {};
  summary.struct_size = sizeof(summary);
  ASSERT_EQ(fa4emu_report_summary(report, &summary), FA4EMU_OK);
  EXPECT_EQ(summary.finished, 1);
  EXPECT_EQ(summary.num_errors, 0u);
  EXPECT_EQ(summary.warp_instructions, 12u);
  uint64_t by_unit = 0, by_form = 0;
  fa4emu_count count = {};
  count.struct_size = sizeof(count);
  for (size_t i = 0; i < summary.num_units; ++i) {
    ASSERT_EQ(fa4emu_report_unit(report, i, &count), FA4EMU_OK);
    by_unit += count.warp_instructions;
  }
  for (size_t i = 0; i < summary.num_forms; ++i) {
    ASSERT_EQ(fa4emu_report_form(report, i, &count), FA4EMU_OK);
    EXPECT_STRNE(count.fidelity, "");
    by_form += count.warp_instructions;
  }
  EXPECT_EQ(by_unit, 12u);
  EXPECT_EQ(by_form, 12u);
  expect_refusal(fa4emu_report_form(report, summary.num_forms, &count),
                 FA4EMU_ERROR_INVALID_ARGUMENT, "forms");
  fa4emu_report_destroy(report);
}

TEST_F(HostMachine, NamesTheMemoryThatIsMissing) {
  ASSERT_EQ(fa4emu_add_memory(machine_, "x", x_, sizeof(x_), 1), FA4EMU_OK);
  ASSERT_EQ(fa4emu_remove_memory(machine_, x_), FA4EMU_OK);
  ASSERT_EQ(fa4emu_add_memory(machine_, "half", x_, sizeof(x_) / 2, 1), FA4EMU_OK);
  fa4emu_report* report = nullptr;
  ASSERT_EQ(fa4emu_launch(machine_, &launch_, &report), FA4EMU_OK) << fa4emu_last_error();
  fa4emu_item item = {};
  item.struct_size = sizeof(item);
  ASSERT_EQ(fa4emu_report_item(report, 0, &item), FA4EMU_OK) << fa4emu_last_error();
  EXPECT_EQ(item.level, FA4EMU_LEVEL_ERROR);
  EXPECT_STREQ(item.code, "gmem.bounds");
  EXPECT_EQ(std::string(item.text).find("out of bounds: "), 0u) << item.text;
  EXPECT_NE(std::string(item.text).find("half"), std::string::npos) << item.text;
  EXPECT_EQ(x_[31], 31u);
  EXPECT_EQ(x_[32], 0u);
  fa4emu_report_destroy(report);
}

TEST_F(HostMachine, TellsOfItsEntriesAndVariables) {
  const char* name = nullptr;
  ASSERT_EQ(fa4emu_entry_name(machine_, module_, 0, &name), FA4EMU_OK);
  EXPECT_STREQ(name, "fill");
  ASSERT_EQ(fa4emu_entry_name(machine_, module_, 1, &name), FA4EMU_OK);
  EXPECT_EQ(name, nullptr);
  fa4emu_entry facts = {};
  facts.struct_size = sizeof(facts);
  ASSERT_EQ(fa4emu_entry_facts(machine_, module_, "fill", &facts), FA4EMU_OK);
  EXPECT_EQ(facts.param_bytes, 8u);
  EXPECT_EQ(facts.max_threads[0], 64u);
  uint32_t offset = 1, param_bytes = 0;
  ASSERT_EQ(fa4emu_entry_param(machine_, module_, "fill", 0, &offset, &param_bytes), FA4EMU_OK);
  EXPECT_EQ(offset, 0u);
  EXPECT_EQ(param_bytes, 8u);
  ASSERT_EQ(fa4emu_entry_param(machine_, module_, "fill", 1, &offset, &param_bytes), FA4EMU_OK);
  EXPECT_EQ(param_bytes, 0u);
  void* address = nullptr;
  uint64_t bytes = 0;
  ASSERT_EQ(fa4emu_variable(machine_, module_, "counter", &address, &bytes), FA4EMU_OK);
  EXPECT_EQ(bytes, 8u);
  EXPECT_EQ(*static_cast<uint64_t*>(address), 7u);
  EXPECT_STRNE(fa4emu_version(), "");
}

TEST_F(HostMachine, RefusesBadArguments) {
  fa4emu_machine* other = nullptr;
  const auto create = [&](auto change) {
    fa4emu_options options = options_;
    change(options);
    const fa4emu_status status = fa4emu_create(&options, &other);
    EXPECT_EQ(other, nullptr);
    return status;
  };
  const fa4emu_status bad = FA4EMU_ERROR_INVALID_ARGUMENT;
  expect_refusal(create([](fa4emu_options& o) { o.arch = 70; }), bad, "arch is 70");
  expect_refusal(create([](fa4emu_options& o) { o.policy = "slow"; }), bad, "policy is \"slow\"");
  for (const char* policy : {"starve", "starve:", "lazy:Mma"}) {
    expect_refusal(create([&](fa4emu_options& o) { o.policy = policy; }), bad,
                   "it must be eager, lazy, reverse, torn, random or starve:ROLE");
  }
  expect_refusal(create([](fa4emu_options& o) { o.numerics = "odd"; }), bad, "numerics is \"odd\"");
  expect_refusal(create([](fa4emu_options& o) { o.checks = 2; }), bad, "checks is 2");
  expect_refusal(create([](fa4emu_options& o) { o.elect_any = 2; }), bad, "elect_any is 2");
  expect_refusal(create([](fa4emu_options& o) { o.struct_size = 8; }), bad, "struct_size is 8");
  expect_refusal(fa4emu_create(nullptr, &other), bad, "options is null");
  expect_refusal(fa4emu_load(nullptr, kFill, 1, &module_), bad, "machine is null");
  expect_refusal(fa4emu_load(machine_, "nonsense", 8, &module_), FA4EMU_ERROR_REFUSED, "line 1");
  expect_refusal(fa4emu_add_memory(machine_, "x", x_, 0, 1), bad, "bytes is 0");
  expect_refusal(fa4emu_remove_memory(machine_, x_), bad, "no memory has been added");
  ASSERT_EQ(fa4emu_add_memory(machine_, "x", x_, sizeof(x_), 1), FA4EMU_OK);
  expect_refusal(fa4emu_add_memory(machine_, "y", x_ + 63, 8, 1), bad, "y overlaps x");
}

TEST_F(HostMachine, RefusesBadLaunches) {
  fa4emu_report* report = nullptr;
  const auto launch = [&](auto change) {
    fa4emu_launch_config config = launch_;
    change(config);
    const fa4emu_status status = fa4emu_launch(machine_, &config, &report);
    EXPECT_EQ(report, nullptr);
    return status;
  };
  using Config = fa4emu_launch_config;
  const fa4emu_status bad = FA4EMU_ERROR_INVALID_ARGUMENT, refused = FA4EMU_ERROR_REFUSED;
  expect_refusal(launch([](Config& c) { c.module = 9; }), bad, "module is 9; 1 are loaded");
  expect_refusal(launch([](Config& c) { c.entry = nullptr; }), bad, "launch.entry is null");
  expect_refusal(launch([](Config& c) { c.entry = "empty"; }), refused, "no entry empty");
  expect_refusal(launch([](Config& c) { c.params = nullptr; }), bad, "launch.params is null");
  expect_refusal(launch([](Config& c) { c.param_bytes = 4; }), refused, "");
  expect_refusal(launch([](Config& c) { c.block[0] = 128; }), refused, "");
  expect_refusal(launch([](Config& c) { c.grid[1] = 0; }), refused, "");
}

TEST_F(HostMachine, EncodesTensorMaps) {
  const uint64_t sizes[] = {16, 4}, strides[] = {64};
  const uint32_t box[] = {16, 2};
  alignas(64) unsigned char bytes[128] = {};
  fa4emu_tensor_map map = {};
  map.struct_size = sizeof(map);
  map.data_type = 7;
  map.rank = 2;
  map.address = reinterpret_cast<const void*>(uint64_t{1} << 20);
  map.sizes = sizes;
  map.strides = strides;
  map.box = box;
  ASSERT_EQ(fa4emu_encode_tensor_map(&map, bytes), FA4EMU_OK) << fa4emu_last_error();
  EXPECT_NE(bytes[0], 0);
  const fa4emu_status bad = FA4EMU_ERROR_INVALID_ARGUMENT, refused = FA4EMU_ERROR_REFUSED;
  expect_refusal(fa4emu_encode_tensor_map(&map, nullptr), bad, "bytes is null");
  expect_refusal(fa4emu_encode_tensor_map(nullptr, bytes), bad, "tensor is null");
  map.swizzle = 2;
  ASSERT_EQ(fa4emu_encode_tensor_map(&map, bytes), FA4EMU_OK) << fa4emu_last_error();
  map.swizzle = 1;
  expect_refusal(fa4emu_encode_tensor_map(&map, bytes), refused,
                 "rows of 64 bytes; with a swizzle of 32");
  map.strides = nullptr;
  expect_refusal(fa4emu_encode_tensor_map(&map, bytes), bad, "tensor.strides is null");
  map.rank = 7;
  expect_refusal(fa4emu_encode_tensor_map(&map, bytes), refused, "the rank is 7");
  map.struct_size = 4;
  expect_refusal(fa4emu_encode_tensor_map(&map, bytes), bad, "struct_size is 4");
}

}  // namespace
