// SPDX-License-Identifier: Apache-2.0
// A tensor in host memory with any strides, poisoned surroundings on demand, and a DLPack view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "elements.h"

namespace fa4::cli {

using Shape = std::vector<int64_t>;

// How a tensor lies in memory. The last dimension is always the innermost, with stride 1.
struct Layout {
  std::vector<int> order;          // the other dimensions, outermost first; empty: as in the shape
  std::vector<int64_t> gaps;       // elements added to the extent of dimension i; empty: none
  std::vector<bool> broadcast;     // dimension i has stride 0; empty: none
  int64_t margin = 0;              // elements before and after
  bool wild_unit_strides = false;  // dimensions of size 1 get a huge stride, which nobody may use
  bool no_data = false;            // sizes and strides only, as planning needs
};

class Tensor {
 public:
  Tensor() = default;
  Tensor(ElementType type, Shape shape, const Layout& layout = {});

  ElementType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return static_cast<int>(shape_.size()); }
  int64_t size(int dimension) const { return shape_[static_cast<size_t>(dimension)]; }
  int64_t row_length() const { return shape_.empty() ? 1 : shape_.back(); }
  int64_t num_rows() const;  // products of all sizes but the last
  int64_t num_elements() const { return num_rows() * row_length(); }
  int64_t num_bytes() const { return num_elements() * size_of(type_); }

  std::byte* row(int64_t row);  // by its place in row-major order
  const std::byte* row(int64_t row) const { return const_cast<Tensor*>(this)->row(row); }
  std::vector<int64_t> index_of(int64_t element) const;  // row-major

  double value(int64_t element) const;
  std::vector<double> values() const;  // row-major
  void fill(double value);

  // All of the storage, surroundings included.
  std::span<std::byte> storage() { return {storage_.get(), static_cast<size_t>(storage_bytes_)}; }
  std::span<const std::byte> storage() const {
    return {storage_.get(), static_cast<size_t>(storage_bytes_)};
  }
  void poison();
  bool surroundings_are_poison() const;  // of a tensor that was poisoned before it was written

  DLTensor dlpack() const;       // points into this tensor, which must stay where it is
  std::string describe() const;  // "float32 [1, 512, 8, 64]"

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  ElementType type_ = ElementType::Float32;
  Shape shape_;
  std::vector<int64_t> strides_;
  int64_t margin_ = 0;
  int64_t storage_bytes_ = 0;
  std::unique_ptr<std::byte, Free> storage_;
};

// A compact copy; floating elements converted to `type`, integers kept.
Tensor compact_copy(const Tensor& tensor, ElementType type);
Tensor compact_copy(const Tensor& tensor);
// A compact copy of indices [begin, begin + count) of a dimension.
Tensor slice(const Tensor& tensor, int dimension, int64_t begin, int64_t count);
bool same_bits(const Tensor& a, const Tensor& b);

// The number of elements of a shape; -1 when it does not fit into 2^62 or a size is negative.
int64_t count_elements(const Shape& shape);
std::string shape_text(const Shape& shape);

}  // namespace fa4::cli
