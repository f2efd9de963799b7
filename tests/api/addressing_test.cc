// SPDX-License-Identifier: Apache-2.0
// Offsets of more than 2^31 elements. The tensors are reserved address space of which only the pages that
// hold a row exist: an offset that wraps, or any access beside a row's page, is a crash.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>

#include "api/fixture.h"

namespace fa4::test {
namespace {

constexpr int64_t kFar = (int64_t{1} << 31) + 4096;  // elements

// The values of a compact array with other strides.
class FarArray {
 public:
  FarArray(Array& near, std::vector<int64_t> strides) : near_(near), strides_(std::move(strides)) {
    int64_t last = 0;
    for (size_t d = 0; d < near.shape.size(); ++d) last += (near.shape[d] - 1) * strides_[d];
    reserved_bytes_ = static_cast<size_t>(last + 4096) * sizeof(float);
    memory_ = mmap(nullptr, reserved_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (memory_ == MAP_FAILED) return;
    for (size_t row = 0; row < rows(); ++row) make_pages(row);
    copy_rows(true);
    dl = near.dl;
    dl.data = memory_;
    dl.strides = strides_.data();
  }
  ~FarArray() {
    if (reserved()) munmap(memory_, reserved_bytes_);
  }
  FarArray(const FarArray&) = delete;
  FarArray& operator=(const FarArray&) = delete;

  bool reserved() const { return memory_ != MAP_FAILED; }
  void copy_back() { copy_rows(false); }

  DLTensor dl{};

 private:
  size_t row_bytes() const { return static_cast<size_t>(near_.shape.back()) * sizeof(float); }
  size_t rows() const { return near_.size() / static_cast<size_t>(near_.shape.back()); }

  float* row_address(size_t row) const {
    int64_t offset = 0;
    for (size_t d = near_.shape.size() - 1; d-- > 0;) {
      const auto extent = static_cast<size_t>(near_.shape[d]);
      offset += static_cast<int64_t>(row % extent) * strides_[d];
      row /= extent;
    }
    return static_cast<float*>(memory_) + offset;
  }

  void make_pages(size_t row) const {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto address = reinterpret_cast<uintptr_t>(row_address(row));
    const uintptr_t begin = address / page * page;
    ASSERT_EQ(mprotect(reinterpret_cast<void*>(begin), address + row_bytes() - begin,
                       PROT_READ | PROT_WRITE),
              0);
  }

  void copy_rows(bool to_far) {
    for (size_t row = 0; row < rows(); ++row) {
      float* const near = near_.floats() + row * static_cast<size_t>(near_.shape.back());
      std::memcpy(to_far ? row_address(row) : near, to_far ? near : row_address(row), row_bytes());
    }
  }

  Array& near_;
  std::vector<int64_t> strides_;
  size_t reserved_bytes_ = 0;
  void* memory_ = MAP_FAILED;
};

class Addressing : public testing::TestWithParam<std::pair<const char*, int>> {
 protected:
  // The place that is far away: 0 batch, 1 row, 2 head.
  std::vector<int64_t> far_strides(const Array& array) const {
    std::vector<int64_t> strides = array.strides;
    strides[static_cast<size_t>(GetParam().second)] = kFar;
    return strides;
  }
};

std::string name_of_case(const testing::TestParamInfo<std::pair<const char*, int>>& info) {
  constexpr std::array names{"batch", "row", "head"};
  return std::string(info.param.first) + "_far_" + names[static_cast<size_t>(info.param.second)];
}

void expect_equal(Array& actual, Array& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual.floats()[i], expected.floats()[i], 1e-6) << "element " << i;
  }
}

TEST_P(Addressing, ReachesBeyondTwoBillionElements) {
  Small expected, actual;
  expected.problem.backend = actual.problem.backend = GetParam().first;
  ASSERT_TRUE(succeeded(expected.run_forward()));
  ASSERT_TRUE(succeeded(expected.run_backward()));

  Array* const arrays[] = {&actual.q,    &actual.k,  &actual.v,  &actual.out,
                           &actual.dout, &actual.dq, &actual.dk, &actual.dv};
  std::vector<std::unique_ptr<FarArray>> far;
  for (Array* array : arrays) {
    far.push_back(std::make_unique<FarArray>(*array, far_strides(*array)));
    if (!far.back()->reserved()) GTEST_SKIP() << "no address space to reserve";
    array->dl = far.back()->dl;
  }
  ASSERT_TRUE(succeeded(actual.run_forward()));
  ASSERT_TRUE(succeeded(actual.run_backward()));
  for (auto& array : far) array->copy_back();
  expect_equal(actual.out, expected.out);
  expect_equal(actual.lse, expected.lse);
  expect_equal(actual.dq, expected.dq);
  expect_equal(actual.dk, expected.dk);
  expect_equal(actual.dv, expected.dv);
}

INSTANTIATE_TEST_SUITE_P(virtual_strides, Addressing,
                         testing::Values(std::pair{"cpu", 0}, std::pair{"cpu", 1},
                                         std::pair{"cpu", 2}, std::pair{"reference", 0},
                                         std::pair{"reference", 1}, std::pair{"reference", 2}),
                         name_of_case);

class FarPages : public testing::TestWithParam<const char*> {};

TEST_P(FarPages, AreFound) {
  Small expected, actual;
  expected.problem.backend = actual.problem.backend = GetParam();
  Array table(kInt32, {2, 1});
  table.integers()[0] = 1;
  expected.problem.page_table = actual.problem.page_table = &table.dl;
  ASSERT_TRUE(succeeded(expected.run_forward()));
  FarArray k(actual.k, {kFar, 32, 16, 1}), v(actual.v, {kFar, 16, 8, 1});
  if (!k.reserved() || !v.reserved()) GTEST_SKIP() << "no address space to reserve";
  actual.problem.k = &k.dl, actual.problem.v = &v.dl;
  ASSERT_TRUE(succeeded(actual.run_forward()));
  expect_equal(actual.out, expected.out);
}

TEST_P(FarPages, LseMayBeFarToo) {
  Small expected, actual;
  expected.problem.backend = actual.problem.backend = GetParam();
  ASSERT_TRUE(succeeded(expected.run_forward()));
  FarArray lse(actual.lse, {4 * kFar, kFar, 1});
  if (!lse.reserved()) GTEST_SKIP() << "no address space to reserve";
  actual.forward.lse = &lse.dl;
  ASSERT_TRUE(succeeded(actual.run_forward()));
  lse.copy_back();
  expect_equal(actual.lse, expected.lse);
}

INSTANTIATE_TEST_SUITE_P(backends, FarPages, testing::Values("cpu", "reference"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace fa4::test
