// SPDX-License-Identifier: Apache-2.0
#include "tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "error.h"

namespace fa4::cli {
namespace {

constexpr int64_t kLargestCount = int64_t{1} << 58;
constexpr int64_t kWildStride = int64_t{1} << 40;

std::vector<int64_t> strides_of(const Shape& shape, const Layout& layout) {
  std::vector<int64_t> strides(shape.size());
  if (shape.empty()) return strides;
  std::vector<int> order = layout.order;
  if (order.empty()) {
    order.resize(shape.size() - 1);
    std::iota(order.begin(), order.end(), 0);
  }
  const auto extent = [&](size_t dimension) {
    return std::max<int64_t>(shape[dimension], 1) +
           (layout.gaps.empty() ? 0 : layout.gaps[dimension]);
  };
  strides.back() = 1;
  int64_t step = extent(shape.size() - 1);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const auto dimension = static_cast<size_t>(*it);
    if (!layout.broadcast.empty() && layout.broadcast[dimension]) continue;  // stays 0
    strides[dimension] = step;
    step *= extent(dimension);
    if (layout.wild_unit_strides && shape[dimension] == 1) strides[dimension] = kWildStride;
  }
  return strides;
}

}  // namespace

int64_t count_elements(const Shape& shape) {
  int64_t count = 1;  // sizes of 0 count as 1 here, so that compact strides fit too
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, std::max<int64_t>(size, 1), &count) ||
        count > kLargestCount) {
      return -1;
    }
  }
  return std::find(shape.begin(), shape.end(), 0) == shape.end() ? count : 0;
}

std::string shape_text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Tensor::Tensor(ElementType type, Shape shape, const Layout& layout)
    : type_(type), shape_(std::move(shape)), margin_(layout.margin) {
  const int64_t count = count_elements(shape_);
  if (count < 0) bad_input("a tensor of shape {} is larger than any memory", shape_text(shape_));
  strides_ = strides_of(shape_, layout);
  int64_t extent = count == 0 ? 0 : 1;
  for (size_t i = 0; count != 0 && i < shape_.size(); ++i) {
    if (shape_[i] > 1) extent += (shape_[i] - 1) * strides_[i];
  }
  if (layout.no_data) return;
  storage_bytes_ = (extent + 2 * margin_) * size_of(type_);
  constexpr int64_t kAlignment = 64;
  const int64_t rounded = (storage_bytes_ + kAlignment) / kAlignment * kAlignment;
  storage_.reset(static_cast<std::byte*>(
      std::aligned_alloc(static_cast<size_t>(kAlignment), static_cast<size_t>(rounded))));
  if (!storage_) {
    fail(Exit::Internal, "there is not enough memory for a {} tensor of shape {} ({} bytes)",
         name_of(type_), shape_text(shape_), storage_bytes_);
  }
}

int64_t Tensor::num_rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape_.size(); ++i) rows *= shape_[i];
  return rows;
}

std::byte* Tensor::row(int64_t row) {
  int64_t offset = margin_;
  for (size_t i = shape_.size(); i-- > 0;) {
    if (i + 1 == shape_.size()) continue;
    offset += row % shape_[i] * strides_[i];
    row /= shape_[i];
  }
  return storage_.get() + offset * size_of(type_);
}

std::vector<int64_t> Tensor::index_of(int64_t element) const {
  std::vector<int64_t> index(shape_.size());
  for (size_t i = shape_.size(); i-- > 0;) {
    index[i] = element % shape_[i];
    element /= shape_[i];
  }
  return index;
}

double Tensor::value(int64_t element) const {
  const int64_t length = row_length();
  return load_element(row(element / length) + element % length * size_of(type_), type_);
}

std::vector<double> Tensor::values() const {
  std::vector<double> result(static_cast<size_t>(num_elements()));
  const int64_t length = row_length();
  size_t place = 0;
  for (int64_t r = 0; r < num_rows() && length > 0; ++r) {
    const std::byte* address = row(r);
    for (int64_t i = 0; i < length; ++i, address += size_of(type_)) {
      result[place++] = load_element(address, type_);
    }
  }
  return result;
}

