// SPDX-License-Identifier: Apache-2.0
// A box of a tensor: which of its elements lie where in global and in shared memory (PTX ISA 9.0, 5.5.3 to 5.5.7).
//
// A box is a row for each place of its outer dimensions. In shared memory the rows lie one behind another, with all
// their elements, also those outside the tensor; in a swizzled tile each has room for the swizzle's span, and chunks of
// 16 bytes are then permuted by their address. What follows the manual only in part, or goes beyond it, is what an H200 did
// (tests/emu/golden/tma.json).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "emu/machine/tensor_map.h"

namespace fa4::emu {

// to[i] = op(to[i], from[i]); neither side need be aligned.
using BulkReduce = void (*)(std::byte* to, const std::byte* from, uint32_t elements);

using Coordinates = std::array<int32_t, kMostTensorRank>;  // dimension 0 first

// The part of a row that lies in the tensor: elements [first, last), the first of which is at `address`.
struct BoxRow {
  uint32_t first = 0, last = 0;
  uint64_t address = 0;
};

// Addresses of what a box touches of its tensor, from the first byte to the last; equal: nothing.
struct BoxExtent {
  uint64_t begin = 0, end = 0;
};

// Why a GPU does not take a box there: one sentence, or "".
std::string fault_of_coordinates(const TensorMap& map, const Coordinates& at, bool stores);

class TensorBox {
 public:
  TensorBox(const TensorMap& map, const Coordinates& at);

  const TensorMap& map() const { return map_; }
  uint32_t num_rows() const { return num_rows_; }
  uint32_t row_bytes() const { return row_bytes_; }
  uint32_t bytes() const { return num_rows_ * row_bytes_; }  // that a barrier counts
  uint32_t row_pitch() const { return row_pitch_; }          // in shared memory
  uint32_t tile_bytes() const { return num_rows_ * row_pitch_; }
  BoxRow row(uint32_t index) const;
  // What a store or a reduction touches of a row: dimension 0 ends at a multiple of 16 bytes.
  BoxRow stored_row(uint32_t index) const { return part_of_row(index, stored_size_); }

  BoxExtent extent(bool stores) const;

  // Rows [begin, end) of the tensor into dense memory, elements outside becoming the fill, tf32 rounded; and back, those
  // outside left out.
  void read(uint32_t begin, uint32_t end, std::byte* to) const;
  void write(uint32_t begin, uint32_t end, const std::byte* from) const;
  void reduce(uint32_t begin, uint32_t end, const std::byte* from, BulkReduce op) const;

  // Dense rows [begin, end) into a tile whose first byte is at `tile` and has the shared address `address`, a multiple of
  // 128; and back.
  void to_tile(uint32_t address, std::byte* tile, uint32_t begin, uint32_t end,
               const std::byte* from) const;
  void from_tile(uint32_t address, const std::byte* tile, uint32_t begin, uint32_t end,
                 std::byte* to) const;
  // Where chunk `chunk` of 16 bytes of a row lies in a tile at that address.
  uint32_t place_in_tile(uint32_t address, uint32_t row, uint32_t chunk) const {
    return swizzled(swizzle_, address + row * row_pitch_ + chunk * 16) - address;
  }

 private:
  BoxRow part_of_row(uint32_t index, uint64_t size) const;

  TensorMap map_;
  Coordinates at_;
  MapSwizzle swizzle_;
  std::array<uint32_t, kMostTensorRank> counts_{};  // rows along each outer dimension
  uint32_t num_rows_ = 1;
  uint32_t row_bytes_ = 0, row_pitch_ = 0;
  uint64_t stored_size_ = 0;  // of dimension 0
};

}  // namespace fa4::emu
