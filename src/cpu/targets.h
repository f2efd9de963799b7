// SPDX-License-Identifier: Apache-2.0
// Which instruction sets the kernels are compiled for. Included before Highway by every file that is
// compiled once per target.
//
// One 512-bit pass serves every AVX-512 machine: newer Highways know finer targets, whose instructions
// we either do not need or use through one op of our own (the bf16 dot product, simd-inl.h) after asking
// the CPU. SSE2 and SSSE3 machines take the portable pass. Scalable vectors (SVE) cannot be kept in
// arrays, as the register blocks of tile_product-inl.h are; those machines take NEON.
#pragma once

// Under a sanitizer (FA4_FEW_TARGETS) x86 has AVX2 and the portable pass, which are the widest and the narrowest
// vectors of one text: the others take minutes to instrument.
#ifdef FA4_FEW_TARGETS
#define FA4_LEFT_OUT (HWY_SSE4 | HWY_AVX3)
#else
#define FA4_LEFT_OUT 0
#endif
#define HWY_DISABLED_TARGETS                                                                   \
  (HWY_SSE2 | HWY_SSSE3 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2 | HWY_SVE | \
   HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_NEON_BF16 | FA4_LEFT_OUT)

#include <hwy/detect_targets.h>

// Targets that this Highway does not know yet are no bits.
#ifndef HWY_SSE4
#define HWY_SSE4 0
#endif
#ifndef HWY_AVX3
#define HWY_AVX3 0
#endif
#ifndef HWY_SSE2
#define HWY_SSE2 0
#endif
#ifndef HWY_AVX3_ZEN4
#define HWY_AVX3_ZEN4 0
#endif
#ifndef HWY_AVX3_SPR
#define HWY_AVX3_SPR 0
#endif
#ifndef HWY_AVX10_2
#define HWY_AVX10_2 0
#endif
#ifndef HWY_NEON_BF16
#define HWY_NEON_BF16 0
#endif
#ifndef HWY_NEON_WITHOUT_AES
#define HWY_NEON_WITHOUT_AES 0
#endif
