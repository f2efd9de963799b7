// SPDX-License-Identifier: Apache-2.0
// The Blackwell forward on tensors of more than 2^31 elements: reserved address space of which only the pages that hold a row
// exist, so that an offset that wraps is a crash.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "emu/gemm.h"
#include "fa4/fa4.h"

namespace fa4::test {
namespace {

constexpr int64_t kFarStride = (int64_t{1} << 31) + 4096;  // elements
constexpr int64_t kFarDim = 64;

// [2, rows, 2, 64] of bf16. `far`: the dimension whose stride is beyond 2^31, or -1.
class FarTensor {
 public:
  FarTensor(int64_t rows, int far, int64_t misalignment)
      : shape_{2, rows, 2, kFarDim}, strides_{rows * 2 * kFarDim, 2 * kFarDim, kFarDim, 1} {
    if (far >= 0) strides_[static_cast<size_t>(far)] = kFarStride;
    int64_t last = misalignment + kFarDim;
    for (size_t d = 0; d < 3; ++d) last += (shape_[d] - 1) * strides_[d];
    bytes_ = static_cast<size_t>(last) * sizeof(uint16_t);
    memory_ = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) return;
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    dl_ = {static_cast<uint16_t*>(memory_) + misalignment,
           {kDLCPU, 0},
           4,
           {kDLBfloat, 16, 1},
           shape_.data(),
           strides_.data(),
           0};
    for (int64_t row = 0; row < num_rows(); ++row) {
      const auto address = reinterpret_cast<uintptr_t>(at(row));
      const uintptr_t begin = address / page * page;
      EXPECT_EQ(mprotect(reinterpret_cast<void*>(begin),
                         address + kFarDim * sizeof(uint16_t) - begin, PROT_READ | PROT_WRITE),
                0);
    }
  }
  ~FarTensor() {
    if (exists()) munmap(memory_, bytes_);
  }
  FarTensor(const FarTensor&) = delete;
  FarTensor& operator=(const FarTensor&) = delete;

  bool exists() const { return memory_ != MAP_FAILED; }
  int64_t num_rows() const { return shape_[0] * shape_[1] * shape_[2]; }
  const DLTensor* dl() const { return &dl_; }
  uint16_t* at(int64_t row) const {
    const int64_t head = row % 2, place = row / 2 % shape_[1], batch = row / 2 / shape_[1];
    return static_cast<uint16_t*>(dl_.data) + batch * strides_[0] + place * strides_[1] +
           head * strides_[2];
  }
  // Between -2 and 2, the same for the same seed wherever they lie.
  void fill(uint32_t seed) const {
    for (int64_t row = 0; row < num_rows(); ++row) {
      for (int64_t i = 0; i < kFarDim; ++i) {
        seed = seed * 1664525 + 1013904223;
        const float value = static_cast<float>(seed >> 8) / (1 << 22) - 2;
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof(bits));
        at(row)[i] = static_cast<uint16_t>(bits >> 16);
      }
    }
  }
  std::vector<uint16_t> values() const {
    std::vector<uint16_t> all;
    for (int64_t row = 0; row < num_rows(); ++row)
      all.insert(all.end(), at(row), at(row) + kFarDim);
    return all;
  }

 private:
  std::array<int64_t, 4> shape_, strides_;
  size_t bytes_ = 0;
  void* memory_ = MAP_FAILED;
  DLTensor dl_{};
};

// `misalignment` of out: TMA does not store it, and rows are stored by their addresses.
std::vector<uint16_t> run_far(int far, int64_t misalignment) {
  const FarTensor q(5, far, 0), k(7, far, 0), v(7, far, 0), out(5, far, misalignment);
  if (!q.exists() || !k.exists() || !v.exists() || !out.exists()) return {};
  q.fill(1), k.fill(2), v.fill(3);
  fa4_problem problem;
  fa4_problem_init(&problem);
  problem.q = q.dl(), problem.k = k.dl(), problem.v = v.dl();
  problem.backend = "emulated:sm_100a";
  problem.kernel = "sm100";
  fa4_plan* plan = nullptr;
  EXPECT_EQ(fa4_plan_create(&problem, FA4_PASS_FORWARD, &plan), FA4_OK) << fa4_last_error();
  if (plan == nullptr) return {};
  fa4_forward_tensors tensors{};
  tensors.struct_size = sizeof(tensors);
  tensors.out = const_cast<DLTensor*>(out.dl());
  EXPECT_EQ(fa4_forward(plan, &problem, &tensors, nullptr, 0, nullptr), FA4_OK) << fa4_last_error();
  fa4_plan_destroy(plan);
  return out.values();
}

TEST(Sm100ForwardFar, ReachesBeyondTwoBillionElements) {
  FA4_NEEDS_GEMM_COMPILER();
  const std::vector<uint16_t> near = run_far(-1, 0);
  ASSERT_FALSE(near.empty());
  for (const int far : {0, 1, 2}) {
    for (const int64_t misalignment : {0, 4}) {
      const std::vector<uint16_t> values = run_far(far, misalignment);
      if (values.empty() && !HasFailure()) GTEST_SKIP() << "no address space to reserve";
      EXPECT_EQ(values, near) << "dimension " << far << ", out " << misalignment << " elements off";
    }
  }
}

}  // namespace
}  // namespace fa4::test
