// SPDX-License-Identifier: Apache-2.0
// A tensor that owns its memory and is hostile about it: every byte that is not set, between rows, before
// the first and after the last, is a signalling NaN or an infinity, and it can tell whether it still is.
#pragma once

#include <dlpack/dlpack.h>

#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace fa4::test {

// Where the elements lie. All but Compact hand out explicit strides.
enum class Layout {
  Compact,     // row-major, null strides, aligned to 64 bytes
  HeadsFirst,  // [.., head, row, dim] in memory, seen as [.., row, head, dim]
  Padded,      // gaps of multiples of 16 bytes between heads, rows and batches
  Odd,         // a base and gaps that are aligned to nothing but the element
  Broadcast    // stride 0 over heads; for inputs only
};
const char* name_of(Layout layout);

class Tensor {
 public:
  Tensor() = default;  // no tensor: dl() is null
  Tensor(Dtype dtype, std::vector<int64_t> shape, Layout layout = Layout::Compact);

  // Points into this object: valid until it is moved, copied over or destroyed.
  const DLTensor* dl();

  bool exists() const { return !shape_.empty(); }
  Dtype dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t size() const;  // elements

  // Elements are counted in row-major order of the shape, whatever the strides are.
  double get(int64_t element) const;
  void set(int64_t element, double value);
  void poison(int64_t element);  // back to what it was before it was set
  void fill(double value);
  std::vector<double> values() const;

  // Whether all memory that belongs to no element is as it was made.
  bool surroundings_intact() const;
  const std::vector<char>& storage() const { return storage_; }

 private:
  // Offsets are in elements, from the beginning of the storage.
  int64_t offset_of(int64_t element) const;
  template <class Function>
  void for_each(Function&& function) const;  // function(element, offset)
  char* at(int64_t offset) { return &storage_[offset * size_of(dtype_)]; }
  const char* at(int64_t offset) const { return &storage_[offset * size_of(dtype_)]; }

  Dtype dtype_ = Dtype::Float32;
  Layout layout_ = Layout::Compact;
  std::vector<int64_t> shape_, strides_;
  int64_t margin_ = 0;  // elements before the first and after the last
  std::vector<char> storage_;
  DLTensor view_{};
};

// Same shape, type and bits of every element.
bool bit_equal(const Tensor& a, const Tensor& b);

Tensor to_float64(const Tensor& tensor);  // exact and compact; no tensor stays none

}  // namespace fa4::test
