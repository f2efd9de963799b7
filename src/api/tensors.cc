// SPDX-License-Identifier: Apache-2.0
#include "api/tensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

namespace fa4::api {
namespace {

__extension__ using Wide = __int128;  // no product of two int64 overflows it
constexpr Wide kMaxInt64 = std::numeric_limits<int64_t>::max();

// As an integer: a caller may have put any value there, which an enum of C++ may not hold.
int type_of(const DLDevice& device) {
  static_assert(sizeof(device.device_type) == sizeof(int));
  int type;
  std::memcpy(&type, &device.device_type, sizeof(type));
  return type;
}

bool is_host(const DLDevice& device) {
  return type_of(device) == kDLCPU || type_of(device) == kDLCUDAHost;
}

std::string device_text(const DLDevice& device) {
  switch (type_of(device)) {
    case kDLCPU:
    case kDLCUDAHost:
      return "host memory";
    case kDLCUDA:
    case kDLCUDAManaged:
      return fmt::format("CUDA device {}", device.device_id);
    case kDLROCM:
      return fmt::format("ROCm device {}", device.device_id);
    default:
      return fmt::format("DLPack device type {}, id {}", type_of(device), device.device_id);
  }
}

bool is_cuda(const DLDevice& device) {
  return type_of(device) == kDLCUDA || type_of(device) == kDLCUDAManaged;
}

bool same_device(const DLDevice& a, const DLDevice& b) {
  if (is_host(a)) return is_host(b);
  if (is_cuda(a)) return is_cuda(b) && a.device_id == b.device_id;
  return type_of(a) == type_of(b) && a.device_id == b.device_id;
}

std::optional<Dtype> dtype_of(DLDataType type) {
  struct Row {
    int code, bits;
    Dtype dtype;
  };
  constexpr Row rows[] = {{kDLFloat, 32, Dtype::Float32},
                          {kDLBfloat, 16, Dtype::BFloat16},
                          {kDLFloat, 16, Dtype::Float16},
                          {kDLFloat, 64, Dtype::Float64},
                          {kDLInt, 32, Dtype::Int32}};
  for (const Row& row : rows) {
    if (row.code == type.code && row.bits == type.bits) return row.dtype;
  }
  return std::nullopt;
}

std::string dtype_text(DLDataType type) {
  if (const auto dtype = dtype_of(type)) return name_of(*dtype);
  switch (type.code) {
    case kDLInt:
      return fmt::format("int{}", type.bits);
    case kDLUInt:
      return fmt::format("uint{}", type.bits);
    case kDLFloat:
      return fmt::format("float{}", type.bits);
    default:
      return fmt::format("DLPack type code {} of {} bits", type.code, type.bits);
  }
}

Status read_dtype(const DLTensor& source, const Expected& expected, Tensor* tensor) {
  if (source.dtype.lanes != 1) {
    return invalid_argument("{} has {} lanes per element; it must have 1", expected.name,
                            source.dtype.lanes);
  }
  const auto dtype = dtype_of(source.dtype);
  if (expected.integer) {
    if (dtype == Dtype::Int32) return {};
    return invalid_argument("{} has dtype {}; it must be int32", expected.name,
                            dtype_text(source.dtype));
  }
  if (!dtype) {
    return unsupported(
        "{} has dtype {}; served are float32, bfloat16, float16 and, in backend \"reference\", float64",
        expected.name, dtype_text(source.dtype));
  }
  if (dtype == Dtype::Int32) {
    return invalid_argument("{} has dtype int32; it must be a floating-point type", expected.name);
  }
  tensor->dtype = *dtype;
  return {};
}

Status read_shape(const DLTensor& source, const Expected& expected, Tensor* tensor) {
  const std::string_view layout = expected.layout;
  const int ndim = 1 + static_cast<int>(std::count(layout.begin(), layout.end(), ','));
  if (source.ndim != ndim) {
    return invalid_argument("{} has {} dimensions; it must have {}: {}", expected.name, source.ndim,
                            ndim, layout);
  }
  if (source.shape == nullptr) return invalid_argument("the shape of {} is null", expected.name);
  tensor->ndim = ndim;
  std::copy_n(source.shape, ndim, tensor->shape.begin());
  Wide elements = 1;
  for (int d = 0; d < ndim; ++d) {
    if (tensor->shape[d] < 0) {
      return invalid_argument("dimension {} of {} is {}; it must not be negative", d, expected.name,
                              tensor->shape[d]);
    }
    elements *= std::max<int64_t>(tensor->shape[d], 1);
    if (elements > kMaxInt64) {
      return invalid_argument("{} of shape {} has more elements than a 64-bit integer can count",
                              expected.name, shape_text({tensor->shape.data(), size_t(ndim)}));
    }
  }
  return {};
}

Status read_strides(const DLTensor& source, const Expected& expected, Tensor* tensor) {
  int64_t compact = 1;
  Wide last = 0;  // element
  for (int d = tensor->ndim - 1; d >= 0; --d) {
    const int64_t extent = tensor->shape[d];
    const int64_t stride = source.strides ? source.strides[d] : compact;
    compact *= std::max<int64_t>(extent, 1);
    if (extent <= 1) continue;
    if (stride < 0) {
      return invalid_argument("stride {} of {} is {}; negative strides are not served", d,
                              expected.name, stride);
    }
    if (d == tensor->ndim - 1 && stride != 1 && !expected.any_stride) {
      return invalid_argument("the last stride of {} is {}; it must be 1", expected.name, stride);
    }
    tensor->strides[d] = stride;
    last += Wide{extent - 1} * stride;
    if (last >= kMaxInt64 / size_of(tensor->dtype)) {
      return invalid_argument(
          "{} of shape {} with stride {} in dimension {} reaches past the end of a 64-bit address space",
          expected.name, shape_text({tensor->shape.data(), size_t(tensor->ndim)}), stride, d);
    }
  }
  return {};
}

int64_t last_byte_of(const Tensor& tensor) {
  int64_t last = size_of(tensor.dtype) - 1;
  for (int d = 0; d < tensor.ndim; ++d) {
    if (tensor.shape[d] > 1)
      last += (tensor.shape[d] - 1) * tensor.strides[d] * size_of(tensor.dtype);
  }
  return last;
}

// A plan may be made before there is any data.
void read_alignment(const DLTensor& source, Tensor* tensor) {
  if (source.data == nullptr || tensor->empty()) return;
  const uint64_t address = reinterpret_cast<uintptr_t>(source.data) + source.byte_offset;
  while (address % static_cast<uint64_t>(tensor->alignment) != 0) tensor->alignment /= 2;
}

Status read_data(const DLTensor& source, Tensor* tensor) {
  if (tensor->empty()) return {};
  if (source.data == nullptr) {
    return invalid_argument("the data of {} is null, but its shape {} has elements", tensor->name,
                            shape_text({tensor->shape.data(), size_t(tensor->ndim)}));
  }
  const auto base = reinterpret_cast<uintptr_t>(source.data);
  const Wide end = Wide{base} + source.byte_offset + last_byte_of(*tensor);
  if (end > Wide{std::numeric_limits<uintptr_t>::max()}) {
    return invalid_argument("{} with byte_offset {} reaches past the end of the address space",
                            tensor->name, source.byte_offset);
  }
  if ((base + source.byte_offset) % static_cast<uint64_t>(size_of(tensor->dtype)) != 0) {
    return invalid_argument("the data of {} is not aligned to its elements of {} bytes",
                            tensor->name, size_of(tensor->dtype));
  }
  tensor->data = static_cast<char*>(source.data) + source.byte_offset;
  return {};
}

}  // namespace

bool Tensor::empty() const {
  return std::find(shape.begin(), shape.begin() + ndim, 0) != shape.begin() + ndim;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t extent : shape) {
    if (text.size() > 1) text += ',';
    text += extent == kAny ? "any" : std::to_string(extent);
  }
  return text + "]";
}

