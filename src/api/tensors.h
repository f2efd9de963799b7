// SPDX-License-Identifier: Apache-2.0
// DLTensors, checked one by one and against what is expected of them. What passes can be addressed with
// 64-bit arithmetic without overflow.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>

#include "core/problem.h"
#include "core/status.h"

namespace fa4::api {

inline constexpr int kMaxDims = 5;

// Plans read no data: a tensor may then have none.
enum class Use : uint8_t { Plan, Run };

// A DLTensor whose fields make sense. Strides are in elements; those that no index reaches (an extent
// of 0 or 1) are 0, so that equal layouts compare equal.
struct Tensor {
  const char* name = "";
  Dtype dtype = Dtype::Float32;
  int ndim = 0;
  std::array<int64_t, kMaxDims> shape{};
  std::array<int64_t, kMaxDims> strides{};
  char* data = nullptr;    // byte_offset included
  int32_t alignment = 16;  // of the data, in bytes, at most 16; without data 16

  bool empty() const;
};

struct NamedTensor {
  const char* name;
  const DLTensor* tensor;
};

// All on one device, and that one is served. Null tensors are skipped.
Status check_devices(std::initializer_list<NamedTensor> tensors, Place* place);

// The place as DLPack has it, and back.
DLDevice device_of(const Place& place);
Status read_device(DLDevice device, const char* name, Place* place);

// What a tensor may be: its dimensions are counted in the layout, "[B,Sq,H,D]".
struct Expected {
  const char* name;
  const char* layout;
  bool integer = false;     // int32; otherwise a floating type
  bool any_stride = false;  // the last stride may differ from 1
};
Status read_tensor(const DLTensor* source, const Expected& expected, Use use, Tensor* tensor);

inline constexpr int64_t kAny = -1;
Status require_shape(const Tensor& tensor, std::initializer_list<int64_t> shape,
                     const char* layout);
Status require_dtype(const Tensor& tensor, std::initializer_list<Dtype> allowed);

std::string shape_text(std::span<const int64_t> shape);

// Views by the place of a dimension in the tensor; -1: the tensor has no batch dimension.
RowsView rows_view(const Tensor& tensor, int batch_dim, int row_dim, int head_dim);
LseView lse_view(const Tensor& tensor, int batch_dim, int head_dim, int row_dim);
VectorView vector_view(const Tensor& tensor);

}  // namespace fa4::api