void Tensor::fill(double value) {
  for (int64_t r = 0; r < num_rows() && row_length() > 0; ++r) {
    std::byte* address = row(r);
    for (int64_t i = 0; i < row_length(); ++i, address += size_of(type_)) {
      store_element(address, type_, value);
    }
  }
}

void Tensor::poison() {
  const int64_t step = size_of(type_);
  for (int64_t i = 0; i * step < storage_bytes_; ++i) {
    store_poison(storage_.get() + i * step, type_, i);
  }
}

bool Tensor::surroundings_are_poison() const {
  const int64_t step = size_of(type_);
  std::vector<bool> inside(static_cast<size_t>(storage_bytes_ / step));
  for (int64_t r = 0; r < num_rows() && row_length() > 0; ++r) {
    const auto begin = inside.begin() + (row(r) - storage_.get()) / step;
    std::fill(begin, begin + row_length(), true);
  }
  for (int64_t i = 0; i * step < storage_bytes_; ++i) {
    std::byte poison[8];
    store_poison(poison, type_, i);
    if (!inside[static_cast<size_t>(i)] &&
        std::memcmp(poison, storage_.get() + i * step, static_cast<size_t>(step)) != 0) {
      return false;
    }
  }
  return true;
}

DLTensor Tensor::dlpack() const {
  DLTensor view{};
  view.data = storage_ ? storage_.get() + margin_ * size_of(type_) : nullptr;
  view.device = {kDLCPU, 0};
  view.ndim = rank();
  view.dtype = facts(type_).dlpack;
  view.shape = const_cast<int64_t*>(shape_.data());
  view.strides = const_cast<int64_t*>(strides_.data());
  return view;
}

std::string Tensor::describe() const {
  return fmt::format("{} {}", name_of(type_), shape_text(shape_));
}

Tensor compact_copy(const Tensor& tensor, ElementType type) {
  if (!is_floating(tensor.type()) || type == tensor.type()) return compact_copy(tensor);
  Tensor copy(type, tensor.shape());
  const int64_t length = tensor.row_length();
  for (int64_t r = 0; r < tensor.num_rows() && length > 0; ++r) {
    const std::byte* from = tensor.row(r);
    std::byte* to = copy.row(r);
    for (int64_t i = 0; i < length; ++i) {
      store_element(to + i * size_of(type), type,
                    load_element(from + i * size_of(tensor.type()), tensor.type()));
    }
  }
  return copy;
}

Tensor compact_copy(const Tensor& tensor) {
  Tensor copy(tensor.type(), tensor.shape());
  const int64_t length = tensor.row_length();
  for (int64_t r = 0; r < tensor.num_rows() && length > 0; ++r) {
    std::memcpy(copy.row(r), tensor.row(r), static_cast<size_t>(length * size_of(tensor.type())));
  }
  return copy;
}

Tensor slice(const Tensor& tensor, int dimension, int64_t begin, int64_t count) {
  Shape shape = tensor.shape();
  const int64_t whole = shape[static_cast<size_t>(dimension)];
  shape[static_cast<size_t>(dimension)] = count;
  Tensor part(tensor.type(), shape);
  int64_t inner_rows = 1;  // rows per index of the dimension, which is not the last one
  for (int i = dimension + 1; i + 1 < tensor.rank(); ++i) inner_rows *= tensor.size(i);
  const auto bytes = static_cast<size_t>(tensor.row_length() * size_of(tensor.type()));
  for (int64_t r = 0; r < part.num_rows() && bytes > 0; ++r) {
    const int64_t inner = r % inner_rows;
    const int64_t index = r / inner_rows % count;
    const int64_t outer = r / inner_rows / count;
    std::memcpy(part.row(r), tensor.row((outer * whole + begin + index) * inner_rows + inner),
                bytes);
  }
  return part;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  const auto bytes = static_cast<size_t>(a.row_length() * size_of(a.type()));
  for (int64_t r = 0; r < a.num_rows() && bytes > 0; ++r) {
    if (std::memcmp(a.row(r), b.row(r), bytes) != 0) return false;
  }
  return true;
}

}  // namespace fa4::cli
