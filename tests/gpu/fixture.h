// SPDX-License-Identifier: Apache-2.0
// Tensors on the GPU through the public API, and the parts of the driver that only tests need.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "device/cuda_device.h"
#include "device/driver.h"
#include "fa4/fa4.h"

namespace fa4::test {

inline constexpr DLDevice kHost{kDLCPU, 0};

#define FA4_OK_OR_FAIL(call) ASSERT_EQ(call, FA4_OK) << fa4_last_error()

// Streams and graphs.
struct Extras {
  int (*stream_create)(void**, unsigned);
  int (*stream_destroy)(void*);
  int (*stream_synchronize)(void*);
  int (*begin_capture)(void*, int mode);
  int (*end_capture)(void*, void** graph);
  int (*instantiate)(void** executable, void* graph, unsigned long long flags);
  int (*launch_graph)(void* executable, void* stream);
  int (*context_create)(void**, unsigned, int device);
  int (*context_set)(void*);
  int (*context_destroy)(void*);

  static const Extras& get() {
    static const Extras extras = [] {
      void* library = dlopen("libcuda.so.1", RTLD_NOW);
      Extras e{};
      const auto bind = [&](const char* name, auto** function) {
        *reinterpret_cast<void**>(function) = dlsym(library, name);
      };
      bind("cuStreamCreate", &e.stream_create);
      bind("cuStreamDestroy_v2", &e.stream_destroy);
      bind("cuStreamSynchronize", &e.stream_synchronize);
      bind("cuStreamBeginCapture_v2", &e.begin_capture);
      bind("cuStreamEndCapture", &e.end_capture);
      bind("cuGraphInstantiateWithFlags", &e.instantiate);
      bind("cuGraphLaunch", &e.launch_graph);
      bind("cuCtxCreate_v2", &e.context_create);
      bind("cuCtxSetCurrent", &e.context_set);
      bind("cuCtxDestroy_v2", &e.context_destroy);
      return e;
    }();
    return extras;
  }
};

// Every test here begins with it.
#define FA4_NEEDS_GPU()                                                   \
  if (const Status here = device::cuda_devices().available(); !here.ok()) \
  GTEST_SKIP() << "needs a GPU: " << here.message

// bf16 or float, compact, on a device.
class GpuTensor {
 public:
  GpuTensor(DLDataType type, std::vector<int64_t> shape, int device = 0)
      : device_{kDLCUDA, device}, type_(type), shape_(std::move(shape)) {
    size_t elements = 1;
    for (const int64_t extent : shape_) elements *= static_cast<size_t>(extent);
    bytes_ = elements * type.bits / 8;
    EXPECT_EQ(fa4_device_allocate(device_, bytes_, &data_), FA4_OK) << fa4_last_error();
    view_ = {data_, device_, static_cast<int>(shape_.size()), type_, shape_.data(), nullptr, 0};
  }
  ~GpuTensor() { fa4_device_free(device_, data_); }
  GpuTensor(const GpuTensor&) = delete;
  GpuTensor& operator=(const GpuTensor&) = delete;

  void put(const std::vector<std::byte>& bytes) const {
    ASSERT_EQ(bytes.size(), bytes_);
    FA4_OK_OR_FAIL(fa4_device_copy(device_, data_, kHost, bytes.data(), bytes_));
  }
  void fill(int byte) const { put(std::vector<std::byte>(bytes_, static_cast<std::byte>(byte))); }
  // N(0, 1) in bf16.
  void fill_normal(unsigned seed) const {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<uint16_t> bits(bytes_ / 2);
    for (uint16_t& one : bits) one = float_to_bfloat16(normal(random));
    FA4_OK_OR_FAIL(fa4_device_copy(device_, data_, kHost, bits.data(), bytes_));
  }
  std::vector<std::byte> get() const {
    std::vector<std::byte> bytes(bytes_);
    EXPECT_EQ(fa4_device_copy(kHost, bytes.data(), device_, data_, bytes_), FA4_OK);
    return bytes;
  }
  const DLTensor* dl() const { return &view_; }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  DLDevice device_;
  DLDataType type_;
  std::vector<int64_t> shape_;
  size_t bytes_ = 0;
  void* data_ = nullptr;
  DLTensor view_{};
};

inline constexpr DLDataType kBf16{kDLBfloat, 16, 1};
inline constexpr DLDataType kF32{kDLFloat, 32, 1};

// Forward and backward of one causal problem with grouped heads.
struct Attention {
  explicit Attention(int device = 0, int64_t length = 300, int64_t dim = 64)
      : q(kBf16, {2, length, 4, dim}, device),
        k(kBf16, {2, length, 2, dim}, device),
        v(kBf16, {2, length, 2, dim}, device),
        out(kBf16, {2, length, 4, dim}, device),
        dout(kBf16, {2, length, 4, dim}, device),
        dq(kBf16, {2, length, 4, dim}, device),
        dk(kBf16, {2, length, 2, dim}, device),
        dv(kBf16, {2, length, 2, dim}, device),
        lse(kF32, {2, 4, length}, device) {
    q.fill_normal(1), k.fill_normal(2), v.fill_normal(3), dout.fill_normal(4);
    poison();
    fa4_problem_init(&problem);
    problem.q = q.dl(), problem.k = k.dl(), problem.v = v.dl();
    problem.causal = 1;
    problem.deterministic = 1;
    forward = {sizeof(forward), out.dl(), lse.dl()};
    backward = {sizeof(backward), dout.dl(), out.dl(), lse.dl(), nullptr,
                dq.dl(),          dk.dl(),   dv.dl(),  nullptr};
  }
  void poison() const {
    for (const GpuTensor* tensor : {&out, &dq, &dk, &dv, &lse}) tensor->fill(0xff);
  }
  std::vector<std::byte> results() const {
    std::vector<std::byte> all;
    for (const GpuTensor* tensor : {&out, &dq, &dk, &dv, &lse}) {
      const auto bytes = tensor->get();
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }

  GpuTensor q, k, v, out, dout, dq, dk, dv, lse;
  fa4_problem problem;
  fa4_forward_tensors forward;
  fa4_backward_tensors backward;
};

// A plan and its workspace, full of NaN.
struct Prepared {
  Prepared(const fa4_problem& problem, fa4_pass pass, int device = 0) : device_{kDLCUDA, device} {
    EXPECT_EQ(fa4_plan_create(&problem, pass, &plan), FA4_OK) << fa4_last_error();
    size = fa4_plan_workspace_size(plan);
    EXPECT_EQ(fa4_device_allocate(device_, size, &workspace), FA4_OK);
    const std::vector<std::byte> poison(size, std::byte{0xff});
    EXPECT_EQ(fa4_device_copy(device_, workspace, kHost, poison.data(), size), FA4_OK);
  }
  ~Prepared() {
    fa4_plan_destroy(plan);
    fa4_device_free(device_, workspace);
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  DLDevice device_;
  fa4_plan* plan = nullptr;
  void* workspace = nullptr;
  size_t size = 0;
};

}  // namespace fa4::test
