// SPDX-License-Identifier: Apache-2.0
// Backend gpu on a device that records what it is asked for: no GPU and no compiler are needed, because the
// kernels come from a pack.
#include <deque>
#include <optional>

#include "gpu/backend.h"
#include "jit/fixture.h"
#include "plan/plan.h"

namespace fa4::gpu {
namespace {

using jit::Scratch;

class RecordingDevice final : public device::Device {
 public:
  struct Launched {
    std::string entry;
    std::array<uint32_t, 3> grid;
    std::vector<std::byte> params;
    void* stream;
  };

  const plan::DeviceFacts& facts() const override { return facts_; }
  std::string description() const override { return "a recorder"; }
  device::Code code() const override { return device::Code::Cubin; }
  std::string driver() const override { return "1"; }
  Status load(const std::string& image, const plan::KernelSpec& spec,
              device::Kernel* kernel) const override {
    images.push_back(image);
    entries.push_back(spec.entry);
    *kernel = {};
    kernel->handle = &entries.back();
    kernel->threads = spec.threads;
    return {};
  }
  Status launch(std::span<const device::Step> steps, std::span<const device::Buffer>,
                void* stream) const override {
    for (const device::Step& step : steps) {
      launched.push_back({*static_cast<std::string*>(step.kernel->handle), step.launch->grid,
                          step.launch->params, stream});
    }
    return {};
  }
  Status take_scratch(size_t, void*, void**) const override { return {}; }
  Status return_scratch(void*, void*) const override { return {}; }
  Status allocate(size_t, void**) const override { return {}; }
  Status free(void*) const override { return {}; }
  Status copy_in(void*, const void*, size_t) const override { return {}; }
  Status copy_out(void*, const void*, size_t) const override { return {}; }
  Status synchronize(void*) const override { return {}; }
  Status create_event(void**) const override { return {}; }
  Status destroy_event(void*) const override { return {}; }
  Status record_event(void*, void*) const override { return {}; }
  Status elapsed(void*, void*, double*) const override { return {}; }

  mutable std::vector<std::string> images;
  mutable std::deque<std::string> entries;
  mutable std::vector<Launched> launched;

 private:
  plan::DeviceFacts facts_{"sm_80", 80, 108, 163 << 10, 164 << 10, 40 << 20};
};

class OneDevice final : public device::Devices {
 public:
  Status available() const override { return {}; }
  int count() const override { return 1; }
  Status find(int index, const device::Device** found) const override {
    if (index != 0) return invalid_argument("CUDA device {} is not here; there are 1", index);
    *found = &device;
    return {};
  }
  RecordingDevice device;
};

// Declines odd head dims; the forward launches one kernel for each head, the backward two kernels.
class TinyFamily final : public plan::KernelFamily {
 public:
  std::string_view name() const override { return "tiny"; }
  std::string_view summary() const override { return "for a test"; }
  Status supports(const Problem& problem, Pass, const plan::DeviceFacts&) const override {
    if (problem.head_dim % 2 == 0) return {};
    return unsupported("D is {}; it must be even", problem.head_dim);
  }
  plan::FamilyPlan prepare(const Problem& problem, Pass pass,
                           const plan::DeviceFacts& device) const override {
    plan::FamilyPlan plan;
    plan.kernels = {jit::scale_spec(1)};
    if (pass == Pass::Backward) plan.kernels.push_back(jit::scale_spec(2));
    plan.tiles = {{"sms", device.num_sms}};
    plan.grid = problem.heads;
    plan.workspace_bytes = 512;
    plan.details = 7;
    return plan;
  }
  std::vector<plan::Launch> forward_launches(const Problem& problem, const plan::FamilyPlan& plan,
                                             const plan::DeviceFacts&,
                                             const ForwardTensors& tensors, void*) const override {
    EXPECT_EQ(std::any_cast<int>(plan.details), 7);
    const jit::ScaleParams params{static_cast<float*>(tensors.out.data), 2, 1};
    return {{0, {static_cast<uint32_t>(problem.heads), 1, 1}, plan::bytes_of(params)}};
  }
  std::vector<plan::Launch> backward_launches(const Problem&, const plan::FamilyPlan&,
                                              const plan::DeviceFacts&, const BackwardTensors&,
                                              void*) const override {
    return {{1, {2, 1, 1}, {}}, {0, {3, 1, 1}, {}}};
  }
};

jit::Compiler* test_compiler = nullptr;
jit::Compiler& the_compiler() { return *test_compiler; }

class GpuBackendTest : public testing::Test {
 protected:
  void SetUp() override {
    jit::write_scale_kernel(scratch_ / "kernels");
    jit::Settings settings = jit::settings_in(scratch_);
    settings.nvrtc = scratch_ / "nowhere";
    jit::Bundle bundle;
    ASSERT_TRUE(jit::Bundle::from_folder(settings.kernel_dir, &bundle).ok());
    std::vector<jit::PackedKernel> packed;
    for (const int offset : {1, 2}) {
      jit::Unit unit;
      ASSERT_TRUE(make_unit(bundle, jit::scale_spec(offset), "sm_80", true, &unit).ok());
      packed.push_back({unit.key, std::make_shared<jit::Image>(jit::some_image(unit.entry, 9))});
    }
    ASSERT_TRUE(jit::write_pack(scratch_ / "pack", packed).ok());
    settings.packs = {scratch_ / "pack"};
    compiler_.emplace(settings);
    test_compiler = &*compiler_;
    problem_.heads = 3;
    problem_.head_dim = 64;
    problem_.place = {.kind = Place::Kind::Cuda, .index = 0, .arch = {}};
  }