DLDevice device_of(const Place& place) {
  if (place.kind == Place::Kind::Cuda) return {kDLCUDA, place.index};
  return {kDLCPU, 0};
}

Status read_device(DLDevice device, const char* name, Place* place) {
  *place = {};
  if (is_host(device)) return {};
  if (!is_cuda(device)) {
    return unsupported("{} is on {}; served are host memory and CUDA devices", name,
                       device_text(device));
  }
  if (device.device_id < 0) {
    return invalid_argument("{} is on CUDA device {}; an index must not be negative", name,
                            device.device_id);
  }
  place->kind = Place::Kind::Cuda;
  place->index = device.device_id;
  return {};
}

Status check_devices(std::initializer_list<NamedTensor> tensors, Place* place) {
  const NamedTensor* first = nullptr;
  for (const NamedTensor& named : tensors) {
    if (named.tensor == nullptr) continue;
    if (first == nullptr) first = &named;
    if (!same_device(first->tensor->device, named.tensor->device)) {
      return invalid_argument("{} is on {}, but {} is on {}; all tensors must be on one device",
                              named.name, device_text(named.tensor->device), first->name,
                              device_text(first->tensor->device));
    }
  }
  *place = {};
  return first == nullptr ? Status{} : read_device(first->tensor->device, first->name, place);
}

