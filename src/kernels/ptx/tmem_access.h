// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "tcgen05.ld" and "tcgen05.st": between tensor memory and registers. A whole warp executes each, with one
// address in all lanes. Warp w of the CTA reaches the quarter of lanes from 32(w % 4), which the address must name.
// Asynchronous: tcgen05_wait_ld and tcgen05_wait_st of tmem.h complete them. A shape has one overload for each number
// of registers, in u32 and in float; `slice` names a part of a longer array. Where register i of lane t lies:
//
//     shape      registers         lane of the quarter    column
//     32x32b     1 2 4 .. 128      t                      i
//     16x64b     1 2 4 .. 128      t/4 + 8(t%2)           t/2%2 + 2i
//     16x128b    2 4 8 .. 128      t/4 + 8(i%2)           t%4 + 4(i/2)
//     16x256b    4 8 16 .. 128     t/4 + 8(i/2%2)         2(t%4) + i%2 + 8(i/4): the accumulator of wgmma
//
// The 16-lane shapes begin at lane 0 or 16 of the quarter.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// Registers first .. first + kCount - 1 of a longer array.
template <u32 kCount, class Word, u32 kLength>
FA4_DEVICE Word (&slice(Word (&r)[kLength], u32 first))[kCount] {
  return reinterpret_cast<Word(&)[kCount]>(r[first]);
}

// The names of N operands in the text, and the operands.
#define FA4_NAMES_1 "%0"
#define FA4_NAMES_2 "%0, %1"
#define FA4_NAMES_4 "%0, %1, %2, %3"
#define FA4_NAMES_8 "%0, %1, %2, %3, %4, %5, %6, %7"
#define FA4_NAMES_16 \
  FA4_NAMES_8        \
  ", "               \
  "%8, %9, %10, %11, %12, %13, %14, %15"
#define FA4_NAMES_32 \
  FA4_NAMES_16       \
  ", "               \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define FA4_NAMES_64                                                                 \
  FA4_NAMES_32                                                                       \
  ", "                                                                               \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define FA4_NAMES_128                                                                            \
  FA4_NAMES_64                                                                                   \
  ", "                                                                                           \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define FA4_WORDS_1(mode, r, i) mode(r[i])
#define FA4_WORDS_2(mode, r, i) FA4_WORDS_1(mode, r, i), FA4_WORDS_1(mode, r, i + 1)
#define FA4_WORDS_4(mode, r, i) FA4_WORDS_2(mode, r, i), FA4_WORDS_2(mode, r, i + 2)
#define FA4_WORDS_8(mode, r, i) FA4_WORDS_4(mode, r, i), FA4_WORDS_4(mode, r, i + 4)
#define FA4_WORDS_16(mode, r, i) FA4_WORDS_8(mode, r, i), FA4_WORDS_8(mode, r, i + 8)
#define FA4_WORDS_32(mode, r, i) FA4_WORDS_16(mode, r, i), FA4_WORDS_16(mode, r, i + 16)
#define FA4_WORDS_64(mode, r, i) FA4_WORDS_32(mode, r, i), FA4_WORDS_32(mode, r, i + 32)
#define FA4_WORDS_128(mode, r, i) FA4_WORDS_64(mode, r, i), FA4_WORDS_64(mode, r, i + 64)

// tcgen05.ld.sync.aligned.SHAPE.xX.b32 {r..}, [taddr];
// sm_100a. The values are there after tcgen05_wait_ld, or when an instruction really uses them.
#define FA4_TCGEN05_LD(shape, x, registers, Word, mode)                                   \
  FA4_DEVICE void tcgen05_ld_##shape(Word(&r)[registers], u32 taddr) {                    \
    asm volatile("tcgen05.ld.sync.aligned." #shape ".x" #x ".b32 {" FA4_NAMES_##registers \
                 "}, [%" #registers "];"                                                  \
                 : FA4_WORDS_##registers("=" mode, r, 0)                                  \
                 : "r"(taddr));                                                           \
  }

