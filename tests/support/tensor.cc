// SPDX-License-Identifier: Apache-2.0
#include "support/tensor.h"

#include <algorithm>
#include <cstring>

namespace fa4::test {
namespace {

DLDataType dl_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::Int32:
      return {kDLInt, 32, 1};
    case Dtype::BFloat16:
      return {kDLBfloat, 16, 1};
    default:
      return {kDLFloat, static_cast<uint8_t>(size_of(dtype) * 8), 1};
  }
}

std::vector<int64_t> make_strides(const std::vector<int64_t>& shape, Layout layout) {
  const int rank = static_cast<int>(shape.size());
  std::vector<int> order(rank);  // from the innermost dimension outwards
  for (int i = 0; i < rank; ++i) order[i] = rank - 1 - i;
  if (layout == Layout::HeadsFirst && rank >= 3) std::swap(order[1], order[2]);

  std::vector<int64_t> strides(rank);
  int64_t stride = 1;
  for (int i = 0; i < rank; ++i) {
    const int dim = order[i];
    strides[dim] = stride;
    stride *= std::max<int64_t>(shape[dim], 1);
    if (layout == Layout::Padded) stride = (stride + 7) / 8 * 8 + 8;
    if (layout == Layout::Odd) stride += 1 + 2 * i;
  }
  if (layout == Layout::Broadcast && rank >= 3) strides[rank - 2] = 0;
  return strides;
}

// Signalling NaN, then +Inf, then -Inf; for integers something that no index can be.
void write_poison(Dtype dtype, int64_t offset, char* address) {
  static constexpr uint64_t kFloat64[] = {0x7ff4000000000000, 0x7ff0000000000000,
                                          0xfff0000000000000};
  static constexpr uint32_t kFloat32[] = {0x7fa00000, 0x7f800000, 0xff800000};
  static constexpr uint16_t kBFloat16[] = {0x7fa0, 0x7f80, 0xff80};
  static constexpr uint16_t kFloat16[] = {0x7d00, 0x7c00, 0xfc00};
  static constexpr int32_t kInt32[] = {0x7f000000, -0x7f000000, 0x7ffffff0};
  const int64_t which = offset % 3;
  switch (dtype) {
    case Dtype::Float64:
      std::memcpy(address, &kFloat64[which], sizeof(kFloat64[0]));
      return;
    case Dtype::Float32:
      std::memcpy(address, &kFloat32[which], sizeof(kFloat32[0]));
      return;
    case Dtype::BFloat16:
      std::memcpy(address, &kBFloat16[which], sizeof(kBFloat16[0]));
      return;
    case Dtype::Float16:
      std::memcpy(address, &kFloat16[which], sizeof(kFloat16[0]));
      return;
    case Dtype::Int32:
      std::memcpy(address, &kInt32[which], sizeof(kInt32[0]));
      return;
  }
}

}  // namespace

const char* name_of(Layout layout) {
  switch (layout) {
    case Layout::Compact:
      return "compact";
    case Layout::HeadsFirst:
      return "heads_first";
    case Layout::Padded:
      return "padded";
    case Layout::Odd:
      return "odd";
    case Layout::Broadcast:
      return "broadcast";
  }
  return "";
}

Tensor::Tensor(Dtype dtype, std::vector<int64_t> shape, Layout layout)
    : dtype_(dtype), layout_(layout), shape_(std::move(shape)) {
  strides_ = make_strides(shape_, layout);
  margin_ = layout == Layout::Odd ? 257 : 256;
  int64_t extent = 1;
  for (size_t i = 0; i < shape_.size(); ++i) {
    extent += std::max<int64_t>(shape_[i] - 1, 0) * strides_[i];
  }
  const int64_t count = extent + 2 * margin_;
  storage_.resize(count * size_of(dtype_));
  for (int64_t offset = 0; offset < count; ++offset) write_poison(dtype_, offset, at(offset));
}

const DLTensor* Tensor::dl() {
  if (!exists()) return nullptr;
  view_ = {.data = storage_.data(),
           .device = {kDLCPU, 0},
           .ndim = static_cast<int32_t>(shape_.size()),
           .dtype = dl_type(dtype_),
           .shape = shape_.data(),
           .strides = layout_ == Layout::Compact ? nullptr : strides_.data(),
           .byte_offset = static_cast<uint64_t>(margin_ * size_of(dtype_))};
  return &view_;
}

int64_t Tensor::size() const {
  int64_t product = exists() ? 1 : 0;
  for (const int64_t extent : shape_) product *= extent;
  return product;
}

int64_t Tensor::offset_of(int64_t element) const {
  int64_t offset = margin_;
  for (size_t i = shape_.size(); i-- > 0;) {
    offset += element % shape_[i] * strides_[i];
    element /= shape_[i];
  }
  return offset;
}

// A row of the last dimension at a time, since that is contiguous.
template <class Function>
void Tensor::for_each(Function&& function) const {
  const int64_t count = size();
  for (int64_t row = 0; row < count; row += shape_.back()) {
    const int64_t offset = offset_of(row);
    for (int64_t i = 0; i < shape_.back(); ++i) function(row + i, offset + i);
  }
}

double Tensor::get(int64_t element) const { return load_element(at(offset_of(element)), dtype_); }

void Tensor::set(int64_t element, double value) {
  store_element(at(offset_of(element)), dtype_, value);
}

void Tensor::poison(int64_t element) {
  const int64_t offset = offset_of(element);
  write_poison(dtype_, offset, at(offset));
}

void Tensor::fill(double value) {
  for_each([&](int64_t, int64_t offset) { store_element(at(offset), dtype_, value); });
}

std::vector<double> Tensor::values() const {
  std::vector<double> values(size());
  for_each(
      [&](int64_t element, int64_t offset) { values[element] = load_element(at(offset), dtype_); });
  return values;
}

bool Tensor::surroundings_intact() const {
  const auto count = static_cast<int64_t>(storage_.size()) / size_of(dtype_);
  std::vector<bool> is_element(count, false);
  for_each([&](int64_t, int64_t offset) { is_element[offset] = true; });
  for (int64_t offset = 0; offset < count; ++offset) {
    char poison[8] = {};
    write_poison(dtype_, offset, poison);
    if (!is_element[offset] && std::memcmp(poison, at(offset), size_of(dtype_)) != 0) return false;
  }
  return true;
}

bool bit_equal(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const std::vector<double> x = a.values(), y = b.values();
  return x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(x[0])) == 0;
}

Tensor to_float64(const Tensor& tensor) {
  if (!tensor.exists()) return {};
  Tensor copy(Dtype::Float64, tensor.shape());
  const std::vector<double> values = tensor.values();
  for (int64_t i = 0; i < tensor.size(); ++i) copy.set(i, values[i]);
  return copy;
}

}  // namespace fa4::test
