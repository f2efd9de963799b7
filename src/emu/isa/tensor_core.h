// SPDX-License-Identifier: Apache-2.0
// What a tensor core computes: D = A B + C of 16 x 8 x k, and how it rounds.
//
// Exact models: every term is an exact product, or C. The terms of one step are cut toward zero to F fraction bits
// of the largest exponent among them, and added as integers; the sum is cut toward zero to f32, or rounded to the
// nearest f16. The exponent of a product is the sum of its factors' exponents, so that its significand may lie
// anywhere below 4; a zero counts as 2^-126. Ampere: F = 24, a step is 8 terms of k, and the next step begins with the
// rounded sum of the one before. Hopper: F = 25, a step is 16. NaN, inf - inf and inf * 0 give the canonical NaN.
#pragma once

#include <cstdint>

namespace fa4::emu::isa {

enum class TensorElement : uint8_t { F16, BF16 };  // of A and B
enum class TensorModel : uint8_t { Fast, Ampere, Hopper };

// Bits, as the registers hold them; C and D in f16 have them in the low half.
struct alignas(64) TensorTile {
  uint16_t a[16][16];  // row, k
  uint16_t b[8][16];   // column, k
  uint32_t c[16][8];   // row, column
  uint32_t d[16][8];
};

struct TensorKind {
  TensorElement element = TensorElement::F16;
  bool half_accumulator = false;  // C and D are f16
  int k = 16;                     // 8: k 0 to 7 of the tile
  TensorModel model = TensorModel::Hopper;
};

using TensorFn = void (*)(TensorTile&);

// The function that computes d of a tile, for this processor.
TensorFn tensor_function(const TensorKind& kind);

// The same, plainly, for every input: what the others are tested against, and what they leave to it (infinities,
// NaN, exponents that f32 cannot scale).
void tensor_exact_plain(const TensorKind& kind, TensorTile& tile);

// The model of an architecture. Ampere's and Ada's are from literature.
TensorModel tensor_model(uint32_t arch, bool exact);

}  // namespace fa4::emu::isa