// tcgen05.st.sync.aligned.SHAPE.xX.b32 [taddr], {r..};
// sm_100a. In TMEM after tcgen05_wait_st.
#define FA4_TCGEN05_ST(shape, x, registers, Word, mode)                         \
  FA4_DEVICE void tcgen05_st_##shape(u32 taddr, const Word(&r)[registers]) {    \
    asm volatile("tcgen05.st.sync.aligned." #shape ".x" #x ".b32 [%" #registers \
                 "], {" FA4_NAMES_##registers "};"                              \
                 :                                                              \
                 : FA4_WORDS_##registers(mode, r, 0), "r"(taddr));              \
  }

#define FA4_TCGEN05_ACCESS(shape, x, registers)   \
  FA4_TCGEN05_LD(shape, x, registers, u32, "r")   \
  FA4_TCGEN05_LD(shape, x, registers, float, "f") \
  FA4_TCGEN05_ST(shape, x, registers, u32, "r")   \
  FA4_TCGEN05_ST(shape, x, registers, float, "f")

FA4_TCGEN05_ACCESS(32x32b, 1, 1)
FA4_TCGEN05_ACCESS(32x32b, 2, 2)
FA4_TCGEN05_ACCESS(32x32b, 4, 4)
FA4_TCGEN05_ACCESS(32x32b, 8, 8)
FA4_TCGEN05_ACCESS(32x32b, 16, 16)
FA4_TCGEN05_ACCESS(32x32b, 32, 32)
FA4_TCGEN05_ACCESS(32x32b, 64, 64)
FA4_TCGEN05_ACCESS(32x32b, 128, 128)

FA4_TCGEN05_ACCESS(16x64b, 1, 1)
FA4_TCGEN05_ACCESS(16x64b, 2, 2)
FA4_TCGEN05_ACCESS(16x64b, 4, 4)
FA4_TCGEN05_ACCESS(16x64b, 8, 8)
FA4_TCGEN05_ACCESS(16x64b, 16, 16)
FA4_TCGEN05_ACCESS(16x64b, 32, 32)
FA4_TCGEN05_ACCESS(16x64b, 64, 64)
FA4_TCGEN05_ACCESS(16x64b, 128, 128)

FA4_TCGEN05_ACCESS(16x128b, 1, 2)
FA4_TCGEN05_ACCESS(16x128b, 2, 4)
FA4_TCGEN05_ACCESS(16x128b, 4, 8)
FA4_TCGEN05_ACCESS(16x128b, 8, 16)
FA4_TCGEN05_ACCESS(16x128b, 16, 32)
FA4_TCGEN05_ACCESS(16x128b, 32, 64)
FA4_TCGEN05_ACCESS(16x128b, 64, 128)

FA4_TCGEN05_ACCESS(16x256b, 1, 4)
FA4_TCGEN05_ACCESS(16x256b, 2, 8)
FA4_TCGEN05_ACCESS(16x256b, 4, 16)
FA4_TCGEN05_ACCESS(16x256b, 8, 32)
FA4_TCGEN05_ACCESS(16x256b, 16, 64)
FA4_TCGEN05_ACCESS(16x256b, 32, 128)

#undef FA4_TCGEN05_LD
#undef FA4_TCGEN05_ST
#undef FA4_TCGEN05_ACCESS
#undef FA4_NAMES_1
#undef FA4_NAMES_2
#undef FA4_NAMES_4
#undef FA4_NAMES_8
#undef FA4_NAMES_16
#undef FA4_NAMES_32
#undef FA4_NAMES_64
#undef FA4_NAMES_128
#undef FA4_WORDS_1
#undef FA4_WORDS_2
#undef FA4_WORDS_4
#undef FA4_WORDS_8
#undef FA4_WORDS_16
#undef FA4_WORDS_32
#undef FA4_WORDS_64
#undef FA4_WORDS_128

}  // namespace fa4::ptx
