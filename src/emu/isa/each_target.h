// SPDX-License-Identifier: Apache-2.0
// Includes FA4_EMU_BODY, a header, once for the baseline, and on x86-64 for AVX2 with FMA and for AVX-512 too: each time with the
// macros of tensor_vectors.h, in functions that are compiled for the instruction set. The namespaces are baseline, avx2, avx512
// behind FA4_EMU_PREFIX.
#define FA4_EMU_JOINED(a, b) a##b
#define FA4_EMU_NAMED(a, b) FA4_EMU_JOINED(a, b)

#define FA4_EMU_TARGET FA4_EMU_NAMED(FA4_EMU_PREFIX, baseline)
#define FA4_EMU_WIDTH 8
#define FA4_EMU_FMA FA4_EMU_ADD_PRODUCT
#define FA4_EMU_REPEAT FA4_EMU_REPEAT_4
#include FA4_EMU_BODY
#undef FA4_EMU_REPEAT
#undef FA4_EMU_FMA
#undef FA4_EMU_WIDTH
#undef FA4_EMU_TARGET

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push([[gnu::target("avx2,fma")]], apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FA4_EMU_TARGET FA4_EMU_NAMED(FA4_EMU_PREFIX, avx2)
#define FA4_EMU_WIDTH 8
#define FA4_EMU_FMA FA4_EMU_FMA_AVX2
#define FA4_EMU_REPEAT FA4_EMU_REPEAT_AVX2
#include FA4_EMU_BODY
#undef FA4_EMU_REPEAT
#undef FA4_EMU_FMA
#undef FA4_EMU_WIDTH
#undef FA4_EMU_TARGET
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push([[gnu::target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]], \
                             apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")
#endif
#define FA4_EMU_TARGET FA4_EMU_NAMED(FA4_EMU_PREFIX, avx512)
#define FA4_EMU_WIDTH 16
#define FA4_EMU_FMA FA4_EMU_FMA_AVX512
#define FA4_EMU_REPEAT FA4_EMU_REPEAT_AVX512
#include FA4_EMU_BODY
#undef FA4_EMU_REPEAT
#undef FA4_EMU_FMA
#undef FA4_EMU_WIDTH
#undef FA4_EMU_TARGET
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#undef FA4_EMU_NAMED
#undef FA4_EMU_JOINED
#undef FA4_EMU_BODY
#undef FA4_EMU_PREFIX
