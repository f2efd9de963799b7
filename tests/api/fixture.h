// SPDX-License-Identifier: Apache-2.0
// Tensors that own their memory and a small, valid problem for tests to bend. Public headers only.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "fa4/fa4.h"

namespace fa4::test {

inline constexpr fa4_status kInvalid = FA4_ERROR_INVALID_ARGUMENT;

inline constexpr DLDataType kFloat32{kDLFloat, 32, 1};
inline constexpr DLDataType kFloat64{kDLFloat, 64, 1};
inline constexpr DLDataType kFloat16{kDLFloat, 16, 1};
inline constexpr DLDataType kBFloat16{kDLBfloat, 16, 1};
inline constexpr DLDataType kInt32{kDLInt, 32, 1};

// Compact, zero at first; `dl` may be bent. Not copied, since `dl` points into it.
struct Array {
  Array(DLDataType dtype, std::vector<int64_t> extents) {
    dl.device = {kDLCPU, 0};
    dl.dtype = dtype;
    reshape(std::move(extents));
    storage.resize(size() * dtype.bits / 8 / sizeof(double) + 1);
    dl.data = storage.data();
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  void reshape(std::vector<int64_t> extents) {
    shape = std::move(extents);
    strides.assign(shape.size(), 1);
    for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
    dl.ndim = static_cast<int>(shape.size());
    dl.shape = shape.data();
    dl.strides = strides.data();
  }

  float* floats() { return reinterpret_cast<float*>(storage.data()); }
  double* doubles() { return storage.data(); }
  int32_t* integers() { return reinterpret_cast<int32_t*>(storage.data()); }
  size_t size() const {
    size_t elements = 1;
    for (const int64_t extent : shape) elements *= static_cast<size_t>(extent);
    return elements;
  }

  std::vector<int64_t> shape, strides;
  std::vector<double> storage;
  DLTensor dl{};
};

// Between -1 and 1, of no pattern that attention would keep.
inline void fill(Array& array, unsigned seed) {
  unsigned state = seed * 2654435761u + 12345;
  for (size_t i = 0; i < array.size(); ++i) {
    state = state * 1664525 + 1013904223;
    const double value = static_cast<double>(state >> 8) / (1 << 23) - 1;
    if (array.dl.dtype.bits == 64) {
      array.doubles()[i] = value;
    } else {
      array.floats()[i] = static_cast<float>(value);
    }
  }
}

// B 2, Sq 5, Sk 7, H 4, Hk 2, D 16, Dv 8: everything that the two passes need, in one type.
struct Small {
  explicit Small(DLDataType dtype = kFloat32)
      : q(dtype, {2, 5, 4, 16}),
        k(dtype, {2, 7, 2, 16}),
        v(dtype, {2, 7, 2, 8}),
        sink(dtype, {4}),
        out(dtype, {2, 5, 4, 8}),
        lse(dtype, {2, 4, 5}),
        dout(dtype, {2, 5, 4, 8}),
        dlse(dtype, {2, 4, 5}),
        dq(dtype, {2, 5, 4, 16}),
        dk(dtype, {2, 7, 2, 16}),
        dv(dtype, {2, 7, 2, 8}),
        dsink(dtype, {4}) {
    fill(q, 1), fill(k, 2), fill(v, 3), fill(dout, 4), fill(dlse, 5), fill(sink, 6);
    fa4_problem_init(&problem);
    problem.q = &q.dl, problem.k = &k.dl, problem.v = &v.dl;
    forward = {sizeof(forward), &out.dl, &lse.dl};
    backward = {sizeof(backward), &dout.dl, &out.dl, &lse.dl, nullptr,
                &dq.dl,           &dk.dl,   &dv.dl,  nullptr};
  }

  fa4_status run_forward() { return fa4_attention_forward(&problem, &forward, nullptr); }
  fa4_status run_backward() { return fa4_attention_backward(&problem, &backward, nullptr); }

  Array q, k, v, sink, out, lse, dout, dlse, dq, dk, dv, dsink;
  Array two_ints{kInt32, {2}}, three_ints{kInt32, {3}};
  fa4_problem problem;
  fa4_forward_tensors forward;
  fa4_backward_tensors backward;
};

// The status and, when it failed, its sentence.
inline testing::AssertionResult refused(fa4_status actual, fa4_status expected,
                                        const std::string& sentence) {
  if (actual != expected) {
    return testing::AssertionFailure()
           << "status " << fa4_status_name(actual) << ", not " << fa4_status_name(expected)
           << "; last error: " << fa4_last_error();
  }
  if (std::string(fa4_last_error()).find(sentence) == std::string::npos) {
    return testing::AssertionFailure()
           << "the sentence is: " << fa4_last_error() << "\nwithout: " << sentence;
  }
  return testing::AssertionSuccess();
}

template <class Refusal>
std::string name_of_refusal(const testing::TestParamInfo<Refusal>& info) {
  return info.param.name;
}

inline testing::AssertionResult succeeded(fa4_status status) {
  if (status == FA4_OK) return testing::AssertionSuccess();
  return testing::AssertionFailure() << fa4_status_name(status) << ": " << fa4_last_error();
}

}  // namespace fa4::test
