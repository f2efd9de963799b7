// SPDX-License-Identifier: Apache-2.0
// Tensor cores in plain loops of eight columns, which compilers vectorise; compiled for the baseline and for AVX2. The
// exact form scales f32 products by a power of two for each output and converts them to integers, which cuts
// toward zero. Products of 16-bit numbers are exact in f32 while their exponents allow; where they do not, and for
// infinities and NaN, the plain form computes the tile.
#include <algorithm>
#include <bit>

#include "emu/isa/tensor_core.h"
#include "emu/isa/tensor_rounding.h"

#if defined(__x86_64__)
#define FA4_EMU_AVX2 __attribute__((target("avx2")))
#endif
#define FA4_EMU_INLINE [[gnu::always_inline]] inline

namespace fa4::emu::isa {
namespace {

constexpr int16_t kTensorNone = -2000;  // the exponent of a zero: below every other, also when two are added
constexpr int kTensorLeast = -98;       // of exponents at which 2^(25 - exponent) is an f32
constexpr int kTensorMost = 120;        // of C, so that the sum is finite
constexpr int kTensorFactor = 50;       // of A and B: products are normal, and exact

// A tile with its numbers as f32, and their exponents.
struct alignas(64) TensorFloats {
  float a[16][16];
  float b[16][8];  // k, column
  float sum[16][8];
  int16_t a_exponent[16][16];
  int16_t b_exponent[16][8];
  int16_t largest[16][8];
};

template <TensorElement kElement>
FA4_EMU_INLINE float tensor_float(uint16_t bits) {
  if constexpr (kElement == TensorElement::BF16) {
    return std::bit_cast<float>(uint32_t{bits} << 16);
  } else {
    const float scaled = std::bit_cast<float>((bits & 0x8000u) << 16 | (bits & 0x7fffu) << 13);
    const float finite = scaled * 0x1p112f;
    // Infinities and NaN keep all their exponent bits.
    return (bits & 0x7c00u) == 0x7c00u
               ? std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | 0x7f800000u)
               : finite;
  }
}

template <TensorElement kElement>
FA4_EMU_INLINE int16_t tensor_exponent(uint16_t bits) {
  constexpr int kBits = kElement == TensorElement::F16 ? 10 : 7;
  constexpr int kBias = kElement == TensorElement::F16 ? 15 : 127;
  const int magnitude = bits & 0x7fff;
  const int exponent = std::max(magnitude >> kBits, 1) - kBias;
  return static_cast<int16_t>(magnitude == 0 ? kTensorNone : exponent);
}

// Whether f32 serves for a factor.
template <TensorElement kElement>
FA4_EMU_INLINE bool tensor_plain_factor(int16_t exponent) {
  if constexpr (kElement == TensorElement::F16) return exponent < 16;  // neither infinite nor NaN
  return exponent <= kTensorFactor && (exponent >= -kTensorFactor || exponent == kTensorNone);
}

template <TensorElement kElement, int kK>
FA4_EMU_INLINE void tensor_unpack(const TensorTile& tile, TensorFloats& floats) {
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kK; ++k) floats.a[row][k] = tensor_float<kElement>(tile.a[row][k]);
  }
  alignas(64) uint16_t b[16][8];
  for (int k = 0; k < kK; ++k) {
    for (int column = 0; column < 8; ++column) b[k][column] = tile.b[column][k];
  }
  for (int k = 0; k < kK; ++k) {
    for (int column = 0; column < 8; ++column) {
      floats.b[k][column] = tensor_float<kElement>(b[k][column]);
    }
  }
}

template <TensorElement kElement, int kK>
FA4_EMU_INLINE bool tensor_exponents(const TensorTile& tile, TensorFloats& floats) {
  int16_t bad = 0;
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kK; ++k) {
      const int16_t exponent = tensor_exponent<kElement>(tile.a[row][k]);
      floats.a_exponent[row][k] = exponent;
      bad = static_cast<int16_t>(bad | (tensor_plain_factor<kElement>(exponent) ? 0 : 1));
    }
  }
  alignas(64) int16_t b[8][16];
  for (int column = 0; column < 8; ++column) {
    for (int k = 0; k < kK; ++k) {
      const int16_t exponent = tensor_exponent<kElement>(tile.b[column][k]);
      b[column][k] = exponent;
      bad = static_cast<int16_t>(bad | (tensor_plain_factor<kElement>(exponent) ? 0 : 1));
    }
  }
  for (int k = 0; k < kK; ++k) {
    for (int column = 0; column < 8; ++column) floats.b_exponent[k][column] = b[column][k];
  }
  return bad == 0;
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_load_c(const TensorTile& tile, TensorFloats& floats) {
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      const uint32_t bits = tile.c[row][column];
      if constexpr (kHalf) {
        floats.sum[row][column] = tensor_float<TensorElement::F16>(static_cast<uint16_t>(bits));
      } else {
        floats.sum[row][column] = std::bit_cast<float>(bits);
      }
    }
  }
}