  const Scratch scratch_;
  std::optional<jit::Compiler> compiler_;
  OneDevice devices_;
  TinyFamily family_;
  const plan::KernelFamily* families_[1] = {&family_};
  GpuBackend backend_{families_, devices_, &the_compiler};
  Problem problem_;
};

TEST_F(GpuBackendTest, LoadsOnceAndLaunchesOnTheCallersStream) {
  ASSERT_TRUE(backend_.supports(problem_, Pass::Forward, "tiny").ok());
  Blueprint blueprint = backend_.prepare(problem_, Pass::Forward, "tiny");
  EXPECT_EQ(blueprint.workspace_bytes, 512u);
  EXPECT_EQ(blueprint.threads, 128);
  ASSERT_TRUE(backend_.load(problem_, &blueprint).ok());
  EXPECT_EQ(blueprint.compiled[0].registers, 40u);
  EXPECT_EQ(blueprint.compiled[0].origin, "pack " + scratch_ / "pack");
  Blueprint again = backend_.prepare(problem_, Pass::Forward, "tiny");
  ASSERT_TRUE(backend_.load(problem_, &again).ok());
  EXPECT_EQ(devices_.device.images.size(), 1u);
  float out = 0;
  int stream = 0;
  ForwardTensors tensors;
  tensors.out.data = &out;
  ASSERT_TRUE(backend_.forward(problem_, blueprint, tensors, nullptr, &stream).ok());
  ASSERT_EQ(devices_.device.launched.size(), 1u);
  const RecordingDevice::Launched& launched = devices_.device.launched[0];
  EXPECT_EQ(launched.entry, "fa4_tiny_scale_1");
  EXPECT_EQ(launched.grid[0], 3u);
  EXPECT_EQ(launched.stream, &stream);
  EXPECT_EQ(launched.params, plan::bytes_of(jit::ScaleParams{&out, 2, 1}));
}

TEST_F(GpuBackendTest, LaunchesSeveralKernelsInOrder) {
  Blueprint blueprint = backend_.prepare(problem_, Pass::Backward, "tiny");
  ASSERT_TRUE(backend_.load(problem_, &blueprint).ok());
  ASSERT_TRUE(backend_.backward(problem_, blueprint, {}, nullptr, nullptr).ok());
  ASSERT_EQ(devices_.device.launched.size(), 2u);
  EXPECT_EQ(devices_.device.launched[0].entry, "fa4_tiny_scale_2");
  EXPECT_EQ(devices_.device.launched[1].entry, "fa4_tiny_scale_1");
}

TEST_F(GpuBackendTest, DeclinesWithTheReason) {
  problem_.head_dim = 63;
  EXPECT_EQ(backend_.supports(problem_, Pass::Forward, "tiny").message, "D is 63; it must be even");
  problem_.place.index = 1;
  EXPECT_EQ(backend_.supports(problem_, Pass::Forward, "tiny").message,
            "CUDA device 1 is not here; there are 1");
  EXPECT_FALSE(backend_.reaches({}).ok());
}

TEST_F(GpuBackendTest, PlansForADeviceThatIsNotHereAndCompilesNothing) {
  problem_.place = {.kind = Place::Kind::Model, .index = 0, .arch = "sm_120"};
  ASSERT_TRUE(backend_.supports(problem_, Pass::Forward, "tiny").ok());
  Blueprint blueprint = backend_.prepare(problem_, Pass::Forward, "tiny");
  EXPECT_EQ(blueprint.tiles[0].second, 170);
  ASSERT_TRUE(backend_.load(problem_, &blueprint).ok());
  EXPECT_TRUE(devices_.device.images.empty());
  EXPECT_EQ(blueprint.compiled[0].origin, "");
  std::string bytes;
  ASSERT_TRUE(backend_.artifact(problem_, blueprint, 0, "source", &bytes).ok());
  EXPECT_NE(bytes.find("fa4_tiny_scale_1(const __grid_constant__ tiny::Params params)"),
            std::string::npos);
  EXPECT_FALSE(backend_.artifact(problem_, blueprint, 0, "cubin", &bytes).ok());
  EXPECT_FALSE(backend_.artifact(problem_, blueprint, 1, "source", &bytes).ok());
  EXPECT_FALSE(backend_.artifact(problem_, blueprint, 0, "poem", &bytes).ok());
}

TEST_F(GpuBackendTest, AKernelThatCannotBeHadIsAnAnswer) {
  problem_.place = {.kind = Place::Kind::Cuda, .index = 0, .arch = {}};
  jit::Settings settings = compiler_->settings();
  settings.packs.clear();
  jit::Compiler nothing(settings);
  test_compiler = &nothing;
  Blueprint blueprint = backend_.prepare(problem_, Pass::Forward, "tiny");
  const Status status = backend_.load(problem_, &blueprint);
  EXPECT_EQ(status.code, FA4_ERROR_UNSUPPORTED);
  EXPECT_NE(status.message.find("is in no pack and cannot be compiled"), std::string::npos);
}

}  // namespace
}  // namespace fa4::gpu