Status read_tensor(const DLTensor* source, const Expected& expected, Use use, Tensor* tensor) {
  *tensor = {};
  tensor->name = expected.name;
  if (source == nullptr) {
    return invalid_argument("{} is null; it must be a tensor {}", expected.name, expected.layout);
  }
  if (expected.integer) tensor->dtype = Dtype::Int32;
  FA4_RETURN_IF_ERROR(read_dtype(*source, expected, tensor));
  FA4_RETURN_IF_ERROR(read_shape(*source, expected, tensor));
  FA4_RETURN_IF_ERROR(read_strides(*source, expected, tensor));
  read_alignment(*source, tensor);
  return use == Use::Run ? read_data(*source, tensor) : Status{};
}

Status require_shape(const Tensor& tensor, std::initializer_list<int64_t> shape,
                     const char* layout) {
  const bool same =
      std::equal(shape.begin(), shape.end(), tensor.shape.begin(),
                 [](int64_t wanted, int64_t is) { return wanted == kAny || wanted == is; });
  if (same) return {};
  return invalid_argument("{} has shape {}; it must be {}, that is {}", tensor.name,
                          shape_text({tensor.shape.data(), size_t(tensor.ndim)}),
                          shape_text({shape.begin(), shape.size()}), layout);
}

Status require_dtype(const Tensor& tensor, std::initializer_list<Dtype> allowed) {
  if (std::find(allowed.begin(), allowed.end(), tensor.dtype) != allowed.end()) return {};
  std::string names;
  for (auto dtype = allowed.begin(); dtype != allowed.end(); ++dtype) {
    if (std::find(allowed.begin(), dtype, *dtype) != dtype) continue;  // said already
    names += (names.empty() ? "" : " or ") + std::string(name_of(*dtype));
  }
  return invalid_argument("{} has dtype {}; it must be {}", tensor.name, name_of(tensor.dtype),
                          names);
}

RowsView rows_view(const Tensor& tensor, int batch_dim, int row_dim, int head_dim) {
  return {.data = tensor.data,
          .dtype = tensor.dtype,
          .batch_stride = batch_dim < 0 ? 0 : tensor.strides[batch_dim],
          .row_stride = tensor.strides[row_dim],
          .head_stride = tensor.strides[head_dim],
          .alignment = tensor.alignment};
}

LseView lse_view(const Tensor& tensor, int batch_dim, int head_dim, int row_dim) {
  return {.data = tensor.data,
          .dtype = tensor.dtype,
          .batch_stride = batch_dim < 0 ? 0 : tensor.strides[batch_dim],
          .head_stride = tensor.strides[head_dim],
          .row_stride = tensor.strides[row_dim]};
}

VectorView vector_view(const Tensor& tensor) {
  return {.data = tensor.data, .dtype = tensor.dtype, .stride = tensor.strides[0]};
}

}  // namespace fa4::api
