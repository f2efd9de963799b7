// SPDX-License-Identifier: Apache-2.0
// Vectors for tensor cores, and the bounds within which f32 holds what they multiply. For files that are compiled for several
// instruction sets (tensor_simd.cc, tcgen05_simd.cc).
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define FA4_EMU_INLINE [[gnu::always_inline]] inline
#define FA4_EMU_LOW(v) __builtin_shufflevector(v, v, 0, 1, 2, 3)
#define FA4_EMU_HIGH(v) __builtin_shufflevector(v, v, 4, 5, 6, 7)
#define FA4_EMU_JOIN(low, high) __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7)
#define FA4_EMU_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

namespace fa4::emu::isa {

// Whether this processor runs what is compiled for them.
#if defined(__x86_64__)
inline bool tensor_runs_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
inline bool tensor_runs_avx512() {
  return tensor_runs_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq");
}
#endif

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

}  // namespace
}  // namespace fa4::emu::isa
