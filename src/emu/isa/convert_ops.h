// SPDX-License-Identifier: Apache-2.0
// What one lane converts (PTX ISA 9.0, 9.7.9.21 and .22).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "emu/isa/cpu.h"
#include "emu/isa/numeric.h"
#include "emu/isa/words.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

struct ConvertOptions {
  Rounding rounding = Rounding::NearestEven;
  bool ftz = false;
  bool sat = false;
  bool relu = false;
  bool finite = false;  // .satfinite

  uint32_t pack() const {
    return static_cast<uint32_t>(rounding) | (ftz ? 8u : 0) | (sat ? 16u : 0) | (relu ? 32u : 0) |
           (finite ? 64u : 0);
  }
  static ConvertOptions unpack(uint32_t bits) {
    return {static_cast<Rounding>(bits & 7), (bits & 8) != 0, (bits & 16) != 0, (bits & 32) != 0,
            (bits & 64) != 0};
  }
};

inline ConvertOptions convert_options(const Words& words) {
  return {words.rounding().value_or(Rounding::NearestEven), words.has("ftz"), words.has("sat"),
          words.has("relu"), words.has("satfinite")};
}

template <class T>
inline constexpr bool kIsNarrow = std::is_same_v<T, Half> || std::is_same_v<T, Brain> ||
                                  std::is_same_v<T, E4m3> || std::is_same_v<T, E5m2>;

// A value of a type that the host calculates with.
template <class S>
inline auto host_value(S x) {
  if constexpr (kIsNarrow<S>) {
    return widen(x);
  } else {
    return x;
  }
}

template <class D, class S>
D convert_integer(S x) {
  return static_cast<D>(x);
}
template <class D, class S>
D convert_integer_sat(S x) {
  using Limits = std::numeric_limits<D>;
  if (std::cmp_less(x, Limits::min())) return Limits::min();
  if (std::cmp_greater(x, Limits::max())) return Limits::max();
  return static_cast<D>(x);
}

template <class D, class S>
D convert_float_to_integer(S x, ConvertOptions options) {
  auto value = host_value(x);
  if constexpr (std::is_same_v<S, float>) {
    if (options.ftz) value = flush(value);
  }
  return to_integer<D>(value, options.rounding);
}

// Of a result in any format: clamped to [0, 1], NaN to 0.
template <class D>
D saturate_number(D x) {
  if constexpr (kIsNarrow<D>) {
    return narrow<D>(saturate(widen(x)));
  } else {
    return saturate(x);
  }
}

template <class D, class S>
D convert_integer_to_float(S x, ConvertOptions options) {
  const D result = from_integer<D>(x, options.rounding);
  return options.sat ? saturate_number(result) : result;
}

// A NaN between f64 and another format: its sign, what fits of its payload, quiet.
template <class D, class S>
D convert_nan(S x) {
  using From = Format<S>;
  using To = Format<D>;
  const uint64_t bits = std::bit_cast<typename From::Bits>(x);
  const uint64_t sign = bits >> (From::kExponentBits + From::kFractionBits) & 1;
  const uint64_t payload = bits << (63 - From::kFractionBits) << 1 >> (64 - To::kFractionBits);
  const uint64_t exponent_and_quiet = ((uint64_t{2} << To::kExponentBits) - 1)
                                      << (To::kFractionBits - 1);
  return std::bit_cast<D>(static_cast<typename To::Bits>(
      sign << (To::kExponentBits + To::kFractionBits) | exponent_and_quiet | payload));
}

// Of a NaN, cvt.rna.tf32 keeps the upper bits, which may be infinity's; one less with .satfinite.
inline Tf32 convert_tf32_nan(float x, ConvertOptions options) {
  const uint32_t bits = std::bit_cast<uint32_t>(x) & ~uint32_t{0x1fff};
  return {options.finite ? bits - 0x2000 : bits};
}

template <class D, class S>
D convert_float(S x, ConvertOptions options) {
  auto value = host_value(x);
  const bool nan = value != value;
  if constexpr (std::is_same_v<D, S>) {
    if (nan && !options.ftz && !options.sat) return x;  // cvt.f32.f32: a move
  }
  if constexpr (std::is_same_v<D, double> != std::is_same_v<S, double>) {
    if (nan && !options.sat) {
      return convert_nan<D>(std::is_same_v<S, float> && options.ftz ? nan_of<S> : x);
    }
  }
  if constexpr (std::is_same_v<D, Tf32>) {
    if (nan && options.rounding == Rounding::NearestAway) return convert_tf32_nan(x, options);
    if (nan) return {Format<Tf32>::kNan};
  }
  // A result of 16 bits is rounded from the number as it is, .ftz or not.
  if constexpr (std::is_same_v<S, float> && sizeof(D) > 2) {
    if (options.ftz) value = flush(value);
  }
  if (options.relu) value = value <= 0 ? 0 : value;
  D result = round_double<D>(static_cast<double>(value), options.rounding,
                             options.finite ? Overflow::Saturate : Overflow::Ieee);
  if constexpr (std::is_same_v<D, float>) {
    if (options.ftz) result = flush(result);
  }
  if constexpr (sizeof(D) > 1 && !std::is_same_v<D, Tf32>) {
    if (options.sat) return saturate_number(result);
  }
  return result;
}

// To an integer in the same format.
template <class S>
S convert_to_whole(S x, ConvertOptions options) {
  auto value = host_value(x);
  if constexpr (std::is_same_v<S, float>) {
    if (options.ftz) value = flush(value);
  }
  if constexpr (std::is_same_v<S, double>) {
    if (value != value && !options.sat) return quiet(value);
  }
  const auto whole = round_to_integral(value, options.rounding);
  const S result = round_double<S>(static_cast<double>(whole), Rounding::NearestEven);
  return options.sat ? saturate_number(result) : result;
}

// ---- without options: what the loops over lanes are made of, mostly ---------------------------------------------------

template <class D, class S, Rounding R>
D convert_plain_to_integer(S x) {
  return whole_to_integer<D>(round_to_integral(x, R));
}
template <class D, class S>
D convert_plain_from_integer(S x) {
  return static_cast<D>(x);
}
template <class D, class S>
D convert_plain_float(S x) {
  return x == x ? static_cast<D>(x) : convert_nan<D>(x);
}
template <Rounding R>
float convert_plain_to_whole(float x) {
  return canonical(round_to_integral(x, R));
}

// ---- cvt.pack: 32-bit numbers, clamped, side by side ------------------------------------------------------------------

template <class D>
uint32_t pack_two(int32_t a, int32_t b) {
  using U = std::make_unsigned_t<D>;
  const auto part = [](int32_t x) {
    return static_cast<uint32_t>(static_cast<U>(convert_integer_sat<D>(x)));
  };
  return part(a) << (8 * sizeof(D)) | part(b);
}
// Two bytes below, the low half of c above.
template <class D>
uint32_t pack_bytes(int32_t a, int32_t b, uint32_t c) {
  return c << 16 | pack_two<D>(a, b);
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
