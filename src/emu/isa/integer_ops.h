// SPDX-License-Identifier: Apache-2.0
// What one lane computes in the chapter of integers (PTX ISA 9.0, 9.7.1). Arithmetic wraps.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "emu/isa/cpu.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// Unsigned and wide enough that nothing is promoted to int.
template <class T>
using Modular = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
// Twice as wide.
template <class T>
using Twice =
    std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
                       std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <class T>
inline constexpr int kWidth = 8 * sizeof(T);

template <class T>
T int_add(T a, T b) {
  return static_cast<T>(static_cast<Modular<T>>(a) + static_cast<Modular<T>>(b));
}
template <class T>
T int_sub(T a, T b) {
  return static_cast<T>(static_cast<Modular<T>>(a) - static_cast<Modular<T>>(b));
}
inline int32_t saturate_to_s32(int64_t x) {
  return static_cast<int32_t>(std::clamp<int64_t>(x, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}
inline int32_t int_add_sat(int32_t a, int32_t b) { return saturate_to_s32(int64_t{a} + b); }
inline int32_t int_sub_sat(int32_t a, int32_t b) { return saturate_to_s32(int64_t{a} - b); }

template <class T>
T int_mul_lo(T a, T b) {
  return static_cast<T>(static_cast<Modular<T>>(a) * static_cast<Modular<T>>(b));
}
template <class T>
T int_mul_hi(T a, T b) {
  if constexpr (sizeof(T) < 8) {
    return static_cast<T>((static_cast<Twice<T>>(a) * static_cast<Twice<T>>(b)) >> kWidth<T>);
  } else {
    const auto x = static_cast<uint64_t>(a);
    const auto y = static_cast<uint64_t>(b);
    const uint64_t middle =
        (x >> 32) * (y & 0xffffffff) + ((x & 0xffffffff) * (y & 0xffffffff) >> 32);
    const uint64_t cross = (x & 0xffffffff) * (y >> 32) + (middle & 0xffffffff);
    uint64_t high = (x >> 32) * (y >> 32) + (middle >> 32) + (cross >> 32);
    if constexpr (std::is_signed_v<T>) high -= (a < 0 ? y : 0) + (b < 0 ? x : 0);
    return static_cast<T>(high);
  }
}
template <class T>
Twice<T> int_mul_wide(T a, T b) {
  return static_cast<Twice<T>>(a) * static_cast<Twice<T>>(b);
}

template <class T>
T int_mad_lo(T a, T b, T c) {
  return int_add<T>(int_mul_lo<T>(a, b), c);
}
template <class T>
T int_mad_hi(T a, T b, T c) {
  return int_add<T>(int_mul_hi<T>(a, b), c);
}
inline int32_t int_mad_hi_sat(int32_t a, int32_t b, int32_t c) {
  return int_add_sat(int_mul_hi<int32_t>(a, b), c);
}
template <class T>
Twice<T> int_mad_wide(T a, T b, Twice<T> c) {
  return int_add<Twice<T>>(int_mul_wide<T>(a, b), c);
}

// The low 24 bits of each operand; the low or the high 32 bits of the 48.
template <class T>
int64_t product24(T a, T b) {
  const auto part = [](T x) -> int64_t {
    return static_cast<T>(static_cast<uint32_t>(x) << 8) >> 8;  // sign or zero from bit 23
  };
  return part(a) * part(b);
}
template <class T>
T int_mul24_lo(T a, T b) {
  return static_cast<T>(product24<T>(a, b));
}
template <class T>
T int_mul24_hi(T a, T b) {
  return static_cast<T>(product24<T>(a, b) >> 16);
}
template <class T>
T int_mad24_lo(T a, T b, T c) {
  return int_add<T>(int_mul24_lo<T>(a, b), c);
}
template <class T>
T int_mad24_hi(T a, T b, T c) {
  return int_add<T>(int_mul24_hi<T>(a, b), c);
}
inline int32_t int_mad24_hi_sat(int32_t a, int32_t b, int32_t c) {
  return int_add_sat(int_mul24_hi<int32_t>(a, b), c);
}

template <class T>
T int_sad(T a, T b, T c) {
  return int_add<T>(c, a < b ? int_sub<T>(b, a) : int_sub<T>(a, b));
}

// Note [Division by zero]. The manual leaves it open; here it is as the code that ptxas emits for sm_80 and sm_90
// gives it: all ones for the quotient and for the remainder.
template <class T>
T int_div(T a, T b) {
  if (b == 0) return static_cast<T>(~T{0});
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return int_sub<T>(0, a);  // the least number's quotient is itself
  }
  return static_cast<T>(a / b);
}
template <class T>
T int_rem(T a, T b) {
  if (b == 0) return static_cast<T>(~T{0});
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
  }
  return static_cast<T>(a % b);
}

template <class T>
T int_neg(T a) {
  return int_sub<T>(0, a);
}
template <class T>
T int_abs(T a) {
  return a < 0 ? int_neg<T>(a) : a;
}
template <class T>
T int_min(T a, T b) {
  return a < b ? a : b;
}
template <class T>
T int_max(T a, T b) {
  return a < b ? b : a;
}
inline int32_t int_min_relu(int32_t a, int32_t b) { return std::max(std::min(a, b), 0); }
inline int32_t int_max_relu(int32_t a, int32_t b) { return std::max(std::max(a, b), 0); }

