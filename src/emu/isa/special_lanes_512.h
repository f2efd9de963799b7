// SPDX-License-Identifier: Apache-2.0
// ex2.approx.ftz once more, for processors with AVX-512, whose registers hold the whole table: the same steps as in
// special_lanes.h, sixteen lanes at a time, and a look-up is two permutations. Included where AVX2 is compiled for; the
// decoder asks has_512() (Note [Compiled twice] in cpu.h).
#pragma once

#if defined(__AVX2__) && defined(__GNUC__)
#define FA4_EMU_512 1
#include <immintrin.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "emu/isa/cpu.h"
#include "emu/isa/special_unit.h"
#include "emu/machine/row.h"

// The compiler's header has vectors that it leaves undefined, and g++ 12 warns of them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define FA4_EMU_TARGET_512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl")]]

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

// Not if the environment's FA4_EMU_CPU is "v3".
inline bool has_512() {
  static const bool has = [] {
    const char* named = std::getenv("FA4_EMU_CPU");
    if (named != nullptr && std::string_view(named) == "v3") return false;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }();
  return has;
}

// kEx2Words, the upper words and the lower ones each beside one another.
struct alignas(64) Ex2Planes {
  uint32_t upper[64], lower[64];
  Ex2Planes() {
    for (size_t at = 0; at < 64; ++at) {
      upper[at] = kEx2Words[at].upper;
      lower[at] = kEx2Words[at].lower;
    }
  }
};
inline const Ex2Planes& ex2_planes() {
  static const Ex2Planes planes;
  return planes;
}

FA4_EMU_TARGET_512 inline __m512i look_up_512(const uint32_t* words, __m512i index,
                                              __mmask16 upper_half) {
  const __m512i low =
      _mm512_permutex2var_epi32(_mm512_load_si512(words), index, _mm512_load_si512(words + 16));
  const __m512i high = _mm512_permutex2var_epi32(_mm512_load_si512(words + 32), index,
                                                 _mm512_load_si512(words + 48));
  return _mm512_mask_mov_epi32(low, upper_half, high);
}

// truncated_square of 32 numbers t, in words of 16 bits, in the order that a pack leaves.
FA4_EMU_TARGET_512 inline __m512i squares_512(__m512i first, __m512i second) {
  const __m512i low_bits = _mm512_set1_epi32(511);
  const __m512i high =
      _mm512_packus_epi32(_mm512_srli_epi32(first, 9), _mm512_srli_epi32(second, 9));
  const __m512i low =
      _mm512_packus_epi32(_mm512_and_si512(first, low_bits), _mm512_and_si512(second, low_bits));
  const __m512i shifted = _mm512_slli_epi16(low, 7);
  __m512i sum = _mm512_srli_epi16(_mm512_mullo_epi16(high, high), 1);
  for (int bit = 1; bit <= 7; ++bit) {
    const __m512i power = _mm512_and_si512(high, _mm512_set1_epi16(static_cast<int16_t>(1 << bit)));
    sum = _mm512_add_epi16(sum, _mm512_mulhi_epu16(shifted, power));
  }
  return sum;
}

FA4_EMU_TARGET_512 inline __m512i ex2_place_512(__m512i x) {
  const __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi32(0x7fffffff));
  const __m512 bounded = _mm512_min_ps(_mm512_castsi512_ps(magnitude), _mm512_set1_ps(255.0f));
  const __m512i fixed = _mm512_cvttps_epi32(_mm512_mul_ps(bounded, _mm512_set1_ps(0x1p23f)));
  const __m512i minus = _mm512_srai_epi32(x, 31);
  const __mmask16 whole = _mm512_testn_epi32_mask(fixed, _mm512_set1_epi32(0x7fffff));
  const __m512i place = _mm512_xor_si512(fixed, minus);
  return _mm512_mask_sub_epi32(place, whole, place, minus);
}

FA4_EMU_TARGET_512 inline __m512i ex2_sum_512(const Ex2Planes& planes, __m512i place, __m512i t,
                                              __m512i square) {
  const __m512i index = _mm512_srli_epi32(place, 17);
  const __mmask16 upper_half = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
  const __m512i upper = look_up_512(planes.upper, index, upper_half);
  const __m512i lower = look_up_512(planes.lower, index, upper_half);
  const __m512i curvature = _mm512_add_epi32(_mm512_and_si512(upper, _mm512_set1_epi32(511)),
                                             _mm512_set1_epi32(kEx2Curvature));
  __m512i rest = _mm512_mullo_epi32(_mm512_srai_epi32(lower, 16), t);
  rest = _mm512_add_epi32(rest, _mm512_and_si512(lower, _mm512_set1_epi32(0x7fff)));
  rest = _mm512_add_epi32(rest, _mm512_madd_epi16(curvature, square));
  return _mm512_add_epi32(_mm512_add_epi32(_mm512_srli_epi32(upper, 9), t),
                          _mm512_srai_epi32(rest, 15));
}

FA4_EMU_TARGET_512 inline __m512i ex2_finish_512(__m512i x, __m512i place, __m512i sum) {
  const __m512i exponent =
      _mm512_min_epi32(_mm512_add_epi32(_mm512_srai_epi32(place, 23), _mm512_set1_epi32(127)),
                       _mm512_set1_epi32(255));
  const __m512i bits = _mm512_or_si512(_mm512_slli_epi32(exponent, 23),
                                       _mm512_and_si512(sum, _mm512_set1_epi32(0x7fffff)));
  const __mmask16 normal = _mm512_cmpgt_epi32_mask(exponent, _mm512_setzero_si512());
  const __m512i result = _mm512_maskz_min_epi32(normal, bits, _mm512_set1_epi32(0x7f800000));
  const __m512 number = _mm512_castsi512_ps(x);
  const __mmask16 nan = _mm512_cmp_ps_mask(number, number, _CMP_UNORD_Q);
  return _mm512_mask_mov_epi32(result, nan, _mm512_set1_epi32(0x7fffffff));
}

FA4_EMU_TARGET_512 inline void ex2_lanes_512(const Row& a, Row* result) {
  const Ex2Planes& planes = ex2_planes();
  const __m512i mask = _mm512_set1_epi32(0x1ffff);
  const __m512i x0 = _mm512_load_si512(a.lane), x1 = _mm512_load_si512(a.lane + 16);
  const __m512i place0 = ex2_place_512(x0), place1 = ex2_place_512(x1);
  const __m512i t0 = _mm512_and_si512(place0, mask), t1 = _mm512_and_si512(place1, mask);
  const __m512i squares = squares_512(t0, t1);
  const __m512i zero = _mm512_setzero_si512();
  const __m512i sum0 = ex2_sum_512(planes, place0, t0, _mm512_unpacklo_epi16(squares, zero));
  const __m512i sum1 = ex2_sum_512(planes, place1, t1, _mm512_unpackhi_epi16(squares, zero));
  _mm512_store_si512(result->lane, ex2_finish_512(x0, place0, sum0));
  _mm512_store_si512(result->lane + 16, ex2_finish_512(x1, place1, sum1));
}

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa

#pragma GCC diagnostic pop
#endif
