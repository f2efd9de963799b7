// SPDX-License-Identifier: Apache-2.0
// Tensor cores, mma.sync's and wgmma's, with vectors of eight, compiled for the baseline and for AVX2. The exact form scales f32
// products by a power of two for each output and converts them to integers, which cuts toward zero. Products
// of 16-bit numbers are exact in f32 while their exponents allow; where they do not, and for infinities and NaN, the
// plain form computes the tile.
//
// mma.sync: a vector holds the columns 0 2 4 6 1 3 5 7 of a row, as the registers of C do: half of it comes from each.
#include <bit>
#include <cstring>

#include "emu/isa/tensor_core.h"
#include "emu/isa/tensor_rounding.h"
#include "emu/isa/warpgroup_core.h"

#define FA4_EMU_INLINE [[gnu::always_inline]] inline
#define FA4_EMU_LOW(v) __builtin_shufflevector(v, v, 0, 1, 2, 3)
#define FA4_EMU_HIGH(v) __builtin_shufflevector(v, v, 4, 5, 6, 7)
#define FA4_EMU_JOIN(low, high) __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7)
#define FA4_EMU_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

namespace fa4::emu::isa {
namespace {

using Float8 [[gnu::vector_size(32)]] = float;
using Int8 [[gnu::vector_size(32)]] = int32_t;
using Int4 [[gnu::vector_size(16)]] = int32_t;
using Float4 [[gnu::vector_size(16)]] = float;
using Double4 [[gnu::vector_size(32)]] = double;
using Long4 [[gnu::vector_size(32)]] = int64_t;

constexpr int kTensorNone =
    -2000;  // the exponent of a zero: below every other, also when two are added
constexpr int kTensorLeast = -98;  // of exponents at which 2^(25 - exponent) is an f32
constexpr int kTensorMost = 120;   // of C, so that the sum is finite
constexpr int kTensorFactor = 50;  // of A and B: products are normal, and exact

// A register's numbers of one half, to be read one by one.
union TensorNumbersOf {
  Float8 vector[kLanes / 8];
  float number[kLanes];
};
union TensorExponentsOf {
  Int8 vector[kLanes / 8];
  int32_t number[kLanes];
};

// A product's numbers as f32, and their exponents.
struct TensorNumbers {
  TensorNumbersOf a[4][2];  // register, half
  TensorExponentsOf a_exponent[4][2];
  Float8 b[16];  // k
  Int8 b_exponent[16];
  Float8 sum[16];  // row
  Int8 largest[16];
};

}  // namespace
}  // namespace fa4::emu::isa

#define FA4_EMU_TARGET baseline
#include "emu/isa/tensor_parts.h"
#include "emu/isa/tensor_simd.h"
#include "emu/isa/warpgroup_load.h"
#include "emu/isa/warpgroup_simd.h"
#undef FA4_EMU_TARGET

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push([[gnu::target("avx2")]], apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
#define FA4_EMU_TARGET avx2
#include "emu/isa/tensor_parts.h"
#include "emu/isa/tensor_simd.h"
#include "emu/isa/warpgroup_load.h"
#include "emu/isa/warpgroup_simd.h"
#undef FA4_EMU_TARGET
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

namespace fa4::emu::isa {

std::vector<TensorFn> tensor_functions(const TensorKind& kind) {
  std::vector<TensorFn> functions;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) functions.push_back(avx2::tensor_function(kind));
#endif
  functions.push_back(baseline::tensor_function(kind));
  return functions;
}

std::vector<WarpgroupFn> warpgroup_functions(const WarpgroupKind& kind) {
  std::vector<WarpgroupFn> functions;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) functions.push_back(avx2::warpgroup_function(kind));
#endif
  functions.push_back(baseline::warpgroup_function(kind));
  return functions;
}

TensorFn tensor_function(const TensorKind& kind) { return tensor_functions(kind).front(); }

WarpgroupFn warpgroup_function(const WarpgroupKind& kind) {
  return warpgroup_functions(kind).front();
}

}  // namespace fa4::emu::isa