// Two 16-bit numbers in 32 bits.
template <class T, T (*F)(T, T)>
uint32_t int_pair(uint32_t a, uint32_t b) {
  const auto low = static_cast<uint16_t>(F(static_cast<T>(a), static_cast<T>(b)));
  const auto high = static_cast<uint16_t>(F(static_cast<T>(a >> 16), static_cast<T>(b >> 16)));
  return static_cast<uint32_t>(high) << 16 | low;
}
inline int16_t s16_min_relu(int16_t a, int16_t b) { return std::max<int16_t>(std::min(a, b), 0); }
inline int16_t s16_max_relu(int16_t a, int16_t b) { return std::max<int16_t>(std::max(a, b), 0); }

// ---- bits ------------------------------------------------------------------------------------------------

template <class T>
uint32_t bit_count(T a) {
  return static_cast<uint32_t>(std::popcount(a));
}
template <class T>
uint32_t leading_zeros(T a) {
  return static_cast<uint32_t>(std::countl_zero(a));
}
// The place of the highest bit that is not the sign; none: all ones.
template <class T>
uint32_t find_bit(T a) {
  using U = std::make_unsigned_t<T>;
  const auto bits = static_cast<U>(a < 0 ? ~a : a);
  return static_cast<uint32_t>(kWidth<T> - 1 - std::countl_zero(bits));  // -1 for 0
}
template <class T>
uint32_t find_bit_shift(T a) {
  const uint32_t place = find_bit<T>(a);
  return place == 0xffffffff ? place : kWidth<T> - 1 - place;
}
template <class T>
T reverse_bits(T a) {
  T result = 0;
  for (int bit = 0; bit < kWidth<T>; ++bit) result |= (a >> bit & 1) << (kWidth<T> - 1 - bit);
  return result;
}

// n low bits, all of them from the width up.
template <class U>
U low_bits(uint32_t n) {
  return n >= static_cast<uint32_t>(kWidth<U>) ? static_cast<U>(~U{0}) : (U{1} << n) - 1;
}

// `length` bits from `position` up; beyond the top of a: its sign, or 0 (9.7.1.19).
template <class T>
T extract_bits(T a, uint32_t position, uint32_t length) {
  using U = std::make_unsigned_t<T>;
  constexpr uint32_t kTop = kWidth<T> - 1;
  position &= 0xff;
  length &= 0xff;
  if (length == 0) return 0;
  const uint32_t sign_place = std::min(position + length - 1, kTop);
  const bool sign = std::is_signed_v<T> && (static_cast<U>(a) >> sign_place & 1) != 0;
  const U field = position > kTop ? 0 : static_cast<U>(a) >> position;
  const U inside = position > kTop ? 0 : low_bits<U>(std::min(length, kTop + 1 - position));
  return static_cast<T>((field & inside) | (sign ? ~inside : 0));
}
// b with `length` bits of a from `position` up (9.7.1.20).
template <class U>
U insert_bits(U a, U b, uint32_t position, uint32_t length) {
  position &= 0xff;
  length &= 0xff;
  if (position >= static_cast<uint32_t>(kWidth<U>)) return b;
  const U mask = low_bits<U>(length) << position;
  return (a << position & mask) | (b & ~mask);
}

// Sign- or zero-extends from n bits (9.7.1.21).
template <class T, bool kWrap>
T extend_bits(T a, uint32_t n) {
  if (!kWrap && n >= 32) return a;
  n &= 31;
  if (n == 0) return 0;
  const auto bits = static_cast<uint32_t>(a) & low_bits<uint32_t>(n);
  const bool sign = std::is_signed_v<T> && (bits >> (n - 1) & 1) != 0;
  return static_cast<T>(sign ? bits | ~low_bits<uint32_t>(n) : bits);
}
// `width` ones from `position` up (9.7.1.22).
template <bool kWrap>
uint32_t mask_bits(uint32_t position, uint32_t width) {
  if (kWrap) {
    position &= 31;
    width &= 31;
  } else if (position >= 32) {
    return 0;
  }
  return low_bits<uint32_t>(width) << position;
}

// The place of the n-th bit from `base`, upwards or (n negative) downwards; 0: the one at base. None: all ones.
inline uint32_t find_nth_bit(uint32_t mask, uint32_t base, int32_t n) {
  const int step = n < 0 ? -1 : 1;
  uint32_t left = n == 0 ? 1 : static_cast<uint32_t>(n < 0 ? -int64_t{n} : n);
  for (int64_t place = base; place >= 0 && place < 32; place += step) {
    if ((mask >> place & 1) != 0 && --left == 0) return static_cast<uint32_t>(place);
    if (n == 0) break;
  }
  return 0xffffffff;
}

// c plus the products of four bytes, or of two halves of a and two bytes of b (from byte kFirst).
template <class A, class B>
uint32_t dot4(uint32_t a, uint32_t b, uint32_t c) {
  for (int k = 0; k < 4; ++k) {
    c += static_cast<uint32_t>(int32_t{static_cast<A>(a >> (8 * k))} *
                               int32_t{static_cast<B>(b >> (8 * k))});
  }
  return c;
}
template <class A, class B, int kFirst>
uint32_t dot2(uint32_t a, uint32_t b, uint32_t c) {
  for (int k = 0; k < 2; ++k) {
    c += static_cast<uint32_t>(int32_t{static_cast<A>(a >> (16 * k))} *
                               int32_t{static_cast<B>(b >> (8 * (kFirst + k)))});
  }
  return c;
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
