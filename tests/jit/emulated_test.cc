// SPDX-License-Identifier: Apache-2.0
// What an emulated backend rests on, without the machine: PTX in the cache, the memory of a launch, the settings.
#include <stdlib.h>

#include <map>

#include "device/emulated_device.h"
#include "device/machine_settings.h"
#include "gpu/buffers.h"
#include "jit/fixture.h"

namespace fa4 {
namespace {

using jit::has_nvrtc;

TEST(CompilingPtx, IsKeptApartFromTheCubin) {
  FA4_NEEDS_NVRTC();
  const jit::Scratch scratch;
  jit::write_scale_kernel(scratch / "kernels");
  jit::Wanted wanted{jit::scale_spec(), "sm_80", ""};
  jit::Compiler first(jit::settings_in(scratch));
  ASSERT_TRUE(first.get(wanted).status.ok());
  wanted.kind = jit::CodeKind::Ptx;
  const jit::Compiled ptx = first.get(wanted);
  ASSERT_TRUE(ptx.status.ok()) << ptx.status.message;
  EXPECT_NE(ptx.image->code.find(".target sm_80"), std::string::npos);
  EXPECT_EQ(first.disk().usage().entries, 2u);
  jit::Compiler second(jit::settings_in(scratch));
  const jit::Compiled found = second.get(wanted);
  EXPECT_EQ(found.image->origin, "disk cache");
  EXPECT_EQ(found.image->code, ptx.image->code);
  wanted.kind = jit::CodeKind::Cubin;
  const jit::Compiled cubin = second.get(wanted);
  EXPECT_EQ(cubin.image->origin, "disk cache");
  EXPECT_NE(cubin.image->code, ptx.image->code);
}

TEST(CompilingPtx, WithoutACompilerSpeaksOfNoPack) {
  const jit::Scratch scratch;
  jit::write_scale_kernel(scratch / "kernels");
  jit::Settings settings = jit::settings_in(scratch);
  settings.nvrtc = scratch / "nowhere";
  jit::Compiler compiler(settings);
  jit::Wanted wanted{jit::scale_spec(), "sm_80", ""};
  wanted.kind = jit::CodeKind::Ptx;
  EXPECT_NE(compiler.get(wanted).status.message.find("as PTX cannot be compiled: FA4_NVRTC is "),
            std::string::npos);
}

class LaunchBuffers : public testing::Test {
 protected:
  static std::byte* at(uint64_t address) { return reinterpret_cast<std::byte*>(address); }

  static std::map<std::string, device::Buffer> by_name(const std::vector<device::Buffer>& list) {
    std::map<std::string, device::Buffer> named;
    for (const device::Buffer& buffer : list) named[buffer.name] = buffer;
    return named;
  }

