// SPDX-License-Identifier: Apache-2.0
// Division by a number that the host knows and the kernel's text does not: a multiplication and a shift.
#pragma once

#include "base/types.h"

namespace fa4 {

struct Divisor {
  u32 value, magic, shift;

  // For numerators below 2^31 (Granlund and Montgomery, 1994: the round-up method).
  constexpr u32 quotient(u32 n) const {
    return (static_cast<u32>(u64{n} * magic >> 32) + n) >> shift;
  }
  constexpr u32 remainder(u32 n) const { return n - quotient(n) * value; }
};

// 1 <= value <= 2^31.
constexpr Divisor divisor_of(u32 value) {
  u32 shift = 0;
  while ((u64{1} << shift) < value) ++shift;
  const u64 magic = (u64{1} << 32) * ((u64{1} << shift) - value) / value + 1;
  return {value, static_cast<u32>(magic), shift};
}

static_assert(divisor_of(1).quotient(7) == 7 && divisor_of(7).quotient(48) == 6);
static_assert(divisor_of(3).quotient(0x7fffffff) == 0x7fffffff / 3);

}  // namespace fa4
