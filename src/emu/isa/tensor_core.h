// SPDX-License-Identifier: Apache-2.0
// What a tensor core computes: D = A B + C of 16 x 8 x k, and how it rounds. wgmma's larger products, which round in
// the same way, are in warpgroup_core.h.
//
// Exact models: every term is an exact product, or C. The terms of one step are cut toward zero to F fraction bits
// of the largest exponent among them, and added as integers; the sum is cut toward zero to f32, or rounded to the
// nearest f16, and +0 where it becomes zero. The exponent of a product is the sum of its factors' exponents, so that
// its significand may lie anywhere below 4; denormal numbers have the exponent of the smallest normal one, and a zero
// counts as 2^-133. NaN, inf - inf and inf * 0 give the canonical NaN.
//   Hopper  F = 25, a step is all of k. Equal to an H200 bit for bit (tests/emu/golden). Elements of 8 bits (wgmma):
//           F = 13, and an f32 keeps 13 fraction bits.
//   Ampere  F = 24, a step is 8 terms of k, and the next begins with the rounded sum of the one before. By literature.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "emu/machine/row.h"

namespace fa4::emu::isa {

// Of A and B. The first four are those of mma.sync and wgmma, the others tcgen05's: TF32 is an f32 whose low 13 bits
// do not count, the last three are in the low bits of a code.
enum class TensorElement : uint8_t { F16, BF16, E4M3, E5M2, E2M3, E3M2, E2M1, TF32 };
enum class TensorModel : uint8_t { Fast, Ampere, Hopper };

struct TensorKind {
  TensorElement element = TensorElement::F16;
  bool half_accumulator = false;  // C and D are f16
  int k = 16;                     // or 8
  TensorModel model = TensorModel::Hopper;

  constexpr int num_a() const { return k / 4; }  // registers of A
  constexpr int num_b() const { return k / 8; }
  constexpr int num_c() const { return half_accumulator ? 2 : 4; }  // and of D
};

// The registers of a warp, as fragments.h lays the matrices out in them. D may be where A, B or C are.
struct TensorOperands {
  std::array<Row*, 4> d{};
  std::array<const Row*, 4> a{};
  std::array<const Row*, 2> b{};
  std::array<const Row*, 4> c{};
};

using TensorFn = void (*)(const TensorKind&, const TensorOperands&);

// The function that computes D, the fastest for this processor; and all that it can run, which agree (the fast form: unless a
// product leaves the range of f32).
TensorFn tensor_function(const TensorKind& kind);
std::vector<TensorFn> tensor_functions(const TensorKind& kind);

// The exact models once more, plainly, one output after another: what the function above is tested against, and
// what it leaves to this one (infinities, NaN, exponents that f32 cannot scale).
void tensor_exact_plain(const TensorKind& kind, const TensorOperands& operands);

// One step of an exact model.
struct TensorRules {
  TensorElement a = TensorElement::F16, b = TensorElement::F16;
  bool half_accumulator = false;
  int fraction_bits = 25;
  int result_bits = 23;  // fraction bits of an f32 that are kept
  int c_shift = 0;       // C counts as C * 2^-c_shift
};
inline constexpr int kTensorMostTerms = 32;
// Code: uint16_t, or uint32_t, which TF32 needs.
template <class Code>
uint32_t tensor_step(const TensorRules& rules, const Code* a, const Code* b, int terms, uint32_t c);

// The model of an architecture. Ampere's (and Ada's) is from literature.
TensorModel tensor_model(uint32_t arch, bool exact);

}  // namespace fa4::emu::isa
