// SPDX-License-Identifier: Apache-2.0
// The functions of special_unit.h for all lanes of a warp: their parts one after the other, of which the compiler makes
// vectors, and the sums in the middle, which look into tables, by hand where there is AVX2. Lanes that are not
// active are computed too, and thrown away.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <type_traits>

#include "emu/isa/cpu.h"
#include "emu/isa/instr.h"
#include "emu/isa/lanes.h"
#include "emu/isa/special_unit.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

struct alignas(32) SpecialPlaces {
  int32_t lane[kLanes];
};
template <class Unit>
struct alignas(32) SpecialSums {
  typename Unit::Sum lane[kLanes];
};

#if defined(__AVX2__)

// truncated_square of sixteen t, as words of 16 bits: lanes 0 to 3 and 8 to 11, then the others.
inline void squares_of_sixteen(__m256i first, __m256i second, __m256i* first_squares,
                               __m256i* second_squares) {
  const __m256i low_bits = _mm256_set1_epi32(511);
  const __m256i high =
      _mm256_packus_epi32(_mm256_srli_epi32(first, 9), _mm256_srli_epi32(second, 9));
  const __m256i low =
      _mm256_packus_epi32(_mm256_and_si256(first, low_bits), _mm256_and_si256(second, low_bits));
  __m256i sum = _mm256_srli_epi16(_mm256_mullo_epi16(high, high), 1);
  // The upper half of (low << 7) << bit is low >> (9 - bit).
  const __m256i shifted = _mm256_slli_epi16(low, 7);
  for (int bit = 1; bit <= 7; ++bit) {
    const __m256i power = _mm256_and_si256(high, _mm256_set1_epi16(static_cast<int16_t>(1 << bit)));
    sum = _mm256_add_epi16(sum, _mm256_mulhi_epu16(shifted, power));
  }
  *first_squares = _mm256_unpacklo_epi16(sum, _mm256_setzero_si256());
  *second_squares = _mm256_unpackhi_epi16(sum, _mm256_setzero_si256());
}

inline __m256i load_eight(const int32_t* from) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}

inline void store_eight(int32_t* to, __m256i eight) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), eight);
}

// Words of the table for eight places: the upper ones, and the lower ones. Loads, which are faster than a gather on what
// we have measured, and from where the indices were stored, not from a register, part by part.
inline void look_up_ex2(__m256i places, __m256i* upper, __m256i* lower) {
  alignas(32) uint32_t segment[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(segment),
                     _mm256_and_si256(_mm256_srli_epi32(places, 17), _mm256_set1_epi32(63)));
  asm("" : "+m"(segment));
  const auto two = [&](size_t first, size_t second) {
    return _mm_loadh_pd(_mm_load_sd(reinterpret_cast<const double*>(&kEx2Words[segment[first]])),
                        reinterpret_cast<const double*>(&kEx2Words[segment[second]]));
  };
  const __m256 even = _mm256_castpd_ps(_mm256_set_m128d(two(4, 5), two(0, 1)));
  const __m256 odd = _mm256_castpd_ps(_mm256_set_m128d(two(6, 7), two(2, 3)));
  *upper = _mm256_castps_si256(_mm256_shuffle_ps(even, odd, 0x88));
  *lower = _mm256_castps_si256(_mm256_shuffle_ps(even, odd, 0xdd));
}

// Ex2Unit::sum of sixteen.
inline void ex2_sums(const __m256i (&places)[2], __m256i (&sums)[2]) {
  const __m256i mask = _mm256_set1_epi32(0x1ffff);
  const __m256i t[2] = {_mm256_and_si256(places[0], mask), _mm256_and_si256(places[1], mask)};
  __m256i square[2];
  squares_of_sixteen(t[0], t[1], &square[0], &square[1]);
  for (int i = 0; i < 2; ++i) {
    __m256i upper, lower;
    look_up_ex2(places[i], &upper, &lower);
    const __m256i curvature =
        _mm256_add_epi32(_mm256_and_si256(upper, _mm256_set1_epi32(511)),
                         _mm256_set1_epi32(static_cast<int32_t>(kEx2Curvature)));
    __m256i rest = _mm256_mullo_epi32(_mm256_srai_epi32(lower, 16), t[i]);
    rest = _mm256_add_epi32(rest, _mm256_and_si256(lower, _mm256_set1_epi32(0x7fff)));
    rest = _mm256_add_epi32(rest, _mm256_madd_epi16(curvature, square[i]));
    sums[i] = _mm256_add_epi32(_mm256_add_epi32(_mm256_srli_epi32(upper, 9), t[i]),
                               _mm256_srai_epi32(rest, 15));
  }
}

