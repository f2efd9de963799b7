// SPDX-License-Identifier: Apache-2.0
// What a tcgen05.mma is told about types and shape: 32 bits, known to the compiler (PTX ISA, "Instruction descriptor";
// kinds f16, tf32 and f8f6f4).
#pragma once

#include "base/types.h"

namespace fa4 {

// Codes count within a kind: f16 | tf32 | f8f6f4.
enum class MmaElement : u32 { F16 = 0, BF16, TF32 = 2, E4M3 = 0, E5M2, E2M3 = 3, E3M2, E2M1 };
enum class MmaResult : u32 { F16 = 0, F32 = 1 };
// Which index of an operand in SMEM is contiguous: K, or the row index M or N.
enum class Major : u32 { K = 0, MN = 1 };

struct MmaShape {
  MmaElement a, b;
  u32 m, n;  // of the pair with cta_group 2
  Major a_major = Major::K, b_major = Major::K;
  MmaResult d = MmaResult::F32;
  bool negate_a = false, negate_b = false;

  // For A in SMEM. With A in TMEM stay at N % 16 (32 for a pair).
  constexpr bool exists(u32 cta_group) const {
    const u32 step = 8 * cta_group;
    return (m == 64 * cta_group || m == 128 * cta_group) && n % step == 0 && n >= step && n <= 256;
  }
};

constexpr u32 instruction_descriptor(const MmaShape& shape) {
  const u32 d = static_cast<u32>(shape.d);                  // bits 4-5
  const u32 a = static_cast<u32>(shape.a);                  // bits 7-9
  const u32 b = static_cast<u32>(shape.b);                  // bits 10-12
  const u32 negate = shape.negate_a | shape.negate_b << 1;  // bits 13 and 14
  const u32 a_major = static_cast<u32>(shape.a_major);      // bit 15
  const u32 b_major = static_cast<u32>(shape.b_major);      // bit 16
  const u32 n = shape.n / 8, m = shape.m / 16;              // bits 17-22 and 24-28
  return d << 4 | a << 7 | b << 10 | negate << 13 | a_major << 15 | b_major << 16 | n << 17 |
         m << 24;
}

static_assert(instruction_descriptor({MmaElement::BF16, MmaElement::BF16, 128, 128}) == 0x08200490);

}  // namespace fa4