  // B 2, Sq 3, Sk 5, H 4, Hk 2, D 8, Dv 16.
  Problem dense() const {
    Problem problem;
    problem.batch = 2;
    problem.seq_q = 3;
    problem.seq_k = 5;
    problem.heads = 4;
    problem.kv_heads = 2;
    problem.head_dim = 8;
    problem.value_dim = 16;
    problem.q = {at(0x1000), Dtype::BFloat16, 96, 32, 8};
    problem.k = {at(0x2000), Dtype::BFloat16, 0, 100, 8};  // broadcast over the batch, gaps in rows
    problem.v = {at(0x3000), Dtype::BFloat16, 160, 32, 16};
    problem.cu_seqlens_q.data = problem.cu_seqlens_k.data = nullptr;
    return problem;
  }
};

TEST_F(LaunchBuffers, ReachFromTheFirstToTheLastByte) {
  ForwardTensors tensors;
  tensors.out = {at(0x4000), Dtype::BFloat16, 192, 64, 16};
  tensors.lse = {at(0x5000), Dtype::Float32, 12, 3, 1};
  tensors.has_lse = true;
  const auto named = by_name(gpu::forward_buffers(dense(), tensors, at(0x6000), 512));
  ASSERT_EQ(named.size(), 6u);
  EXPECT_EQ(named.at("q").bytes, 2u * 3 * 4 * 8 * 2);
  EXPECT_EQ(named.at("k").bytes, (4u * 100 + 8 + 8) * 2);
  EXPECT_EQ(named.at("v").bytes, (160u + 4 * 32 + 16 + 16) * 2);
  EXPECT_EQ(named.at("out").bytes, 2u * 3 * 4 * 16 * 2);
  EXPECT_EQ(named.at("lse").bytes, 24u * 4);
  EXPECT_EQ(named.at("workspace").bytes, 512u);
  EXPECT_EQ(named.at("k").base, at(0x2000));
  for (const char* name : {"q", "k", "v"}) EXPECT_FALSE(named.at(name).writable) << name;
  for (const char* name : {"out", "lse", "workspace"}) EXPECT_TRUE(named.at(name).writable) << name;
}

TEST_F(LaunchBuffers, OfPackedAndPagedTensors) {
  Problem problem = dense();
  problem.packed_q = problem.paged = true;
  problem.total_q = 7;
  problem.q.batch_stride = 0;
  problem.cu_seqlens_q = {at(0x7000), Dtype::Int32, 2};
  problem.num_pages = 9;
  problem.page_size = 4;
  problem.k = {at(0x2000), Dtype::BFloat16, 64, 16, 8};
  problem.page_table = {at(0x8000), Dtype::Int32, 1};
  problem.page_table_stride = 10;
  problem.page_table_columns = 3;
  problem.sink = {at(0x9000), Dtype::Float32, 0};
  problem.has_sink = true;
  const auto named = by_name(gpu::forward_buffers(problem, {}, nullptr, 512));
  EXPECT_EQ(named.at("q").bytes, 7u * 32 * 2);
  EXPECT_EQ(named.at("k").bytes, 9u * 4 * 16 * 2);
  EXPECT_EQ(named.at("cu_seqlens_q").bytes, (2u * 2 + 1) * 4);
  EXPECT_EQ(named.at("page_table").bytes, 13u * 4);
  EXPECT_EQ(named.at("sink").bytes, 4u);
  EXPECT_EQ(named.count("workspace"), 0u);
  EXPECT_EQ(named.count("out"), 0u);
}

TEST_F(LaunchBuffers, OfABackwardWriteGradientsOnly) {
  BackwardTensors tensors;
  tensors.dout = tensors.out = {at(0x4000), Dtype::BFloat16, 192, 64, 16};
  tensors.lse = {at(0x5000), Dtype::Float32, 12, 3, 1};
  tensors.dq = {at(0xa000), Dtype::BFloat16, 96, 32, 8};
  tensors.dk = {at(0xb000), Dtype::BFloat16, 80, 16, 8};
  tensors.dv = {at(0xc000), Dtype::BFloat16, 160, 32, 16};
  tensors.dsink = {at(0xd000), Dtype::Float32, 1};
  tensors.has_dsink = true;
  for (const device::Buffer& buffer : gpu::backward_buffers(dense(), tensors, at(0x6000), 256)) {
    const bool gradient = buffer.name.starts_with("d") && buffer.name != "dout";
    EXPECT_EQ(buffer.writable, gradient || buffer.name == "workspace") << buffer.name;
  }
}

TEST(MachineSettings, ComeFromTheEnvironmentAtEveryCall) {
  device::MachineSettings settings;
  for (const char* name : {"FA4_EMU_POLICY", "FA4_EMU_SEED", "FA4_EMU_NUMERICS", "FA4_EMU_THREADS",
                           "FA4_EMU_REPORT"}) {
    ::unsetenv(name);
  }
  ASSERT_TRUE(device::machine_settings(&settings).ok());
  EXPECT_EQ(settings, device::MachineSettings{});
  ::setenv("FA4_EMU_POLICY", "torn", 1);
  ::setenv("FA4_EMU_SEED", "18446744073709551615", 1);
  ASSERT_TRUE(device::machine_settings(&settings).ok());
  EXPECT_EQ(settings.policy, "torn");
  EXPECT_EQ(settings.seed, ~uint64_t{0});
  for (const char* bad : {"-1", "7 ", "seven", "18446744073709551616"}) {
    ::setenv("FA4_EMU_SEED", bad, 1);
    const Status status = device::machine_settings(&settings);
    EXPECT_EQ(status.code, FA4_ERROR_INVALID_ARGUMENT) << bad;
    EXPECT_NE(status.message.find("FA4_EMU_SEED is"), std::string::npos) << status.message;
  }
  ::unsetenv("FA4_EMU_SEED");
  ::setenv("FA4_EMU_THREADS", "1025", 1);
  EXPECT_FALSE(device::machine_settings(&settings).ok());
  ::unsetenv("FA4_EMU_THREADS");
  ::unsetenv("FA4_EMU_POLICY");
}

TEST(EmulatedDevice, PlansWithoutTheMachine) {
  const device::Model* model = device::find_model("sm_89");
  const device::Devices& devices = device::emulated_devices(*model);
  EXPECT_EQ(&devices, &device::emulated_devices(*model));
  const device::Device* found = nullptr;
  ASSERT_TRUE(devices.find(0, &found).ok());
  EXPECT_EQ(found->facts().arch, "sm_89");
  EXPECT_TRUE(found->names_buffers());
  EXPECT_EQ(found->code(), device::Code::Ptx);
  EXPECT_EQ(devices.find(1, &found).message, "emulated device 1 is not here; there is 1");
}

}  // namespace
}  // namespace fa4
