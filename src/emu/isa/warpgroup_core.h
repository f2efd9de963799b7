// SPDX-License-Identifier: Apache-2.0
// What the tensor cores of four warps compute for wgmma: D = A B + C of 64 x n x k, where k takes 32 bytes. It rounds as
// tensor_core.h says, all of k being one step; the fast form adds in f32, k after k.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "emu/isa/tensor_core.h"
#include "emu/machine/row.h"

namespace fa4::emu::isa {

inline constexpr uint32_t kWarpgroupRows = 64;
inline constexpr uint32_t kWarpgroupMostColumns = 256;
inline constexpr uint32_t kWarpgroupKBytes = 32;

struct WarpgroupKind {
  TensorElement a = TensorElement::BF16, b = TensorElement::BF16;
  bool half_accumulator = false;
  bool exact = true;

  constexpr bool narrow() const { return a == TensorElement::E4M3 || a == TensorElement::E5M2; }
  constexpr int k() const { return narrow() ? 32 : 16; }
  // 32-bit registers of D for each eight columns.
  constexpr uint32_t num_d() const { return half_accumulator ? 2 : 4; }
};

// Operands as words of 32 bits: word m of a row holds the elements from k = m * 4 / element bytes on. A lies as the registers
// of its warps hold it (fragments.h).
struct WarpgroupA {
  static constexpr uint32_t reg_of(uint32_t row, uint32_t m) { return row / 8 + 2 * (m / 4); }
  static constexpr uint32_t lane_of(uint32_t row, uint32_t m) { return row % 8 * 4 + m % 4; }
  alignas(64) std::array<std::array<std::array<uint32_t, kLanes>, 4>, 4> word;  // warp, register
};
// B as it is taken from shared memory: the eight words of a column, column after column, or MN-major the numbers, of 16
// bits, of a k, k after k.
struct WarpgroupB {
  bool mn_major = false;
  alignas(64) std::array<std::byte, size_t{kWarpgroupMostColumns} * kWarpgroupKBytes> bytes;
};
// Where a column lies among its eight: 0 2 4 6 1 3 5 7.
constexpr uint32_t warpgroup_column(uint32_t column) { return column / 2 + 4 * (column % 2); }

struct WarpgroupProduct {
  WarpgroupKind kind;
  uint32_t n = 0;
  bool negate = false;      // A B, as the signs of imm-scale-a and imm-scale-b say
  bool accumulate = false;  // else C is 0
  const WarpgroupA* a = nullptr;
  const WarpgroupB* b = nullptr;
  // Of each warp, num_d() for each eight columns: f32 as fragments.h lays C out, f16 likewise.
  std::array<Row* const*, 4> d{};
};

using WarpgroupFn = void (*)(const WarpgroupProduct&);

// The function for a kind, the fastest for this processor; and all that it can run, which agree.
WarpgroupFn warpgroup_function(const WarpgroupKind& kind);
std::vector<WarpgroupFn> warpgroup_functions(const WarpgroupKind& kind);

// Sixteen rows of eight columns of an exact product, plainly: what the functions leave to it, and are tested against.
void warpgroup_tile_plain(const WarpgroupProduct& product, uint32_t warp, uint32_t eight);

TensorRules warpgroup_rules(const WarpgroupKind& kind);

}  // namespace fa4::emu::isa