// The largest exponent of each output's terms from k on, C among them. False: some output is not for f32.
template <bool kHalf, int kStep>
FA4_EMU_INLINE bool tensor_align(TensorFloats& floats, int k) {
  int16_t bad = 0;
  for (int row = 0; row < 16; ++row) {
    alignas(16) int16_t largest[8];
    for (int column = 0; column < 8; ++column) {
      const uint32_t bits = std::bit_cast<uint32_t>(floats.sum[row][column]) & 0x7fffffffu;
      // A denormal f16 has the exponent of the smallest normal one, though as an f32 it is normal.
      constexpr int kSmallest = kHalf ? -14 : -126;
      const int exponent = std::max(static_cast<int>(bits >> 23) - 127, kSmallest);
      largest[column] = static_cast<int16_t>(bits == 0 ? kTensorNone : exponent);
      bad = static_cast<int16_t>(bad | (largest[column] > kTensorMost ? 1 : 0));
    }
    for (int step = 0; step < kStep; ++step) {
      const int16_t a = floats.a_exponent[row][k + step];
      for (int column = 0; column < 8; ++column) {
        const auto sum = static_cast<int16_t>(a + floats.b_exponent[k + step][column]);
        largest[column] = largest[column] > sum ? largest[column] : sum;
      }
    }
    for (int column = 0; column < 8; ++column) {
      const bool small = largest[column] < kTensorLeast && largest[column] > kTensorNone / 2;
      bad = static_cast<int16_t>(bad | (small ? 1 : 0));
      const bool none = largest[column] < kTensorLeast;
      floats.largest[row][column] = none ? static_cast<int16_t>(kTensorLeast) : largest[column];
    }
  }
  return bad == 0;
}

template <bool kHalf, int kStep, int kFractionBits>
FA4_EMU_INLINE void tensor_add(TensorFloats& floats, int k) {
  for (int row = 0; row < 16; ++row) {
    alignas(32) float scale[8];
    alignas(32) int32_t sums[2][8];  // of 8 terms below 2^27, or of 8 and C
    for (int column = 0; column < 8; ++column) {
      const int field = 127 + kFractionBits - floats.largest[row][column];
      scale[column] = std::bit_cast<float>(static_cast<uint32_t>(field) << 23);
      sums[0][column] = static_cast<int32_t>(floats.sum[row][column] * scale[column]);
      sums[1][column] = 0;
    }
    for (int half = 0; half < kStep / 8; ++half) {
      for (int step = 8 * half; step < 8 * half + 8; ++step) {
        const float a = floats.a[row][k + step];
        for (int column = 0; column < 8; ++column) {
          sums[half][column] +=
              static_cast<int32_t>(a * floats.b[k + step][column] * scale[column]);
        }
      }
    }
    for (int column = 0; column < 8; ++column) {
      const int unit = floats.largest[row][column] - kFractionBits;
      if constexpr (kHalf) {
        const int64_t sum = int64_t{sums[0][column]} + sums[1][column];
        floats.sum[row][column] =
            tensor_float<TensorElement::F16>(static_cast<uint16_t>(tensor_round16(sum, unit)));
      } else {
        const double sum = static_cast<double>(sums[0][column]) + sums[1][column];
        const double cut = std::bit_cast<double>(std::bit_cast<uint64_t>(sum) & ~uint64_t{0x1fffffff});
        const auto one = std::bit_cast<float>(static_cast<uint32_t>(127 + unit) << 23);
        floats.sum[row][column] = static_cast<float>(cut * one);
      }
    }
  }
}

template <bool kHalf>
FA4_EMU_INLINE void tensor_store(const TensorFloats& floats, TensorTile& tile) {
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      const uint32_t bits = std::bit_cast<uint32_t>(floats.sum[row][column]);
      const uint32_t magnitude = bits & 0x7fffffffu;
      if constexpr (kHalf) {
        const uint32_t sign = bits >> 16 & 0x8000u;
        const int exponent = static_cast<int>(magnitude >> 23);
        const int64_t significand =
            (magnitude & 0x7fffffu) | (exponent == 0 ? 0u : uint32_t{1} << 23);
        const uint32_t finite = tensor_round16(significand, std::max(exponent, 1) - 150) | sign;
        tile.d[row][column] = magnitude > 0x7f800000u ? kTensorNan16 : finite;
      } else {
        tile.d[row][column] = magnitude > 0x7f800000u ? kTensorNan32 : bits;
      }
    }
  }
}

