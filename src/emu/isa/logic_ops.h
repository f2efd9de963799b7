// SPDX-License-Identifier: Apache-2.0
// What one lane computes in the chapter of bits and choices (PTX ISA 9.0, 9.7.6 and 9.7.8).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "emu/isa/cpu.h"
#include "emu/isa/numeric.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

template <class U>
U bits_and(U a, U b) {
  return static_cast<U>(a & b);
}
template <class U>
U bits_or(U a, U b) {
  return static_cast<U>(a | b);
}
template <class U>
U bits_xor(U a, U b) {
  return static_cast<U>(a ^ b);
}
template <class U>
U bits_not(U a) {
  return static_cast<U>(~a);
}
// 1 for 0, else 0.
template <class U>
U bits_cnot(U a) {
  return a == 0 ? 1 : 0;
}

// An amount from the width up moves everything out.
template <class U>
U shift_left(U a, uint32_t amount) {
  return amount >= 8 * sizeof(U) ? U{0} : static_cast<U>(a << amount);
}
template <class T>
T shift_right(T a, uint32_t amount) {
  constexpr uint32_t kWidthOfT = 8 * sizeof(T);
  if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(a >> std::min(amount, kWidthOfT - 1));
  } else {
    return amount >= kWidthOfT ? T{0} : static_cast<T>(a >> amount);
  }
}

// The high (left) or low (right) half of b:a, shifted; clamped at 32 or modulo 32.
template <bool kWrap>
uint32_t funnel_left(uint32_t a, uint32_t b, uint32_t amount) {
  const uint32_t n = kWrap ? amount & 31 : std::min(amount, 32u);
  return static_cast<uint32_t>(((static_cast<uint64_t>(b) << 32 | a) << n) >> 32);
}
template <bool kWrap>
uint32_t funnel_right(uint32_t a, uint32_t b, uint32_t amount) {
  const uint32_t n = kWrap ? amount & 31 : std::min(amount, 32u);
  return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) >> n);
}

// Bytes 0..3 are a's, 4..7 b's. Each nibble of the selector names one; its top bit: only the sign, eight times.
inline uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t result = 0;
  for (int k = 0; k < 4; ++k) {
    const uint32_t pick = selector >> (4 * k) & 0xf;
    const auto byte = static_cast<uint32_t>(bytes >> (8 * (pick & 7)) & 0xff);
    const uint32_t value = (pick & 8) == 0 ? byte : (byte & 0x80) != 0 ? 0xff : 0;
    result |= value << (8 * k);
  }
  return result;
}

// The modes of prmt (9.7.9.7): row m has the selector for c & 3 == 0, 1, 2, 3.
enum class PermuteMode : uint8_t {
  Forward4,
  Backward4,
  Replicate8,
  EdgeLeft,
  EdgeRight,
  Replicate16
};
inline constexpr uint16_t kPermuteSelectors[6][4] = {
    {0x3210, 0x4321, 0x5432, 0x6543},  // f4e: four bytes upwards from c
    {0x5670, 0x6701, 0x7012, 0x0123},  // b4e: four bytes downwards
    {0x0000, 0x1111, 0x2222, 0x3333},  // rc8
    {0x3210, 0x3211, 0x3222, 0x3333},  // ecl
    {0x0000, 0x1110, 0x2210, 0x3210},  // ecr
    {0x1010, 0x3232, 0x1010, 0x3232},  // rc16
};
template <PermuteMode M>
uint32_t permute_mode(uint32_t a, uint32_t b, uint32_t c) {
  return permute_bytes(a, b, kPermuteSelectors[static_cast<int>(M)][c & 3]);
}

// Numbers compare as they are; 16-bit ones as the floats that they are.
template <class T>
inline T comparable(T x) {
  return x;
}
inline float comparable(Half x) { return widen(x); }
inline float comparable(Brain x) { return widen(x); }

// .ftz: a subnormal f16 is a normal float, and is flushed as what it was.
inline float flush_comparable(float x) { return flush(x); }
inline float flush_comparable(Half x) {
  return (x.bits & 0x7c00) != 0 ? widen(x) : (x.bits & 0x8000) != 0 ? -0.0f : 0.0f;
}

enum class Compare : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };

// False if a number is NaN.
template <Compare C, class T>
bool holds(T a, T b) {
  switch (C) {
    case Compare::Eq:
      return a == b;
    case Compare::Ne:
      return a < b || a > b;
    case Compare::Lt:
      return a < b;
    case Compare::Le:
      return a <= b;
    case Compare::Gt:
      return a > b;
    case Compare::Ge:
      return a >= b;
    case Compare::Num:
      return a == a && b == b;
    default:  // the others are opposites of these
      break;
  }
  return false;
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