inline void special_sums(const SpecialPlaces& places, SpecialSums<Ex2Unit>* sums) {
  for (int lane = 0; lane < kLanes; lane += 16) {
    const __m256i sixteen[2] = {load_eight(places.lane + lane), load_eight(places.lane + lane + 8)};
    __m256i sum[2];
    ex2_sums(sixteen, sum);
    store_eight(sums->lane + lane, sum[0]);
    store_eight(sums->lane + lane + 8, sum[1]);
  }
}

// Four lanes, whose t and squares are in words of 64 bits.
template <class Unit>
inline void four_sums(const int32_t* places, __m256i t, __m256i square, int64_t* sums) {
  const auto row_of = [&](int lane) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(&Unit::row(places[lane])));
  };
  const __m256i even = _mm256_set_m128i(row_of(2), row_of(0));
  const __m256i odd = _mm256_set_m128i(row_of(3), row_of(1));
  const __m256i constant = _mm256_unpacklo_epi64(even, odd);
  const __m256i slope = _mm256_unpackhi_epi64(even, odd);
  const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(constant, _mm256_mul_epi32(slope, t)),
                                       _mm256_mul_epi32(_mm256_srli_epi64(slope, 32), square));
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), sum);
}

template <class Unit>
inline void special_sums(const SpecialPlaces& places, SpecialSums<Unit>* sums) {
  const __m256i mask = _mm256_set1_epi32(0x1ffff);
  for (int lane = 0; lane < kLanes; lane += 16) {
    __m256i t[2], square[2];
    t[0] = _mm256_and_si256(load_eight(places.lane + lane), mask);
    t[1] = _mm256_and_si256(load_eight(places.lane + lane + 8), mask);
    squares_of_sixteen(t[0], t[1], &square[0], &square[1]);
    for (int i = 0; i < 2; ++i) {
      const int at = lane + 8 * i;
      four_sums<Unit>(places.lane + at, _mm256_cvtepu32_epi64(_mm256_castsi256_si128(t[i])),
                      _mm256_cvtepu32_epi64(_mm256_castsi256_si128(square[i])), sums->lane + at);
      four_sums<Unit>(
          places.lane + at + 4, _mm256_cvtepu32_epi64(_mm256_extracti128_si256(t[i], 1)),
          _mm256_cvtepu32_epi64(_mm256_extracti128_si256(square[i], 1)), sums->lane + at + 4);
    }
  }
}

// TanhUnit::place of eight: what the binades say, in words of the segment's place and the shift, of which a permutation
// chooses among eight.
struct alignas(32) TanhWords {
  int32_t word[16];
};
inline constexpr TanhWords kTanhWords = [] {
  TanhWords words{};
  for (size_t at = 0; at < 16; ++at) {
    const TanhUnit::Binade binade = TanhUnit::kBinades[at < 11 ? at : 11];
    words.word[at] = binade.first << 17 | binade.shift;
  }
  return words;
}();
inline __m256i tanh_place(__m256i bits) {
  const __m256i exponent = _mm256_and_si256(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(255));
  const __m256i behind = _mm256_sub_epi32(exponent, _mm256_set1_epi32(TanhUnit::kFirst));
  const __m256i at =
      _mm256_min_epi32(_mm256_max_epi32(behind, _mm256_setzero_si256()), _mm256_set1_epi32(11));
  const __m256i low = _mm256_permutevar8x32_epi32(load_eight(kTanhWords.word), at);
  const __m256i high = _mm256_permutevar8x32_epi32(load_eight(kTanhWords.word + 8), at);
  const __m256i word = _mm256_blendv_epi8(low, high, _mm256_cmpgt_epi32(at, _mm256_set1_epi32(7)));
  const __m256i shift = _mm256_and_si256(word, _mm256_set1_epi32(31));
  const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff));
  return _mm256_add_epi32(_mm256_xor_si256(word, shift), _mm256_srlv_epi32(mantissa, shift));
}

