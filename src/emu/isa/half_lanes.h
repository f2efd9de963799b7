// SPDX-License-Identifier: Apache-2.0
// Halves of a warp's registers as floats and back, all lanes at once: by conversion instructions where there are some,
// else by loops of widen and narrow. The bits are the same; a NaN's sign is kept on the way to a float.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emu/isa/cpu.h"
#include "emu/isa/formats.h"
#include "emu/machine/row.h"

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {

struct alignas(32) FloatLanes {
  float lane[kLanes];
};

// The numbers of a register in the order in which they lie there: of pairs both halves, else the low one of each lane.
template <bool kPair>
struct HalfNumbers {
  static constexpr int kCount = kPair ? 2 * kLanes : kLanes;
  alignas(32) float number[kCount];
};
// Of a register's 16-bit halves, as they lie in it, one. Not copied as a whole: what is stored in small pieces is slow to
// load in large ones.
inline uint16_t half_at(const Row& row, int at) {
  static_assert(std::endian::native == std::endian::little);
  uint16_t half;
  std::memcpy(&half, reinterpret_cast<const std::byte*>(row.lane) + 2 * at, 2);
  return half;
}

template <class E, bool kPair>
inline void widen_row(const Row& row, HalfNumbers<kPair>* to) {
  for (int at = 0; at < to->kCount; ++at) {
    const uint32_t half = kPair ? half_at(row, at) : row.lane[at] & 0xffff;
    const auto wide = std::bit_cast<uint32_t>(widen(E{static_cast<uint16_t>(half)}));
    to->number[at] = std::bit_cast<float>(wide | (half & 0x8000) << 16);
  }
}

// Rounded to the nearest even.
template <class E, bool kPair>
inline Row narrow_row(const HalfNumbers<kPair>& from) {
  Row row;
  for (int at = 0; at < from.kCount; ++at) {
    const uint16_t half = narrow<E>(from.number[at]).bits;
    if constexpr (kPair) {
      std::memcpy(reinterpret_cast<std::byte*>(row.lane) + 2 * at, &half, 2);
    } else {
      row.lane[at] = half;
    }
  }
  return row;
}

// Rounded to the nearest even, and put beside what the row holds, whose half is zero there.
template <class E>
inline void narrow_lanes(const FloatLanes& from, int shift, Row* row) {
  for (int lane = 0; lane < kLanes; ++lane) {
    row->lane[lane] |= static_cast<uint32_t>(narrow<E>(from.lane[lane]).bits) << shift;
  }
}

#if defined(__F16C__)

template <bool kPair>
inline void widen_half_row(const Row& row, HalfNumbers<kPair>* to) {
  const __m256i low = _mm256_set1_epi32(0xffff);
  for (int at = 0; at < to->kCount; at += 8) {
    __m128i eight;
    if constexpr (kPair) {
      eight = _mm_load_si128(reinterpret_cast<const __m128i*>(row.lane + at / 2));
    } else {
      const __m256i bits =
          _mm256_and_si256(_mm256_load_si256(reinterpret_cast<const __m256i*>(row.lane + at)), low);
      eight = _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    }
    _mm256_store_ps(to->number + at, _mm256_cvtph_ps(eight));
  }
}
template <>
inline void widen_row<Half, true>(const Row& row, HalfNumbers<true>* to) {
  widen_half_row(row, to);
}
template <>
inline void widen_row<Half, false>(const Row& row, HalfNumbers<false>* to) {
  widen_half_row(row, to);
}

template <bool kPair>
inline Row narrow_half_row(const HalfNumbers<kPair>& from) {
  Row row;
  for (int at = 0; at < from.kCount; at += 8) {
    const __m256 numbers = _mm256_load_ps(from.number + at);
    const __m128i eight = _mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(numbers, numbers, _CMP_UNORD_Q));
    const __m128i nans =
        _mm_packs_epi32(_mm256_castsi256_si128(nan), _mm256_extracti128_si256(nan, 1));
    const __m128i bits = _mm_or_si128(_mm_andnot_si128(nans, eight), _mm_srli_epi16(nans, 1));
    if constexpr (kPair) {
      _mm_store_si128(reinterpret_cast<__m128i*>(row.lane + at / 2), bits);
    } else {
      _mm256_store_si256(reinterpret_cast<__m256i*>(row.lane + at), _mm256_cvtepu16_epi32(bits));
    }
  }
  return row;
}
template <>
inline Row narrow_row<Half, true>(const HalfNumbers<true>& from) {
  return narrow_half_row(from);
}
template <>
inline Row narrow_row<Half, false>(const HalfNumbers<false>& from) {
  return narrow_half_row(from);
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
