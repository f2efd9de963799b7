// SPDX-License-Identifier: Apache-2.0
// The GEMMs on the GPUs they are for: right, and the bits of the PTX machine's exact sums.
#include <dlfcn.h>

#include "emu/gemm_machine.h"
#include "gpu/fixture.h"
#include "jit/compiler.h"

namespace fa4::test {
namespace {

using EncodeTiled = int (*)(TensorMap*, int type, unsigned rank, void* address,
                            const unsigned long long* sizes, const unsigned long long* strides,
                            const unsigned* box, const unsigned* steps, int interleave, int swizzle,
                            int promotion, int fill);

void* driver_function(const char* name) { return dlsym(dlopen("libcuda.so.1", RTLD_NOW), name); }

// The driver encodes tensor maps for the context of the calling thread.
void enter_primary_context(int device) {
  void* context = nullptr;
  const auto retain =
      reinterpret_cast<int (*)(void**, int)>(driver_function("cuDevicePrimaryCtxRetain"));
  const auto enter = reinterpret_cast<int (*)(void*)>(driver_function("cuCtxSetCurrent"));
  ASSERT_EQ(retain(&context, device), 0);
  ASSERT_EQ(enter(context), 0);
}

TensorMap driver_map(const GemmMatrix& matrix, uint64_t base, uint32_t box_rows) {
  constexpr int kBFloat16 = 9, kSwizzle128 = 3, kPromote256 = 3;  // of the driver's enumerations
  static const auto encode =
      reinterpret_cast<EncodeTiled>(driver_function("cuTensorMapEncodeTiled"));
  const unsigned long long sizes[] = {matrix.cols, matrix.rows}, strides[] = {2ull * matrix.ld};
  const unsigned box[] = {64, box_rows}, steps[] = {1, 1};
  TensorMap map{};
  EXPECT_EQ(encode(&map, kBFloat16, 2, reinterpret_cast<void*>(base), sizes, strides, box, steps, 0,
                   kSwizzle128, kPromote256, 0),
            0);
  return map;
}

class DeviceMatrix {
 public:
  DeviceMatrix(const device::Device& device, const GemmMatrix& matrix) : device_(device) {
    EXPECT_TRUE(device.allocate(matrix.bytes(), &data_).ok());
    EXPECT_TRUE(device.copy_in(data_, matrix.bits.data(), matrix.bytes()).ok());
  }
  ~DeviceMatrix() { EXPECT_TRUE(device_.free(data_).ok()); }
  DeviceMatrix(const DeviceMatrix&) = delete;
  DeviceMatrix& operator=(const DeviceMatrix&) = delete;
  void* data() const { return data_; }
  uint64_t base() const { return reinterpret_cast<uint64_t>(data_); }

 private:
  const device::Device& device_;
  void* data_ = nullptr;
};

void expect_right_with_the_bits_of_the_machine(const std::vector<GemmKernel>& kernels) {
  const device::Device* device = nullptr;
  ASSERT_TRUE(device::cuda_devices().find(0, &device).ok());
  if (device->facts().compute_capability != static_cast<int>(kernels.front().arch)) {
    GTEST_SKIP() << "needs " << kernels.front().target() << "; this is " << device->description();
  }
  FA4_NEEDS_GEMM_COMPILER();
  enter_primary_context(0);
  constexpr uint32_t kShapes[][3] = {{1, 1, 8},       {127, 255, 56},  {129, 257, 72},
                                     {300, 300, 304}, {390, 520, 328}, {511, 769, 1032}};
  for (const GemmKernel& kernel : kernels) {
    const jit::Compiled cubin =
        jit::compiler().get({kernel.spec, kernel.target(), device->driver(), jit::CodeKind::Cubin});
    ASSERT_TRUE(cubin.status.ok()) << cubin.status.message;
    device::Kernel loaded;
    const Status status = device->load(cubin.image->code, kernel.spec, &loaded);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(cubin.image->resources.spill_store_bytes, 0) << kernel.spec.entry;
    const std::string ptx = gemm_ptx(kernel);
    for (const auto& [m, n, k] : kShapes) {
      SCOPED_TRACE(kernel.spec.entry + ", " + std::to_string(m) + " x " + std::to_string(n) +
                   " x " + std::to_string(k));
      GemmProblem problem(m, n, k, 7);
      const DeviceMatrix a(*device, problem.a), b(*device, problem.b), c(*device, problem.c);
      plan::Launch launch;
      launch.grid = {problem.grid(kernel, 16), 1, 1};
      launch.params =
          plan::bytes_of(problem.params(kernel, driver_map, a.base(), b.base(), c.base()));
      const device::Step step{&loaded, &launch};
      const Status launched = device->launch({&step, 1}, {}, nullptr);
      ASSERT_TRUE(launched.ok()) << launched.message;
      const Status ended = device->copy_out(problem.c.bits.data(), c.data(), problem.c.bytes());
      ASSERT_TRUE(ended.ok()) << ended.message;
      EXPECT_EQ(problem.mistake(), "");
      const std::vector<uint16_t> bits = problem.c.bits;
      const emu::RunReport report = emu::test::gemm_on_machine(kernel, ptx, problem, 16, {});
      EXPECT_EQ(report.num_errors, 0u) << emu::test::texts_of(report);
      EXPECT_TRUE(problem.c.bits == bits) << "the machine's bits differ from the GPU's";
    }
  }
}

TEST(Sm90GemmOnGpu, IsRightAndHasTheBitsOfTheMachine) {
  FA4_NEEDS_GPU();
  expect_right_with_the_bits_of_the_machine(sm90_gemm_kernels());
}

TEST(Sm100GemmOnGpu, IsRightAndHasTheBitsOfTheMachine) {
  FA4_NEEDS_GPU();
  expect_right_with_the_bits_of_the_machine(sm100_gemm_kernels());
}

}  // namespace
}  // namespace fa4::test