// ex2.approx.ftz, the most frequent of them, by hand: Ex2Unit::place and ::finish. A NaN becomes the canonical one.
inline __m256i ex2_place(__m256i x) {
  const __m256i magnitude = _mm256_and_si256(x, _mm256_set1_epi32(0x7fffffff));
  // Of a NaN the minimum is its second operand.
  const __m256 bounded = _mm256_min_ps(_mm256_castsi256_ps(magnitude), _mm256_set1_ps(255.0f));
  const __m256i fixed = _mm256_cvttps_epi32(_mm256_mul_ps(bounded, _mm256_set1_ps(0x1p23f)));
  const __m256i minus = _mm256_srai_epi32(x, 31);
  const __m256i whole = _mm256_cmpeq_epi32(_mm256_and_si256(fixed, _mm256_set1_epi32(0x7fffff)),
                                           _mm256_setzero_si256());
  return _mm256_sub_epi32(_mm256_xor_si256(fixed, minus), _mm256_and_si256(whole, minus));
}
inline __m256i ex2_finish(__m256i x, __m256i place, __m256i sum) {
  const __m256i exponent =
      _mm256_min_epi32(_mm256_add_epi32(_mm256_srai_epi32(place, 23), _mm256_set1_epi32(127)),
                       _mm256_set1_epi32(255));
  __m256i result = _mm256_or_si256(_mm256_slli_epi32(exponent, 23),
                                   _mm256_and_si256(sum, _mm256_set1_epi32(0x7fffff)));
  result = _mm256_min_epi32(result, _mm256_set1_epi32(0x7f800000));
  result = _mm256_and_si256(result, _mm256_cmpgt_epi32(exponent, _mm256_setzero_si256()));
  const __m256 number = _mm256_castsi256_ps(x);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(number, number, _CMP_UNORD_Q));
  return _mm256_or_si256(result, _mm256_srli_epi32(nan, 1));
}
inline void ex2_lanes(const Row& a, Row* result) {
  for (int lane = 0; lane < kLanes; lane += 16) {
    const auto* const from = reinterpret_cast<const int32_t*>(a.lane + lane);
    auto* const to = reinterpret_cast<int32_t*>(result->lane + lane);
    const __m256i x[2] = {load_eight(from), load_eight(from + 8)};
    const __m256i places[2] = {ex2_place(x[0]), ex2_place(x[1])};
    __m256i sums[2];
    ex2_sums(places, sums);
    store_eight(to, ex2_finish(x[0], places[0], sums[0]));
    store_eight(to + 8, ex2_finish(x[1], places[1], sums[1]));
  }
}

#else

template <class Unit>
inline void special_sums(const SpecialPlaces& places, SpecialSums<Unit>* sums) {
  for (int lane = 0; lane < kLanes; ++lane) sums->lane[lane] = Unit::sum(places.lane[lane]);
}

#endif

// after(x, f(before(x))) of all lanes, where f is the unit's function and x = in(lane); out(lane, result) takes it.
template <class Around, class In, class Out>
inline void special_lanes(In in, Out out) {
  using Unit = typename Around::Unit;
  alignas(32) float argument[kLanes];
  SpecialPlaces places;
  SpecialSums<Unit> sums;
  for (int lane = 0; lane < kLanes; ++lane) {
    argument[lane] = Around::before(in(lane));
#if defined(__AVX2__)
    if constexpr (std::is_same_v<Unit, TanhUnit>) continue;
#endif
    places.lane[lane] = Unit::place(argument[lane]);
  }
#if defined(__AVX2__)
  if constexpr (std::is_same_v<Unit, TanhUnit>) {
    for (int lane = 0; lane < kLanes; lane += 8) {
      const __m256i bits = _mm256_castps_si256(_mm256_load_ps(argument + lane));
      store_eight(places.lane + lane, tanh_place(bits));
    }
  }
#endif
  special_sums(places, &sums);
  for (int lane = 0; lane < kLanes; ++lane) {
    const float result = Unit::finish(argument[lane], places.lane[lane], sums.lane[lane]);
    out(lane, Around::after(in(lane), result));
  }
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
