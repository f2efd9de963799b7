// SPDX-License-Identifier: Apache-2.0
// Rows of tensors to and from the layouts that the products want: conversion, transposition, pairs.

#if defined(FA4_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FA4_CPU_ROWS_INL_H_
#undef FA4_CPU_ROWS_INL_H_
#else
#define FA4_CPU_ROWS_INL_H_
#endif

#include <cstring>

#include "cpu/simd-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Whether Highway converts fp16 with an instruction; where it does not, core's scalar code does.
constexpr bool kNativeFloat16 = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 ||
                                (HWY_ARCH_ARM_A64 && kLanes == 4 && HWY_TARGET != HWY_EMU128);

HWY_INLINE void load_float16(const uint16_t* HWY_RESTRICT source, int64_t count,
                             float* HWY_RESTRICT row) {
  int64_t i = 0;
  if constexpr (kNativeFloat16) {
    const hn::Rebind<hwy::float16_t, FloatTag> halves;
    for (; i + kLanes <= count; i += kLanes) {
      const auto bits = hn::LoadU(halves, reinterpret_cast<const hwy::float16_t*>(source + i));
      hn::StoreU(hn::PromoteTo(kFloats, bits), kFloats, row + i);
    }
  }
  for (; i < count; ++i) row[i] = float16_to_float(source[i]);
}

HWY_INLINE void store_float16(const float* HWY_RESTRICT row, int64_t count,
                              uint16_t* HWY_RESTRICT target) {
  int64_t i = 0;
  if constexpr (kNativeFloat16) {
    const hn::Rebind<hwy::float16_t, FloatTag> halves;
    for (; i + kLanes <= count; i += kLanes) {
      const auto bits = hn::DemoteTo(halves, hn::LoadU(kFloats, row + i));
      hn::StoreU(bits, halves, reinterpret_cast<hwy::float16_t*>(target + i));
    }
  }
  for (; i < count; ++i) target[i] = float_to_float16(row[i]);
}

// `count` elements as floats, then zeros up to `padded`.
HWY_INLINE void load_row(const char* source, Dtype dtype, int64_t count, int64_t padded,
                         float* HWY_RESTRICT row) {
  const auto* bits = reinterpret_cast<const uint16_t*>(source);
  if (dtype == Dtype::Float32) {
    std::memcpy(row, source, static_cast<size_t>(count) * sizeof(float));
  } else if (dtype == Dtype::BFloat16) {
    for (int64_t i = 0; i < count; ++i) row[i] = bfloat16_to_float(bits[i]);
  } else {
    load_float16(bits, count, row);
  }
  for (int64_t i = count; i < padded; ++i) row[i] = 0;
}

HWY_INLINE void store_row(const float* HWY_RESTRICT row, int64_t count, Dtype dtype, char* target) {
  auto* bits = reinterpret_cast<uint16_t*>(target);
  if (dtype == Dtype::Float32) {
    std::memcpy(target, row, static_cast<size_t>(count) * sizeof(float));
  } else if (dtype == Dtype::BFloat16) {
    for (int64_t i = 0; i < count; ++i) bits[i] = float_to_bfloat16(row[i]);
  } else {
    store_float16(row, count, bits);
  }
}

// A row of bf16 as pairs along it: what lies there, then zeros up to `padded` pairs.
HWY_INLINE void load_row(const char* source, Dtype, int64_t count, int64_t padded,
                         uint32_t* HWY_RESTRICT row) {
  for (int64_t i = count / 2; i < padded; ++i)
    row[i] = 0;  // an odd last element shares its pair with 0
  std::memcpy(row, source, static_cast<size_t>(count) * sizeof(uint16_t));
}

// Two rows of bf16 as pairs across them. The rows are as load_row leaves them.
HWY_INLINE void pair_rows(const uint32_t* HWY_RESTRICT low_row,
                          const uint32_t* HWY_RESTRICT high_row, int64_t count,
                          uint32_t* HWY_RESTRICT pairs) {
  for (int64_t i = 0; i < count / 2; ++i) {
    pairs[2 * i] = (low_row[i] & 0xffff) | high_row[i] << 16;
    pairs[2 * i + 1] = low_row[i] >> 16 | (high_row[i] & 0xffff0000);
  }
  if (count % 2) pairs[count - 1] = (low_row[count / 2] & 0xffff) | high_row[count / 2] << 16;
}

// [kPanelRows][stride] to [columns][kPanelRows]; columns a multiple of 4.
template <class Element>
HWY_INLINE void transpose_to_lanes(const Element* HWY_RESTRICT rows, int64_t stride,
                                   int64_t columns, Element* HWY_RESTRICT lanes) {
  const hn::ScalableTag<Element> tag;
  HWY_ALIGN Element quads[4 * kLanes];
  for (int64_t column = 0; column < columns; column += 4) {
    for (int64_t lane = 0; lane < kPanelRows; lane += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) {
        std::memcpy(quads + 4 * i, rows + (lane + i) * stride + column, 4 * sizeof(Element));
      }
      hn::Vec<decltype(tag)> v0, v1, v2, v3;
      hn::LoadInterleaved4(tag, quads, v0, v1, v2, v3);
      Element* to = lanes + column * kPanelRows + lane;
      hn::StoreU(v0, tag, to);
      hn::StoreU(v1, tag, to + kPanelRows);
      hn::StoreU(v2, tag, to + 2 * kPanelRows);
      hn::StoreU(v3, tag, to + 3 * kPanelRows);
    }
  }
}

// The way back: [columns][kPanelRows] to [kPanelRows][columns].
HWY_INLINE void transpose_to_rows(const float* HWY_RESTRICT lanes, int64_t columns,
                                  float* HWY_RESTRICT rows) {
  HWY_ALIGN float quads[4 * kLanes];
  for (int64_t column = 0; column < columns; column += 4) {
    for (int64_t lane = 0; lane < kPanelRows; lane += kLanes) {
      const float* from = lanes + column * kPanelRows + lane;
      hn::StoreInterleaved4(hn::LoadU(kFloats, from), hn::LoadU(kFloats, from + kPanelRows),
                            hn::LoadU(kFloats, from + 2 * kPanelRows),
                            hn::LoadU(kFloats, from + 3 * kPanelRows), kFloats, quads);
      for (int64_t i = 0; i < kLanes; ++i) {
        std::memcpy(rows + (lane + i) * columns + column, quads + 4 * i, 4 * sizeof(float));
      }
    }
  }
}

HWY_INLINE void scale_in_place(float* values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

HWY_INLINE void fill_zero(float* values, int64_t count) {
  std::memset(values, 0, static_cast<size_t>(count) * sizeof(float));
}

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
