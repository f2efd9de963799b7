// SPDX-License-Identifier: Apache-2.0
// Includes FA4_EMU_BODY, a header, once for the baseline, and on x86-64 for AVX2 with FMA and for AVX-512 too: each time with the
// macros of target_macros.h, in functions that are compiled for the instruction set. The namespaces are baseline, avx2, avx512
// behind FA4_EMU_PREFIX.
#define FA4_EMU_JOINED(a, b) a##b
#define FA4_EMU_NAMED(a, b) FA4_EMU_JOINED(a, b)
#define FA4_EMU_PRAGMA(text) _Pragma(#text)

#if defined(__x86_64__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O2")
#endif
#define FA4_EMU_LEVEL 0
#include "emu/isa/target_macros.h"
#include FA4_EMU_BODY
#undef FA4_EMU_LEVEL

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push([[gnu::target("avx2,fma")]], apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FA4_EMU_LEVEL 2
#include "emu/isa/target_macros.h"
#include FA4_EMU_BODY
#undef FA4_EMU_LEVEL
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push([[gnu::target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]], \
                             apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")
#endif
#define FA4_EMU_LEVEL 5
#include "emu/isa/target_macros.h"
#include FA4_EMU_BODY
#undef FA4_EMU_LEVEL
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#undef FA4_EMU_PRAGMA
#undef FA4_EMU_NAMED
#undef FA4_EMU_JOINED
#undef FA4_EMU_BODY
#undef FA4_EMU_PREFIX