template <TensorElement kElement, bool kHalf, int kK, TensorModel kModel>
FA4_EMU_INLINE void tensor_exact(TensorTile& tile) {
  constexpr int kStep = kModel == TensorModel::Ampere ? 8 : kK;
  constexpr int kFractionBits = kModel == TensorModel::Ampere ? 24 : 25;
  TensorFloats floats;
  bool plain = !tensor_exponents<kElement, kK>(tile, floats);
  tensor_unpack<kElement, kK>(tile, floats);
  tensor_load_c<kHalf>(tile, floats);
  for (int k = 0; k < kK && !plain; k += kStep) {
    plain = !tensor_align<kHalf, kStep>(floats, k);
    if (!plain) tensor_add<kHalf, kStep, kFractionBits>(floats, k);
  }
  if (plain) {
    tensor_exact_plain({kElement, kHalf, kK, kModel}, tile);
  } else {
    tensor_store<kHalf>(floats, tile);
  }
}

// In f32, k after k. A 16-bit product is exact, so that a fused sum would be the same.
template <TensorElement kElement, bool kHalf, int kK>
FA4_EMU_INLINE void tensor_fast(TensorTile& tile) {
  TensorFloats floats;
  tensor_unpack<kElement, kK>(tile, floats);
  tensor_load_c<kHalf>(tile, floats);
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kK; ++k) {
      const float a = floats.a[row][k];
      for (int column = 0; column < 8; ++column) {
        floats.sum[row][column] += a * floats.b[k][column];
      }
    }
  }
  tensor_store<kHalf>(floats, tile);
}

template <TensorElement kElement, bool kHalf, int kK, TensorModel kModel>
FA4_EMU_INLINE void tensor_body(TensorTile& tile) {
  if constexpr (kModel == TensorModel::Fast) {
    tensor_fast<kElement, kHalf, kK>(tile);
  } else {
    tensor_exact<kElement, kHalf, kK, kModel>(tile);
  }
}

template <TensorElement kElement, bool kHalf, int kK, TensorModel kModel>
void tensor_baseline(TensorTile& tile) {
  tensor_body<kElement, kHalf, kK, kModel>(tile);
}

#ifdef FA4_EMU_AVX2
template <TensorElement kElement, bool kHalf, int kK, TensorModel kModel>
FA4_EMU_AVX2 void tensor_avx2(TensorTile& tile) {
  tensor_body<kElement, kHalf, kK, kModel>(tile);
}
#endif

template <TensorElement kElement, bool kHalf, int kK, TensorModel kModel>
TensorFn tensor_pick() {
#ifdef FA4_EMU_AVX2
  if (__builtin_cpu_supports("avx2")) return tensor_avx2<kElement, kHalf, kK, kModel>;
#endif
  return tensor_baseline<kElement, kHalf, kK, kModel>;
}

template <TensorElement kElement, bool kHalf, int kK>
TensorFn tensor_pick(TensorModel model) {
  switch (model) {
    case TensorModel::Fast:
      return tensor_pick<kElement, kHalf, kK, TensorModel::Fast>();
    case TensorModel::Ampere:
      return tensor_pick<kElement, kHalf, kK, TensorModel::Ampere>();
    case TensorModel::Hopper:
      break;
  }
  return tensor_pick<kElement, kHalf, kK, TensorModel::Hopper>();
}

}  // namespace

TensorFn tensor_function(const TensorKind& kind) {
  const bool wide = kind.k == 16;
  if (kind.element == TensorElement::BF16) {
    return wide ? tensor_pick<TensorElement::BF16, false, 16>(kind.model)
                : tensor_pick<TensorElement::BF16, false, 8>(kind.model);
  }
  if (kind.half_accumulator) {
    return wide ? tensor_pick<TensorElement::F16, true, 16>(kind.model)
                : tensor_pick<TensorElement::F16, true, 8>(kind.model);
  }
  return wide ? tensor_pick<TensorElement::F16, false, 16>(kind.model)
              : tensor_pick<TensorElement::F16, false, 8>(kind.model);
}

}  // namespace fa4::emu::isa
