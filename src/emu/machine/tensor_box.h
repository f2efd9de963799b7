// SPDX-License-Identifier: Apache-2.0
// A box of a tensor: which of its elements lie where in global and in shared memory (PTX ISA 9.0, 5.5.3 to 5.5.7).
//
// A box is a row for each place of its outer dimensions. In shared memory the rows lie one behind another, all elements
// of the box among them, also those outside the tensor; the swizzle then permutes chunks of 16 bytes by their address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "emu/machine/tensor_map.h"

namespace fa4::emu {

using Coordinates = std::array<int32_t, kMostTensorRank>;  // dimension 0 first

// The part of a row that lies in the tensor: elements [first, last), the first of which is at `address`.
struct BoxRow {
  uint32_t first = 0, last = 0;
  uint64_t address = 0;
};

class TensorBox {
 public:
  TensorBox(const TensorMap& map, const Coordinates& at);

  const TensorMap& map() const { return map_; }
  uint32_t num_rows() const { return num_rows_; }
  uint32_t row_bytes() const { return row_bytes_; }
  uint32_t bytes() const { return num_rows_ * row_bytes_; }  // that a barrier counts
  BoxRow row(uint32_t index) const;

  // Rows [begin, end) of the tensor into dense memory, elements outside becoming the fill; and back, those outside
  // left out.
  void read(uint32_t begin, uint32_t end, std::byte* to) const;
  void write(uint32_t begin, uint32_t end, const std::byte* from) const;

 private:
  TensorMap map_;
  Coordinates at_;
  std::array<uint32_t, kMostTensorRank> counts_{};  // rows along each outer dimension
  uint32_t num_rows_ = 1;
  uint32_t row_bytes_ = 0;
};

// Dense bytes [begin, end), multiples of 16, of a tile whose first byte is at `base` and has the shared address
// `address`, a multiple of 128; and back.
void to_tile(MapSwizzle swizzle, uint32_t address, std::byte* base, uint32_t begin, uint32_t end,
             const std::byte* from);
void from_tile(MapSwizzle swizzle, uint32_t address, const std::byte* base, uint32_t begin,
               uint32_t end, std::byte* to);

}  // namespace fa4::emu
