// SPDX-License-Identifier: Apache-2.0
// What each_target.h gives to the files that it compiles for FA4_EMU_LEVEL, 0 for the baseline, 2 for AVX2 with FMA, 5 for AVX-512:
//   FA4_EMU_TARGET               a namespace
//   FA4_EMU_WIDTH                numbers of the widest vectors, Wide
//   FA4_EMU_FMA(a, b, c)         a * b + c of such vectors; in one rounding where the processor can
//   FA4_EMU_REPEAT(from, to)     four numbers of memory again and again, in such a vector
//   FA4_EMU_UNROLL(times)        before a loop. Not for the baseline of x86-64: without AVX a vector of eight is taken apart into
//                                numbers, so that it would be most of the code and of the time to compile it, for few to run.
#undef FA4_EMU_TARGET
#undef FA4_EMU_WIDTH
#undef FA4_EMU_FMA
#undef FA4_EMU_REPEAT
#undef FA4_EMU_UNROLL

#if FA4_EMU_LEVEL == 0
#define FA4_EMU_TARGET FA4_EMU_NAMED(FA4_EMU_PREFIX, baseline)
#define FA4_EMU_WIDTH 8
#define FA4_EMU_FMA(a, b, c) ((a) * (b) + (c))
#define FA4_EMU_REPEAT(from, to)                   \
  do {                                             \
    Float4 numbers_;                               \
    std::memcpy(&numbers_, from, sizeof numbers_); \
    (to) = FA4_EMU_JOIN(numbers_, numbers_);       \
  } while (false)
#elif FA4_EMU_LEVEL == 2
#define FA4_EMU_TARGET FA4_EMU_NAMED(FA4_EMU_PREFIX, avx2)
#define FA4_EMU_WIDTH 8
#define FA4_EMU_FMA(a, b, c) __builtin_ia32_vfmaddps256(a, b, c)
#define FA4_EMU_REPEAT(from, to) \
  (to) = reinterpret_cast<Wide>(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(from)))
#else
#define FA4_EMU_TARGET FA4_EMU_NAMED(FA4_EMU_PREFIX, avx512)
#define FA4_EMU_WIDTH 16
#define FA4_EMU_FMA(a, b, c) __builtin_ia32_vfmaddps512_mask(a, b, c, 0xffff, 4)
#define FA4_EMU_REPEAT(from, to) \
  (to) = reinterpret_cast<Wide>(_mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(from)))
#endif

#if FA4_EMU_LEVEL == 0 && defined(__x86_64__)
#define FA4_EMU_UNROLL(times)
#else
#define FA4_EMU_UNROLL(times) FA4_EMU_PRAGMA(GCC unroll times)
#endif
