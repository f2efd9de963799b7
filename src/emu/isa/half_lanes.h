// SPDX-License-Identifier: Apache-2.0
// Halves of a warp's registers as floats and back, all lanes at once: by conversion instructions where there are some,
// else by loops of widen and narrow. The bits are the same; a NaN's sign is kept on the way to a float.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstdint>

#include "emu/isa/cpu.h"
#include "emu/isa/formats.h"
#include "emu/machine/row.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

struct alignas(32) FloatLanes {
  float lane[kLanes];
};

// Of each lane the low half (shift 0) or the high one (16).
template <class E>
inline void widen_lanes(const Row& row, int shift, FloatLanes* to) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint32_t bits = row.lane[lane] >> shift & 0xffff;
    const auto wide = std::bit_cast<uint32_t>(widen(E{static_cast<uint16_t>(bits)}));
    to->lane[lane] = std::bit_cast<float>(wide | (bits & 0x8000) << 16);
  }
}

// Rounded to the nearest even, and put beside what the row holds, whose half is zero there.
template <class E>
inline void narrow_lanes(const FloatLanes& from, int shift, Row* row) {
  for (int lane = 0; lane < kLanes; ++lane) {
    row->lane[lane] |= static_cast<uint32_t>(narrow<E>(from.lane[lane]).bits) << shift;
  }
}

#if defined(__F16C__)

template <>
inline void widen_lanes<Half>(const Row& row, int shift, FloatLanes* to) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  const __m256i low = _mm256_set1_epi32(0xffff);
  for (int lane = 0; lane < kLanes; lane += 8) {
    const __m256i bits = _mm256_and_si256(
        _mm256_srl_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(row.lane + lane)), by),
        low);
    const __m128i eight =
        _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    _mm256_store_ps(to->lane + lane, _mm256_cvtph_ps(eight));
  }
}

template <>
inline void narrow_lanes<Half>(const FloatLanes& from, int shift, Row* row) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (int lane = 0; lane < kLanes; lane += 8) {
    const __m256 numbers = _mm256_load_ps(from.lane + lane);
    __m256i bits = _mm256_cvtepu16_epi32(_mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(numbers, numbers, _CMP_UNORD_Q));
    bits = _mm256_or_si256(_mm256_andnot_si256(nan, bits), _mm256_srli_epi32(nan, 17));
    auto* const to = reinterpret_cast<__m256i*>(row->lane + lane);
    _mm256_store_si256(to, _mm256_or_si256(_mm256_load_si256(to), _mm256_sll_epi32(bits, by)));
  }
}

#endif

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
