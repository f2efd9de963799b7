// SPDX-License-Identifier: Apache-2.0
// tcgen05's product with vectors of eight, compiled for the baseline, for AVX2 with FMA and for AVX-512, where the fast form has
// sixteen. That multiplies and adds in one step where it can: products of these types are exact in f32, so that it gives the
// same bits.
#include <algorithm>
#include <bit>
#include <cstring>

#include "emu/isa/tcgen05_core.h"
#include "emu/isa/tensor_rounding.h"
#include "emu/isa/tensor_vectors.h"

// The first of them has what the others need.
// clang-format off
#define FA4_EMU_TARGET tcgen05_baseline
#define FA4_EMU_WIDTH 8
#define FA4_EMU_FMA FA4_EMU_ADD_PRODUCT
#define FA4_EMU_REPEAT FA4_EMU_REPEAT_4
#include "emu/isa/tcgen05_simd.h"
#include "emu/isa/tcgen05_load.h"
#include "emu/isa/tcgen05_fast.h"
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
#define FA4_EMU_TARGET tcgen05_avx2
#define FA4_EMU_WIDTH 8
#define FA4_EMU_FMA FA4_EMU_FMA_AVX2
#define FA4_EMU_REPEAT FA4_EMU_REPEAT_AVX2
#include "emu/isa/tcgen05_simd.h"
#include "emu/isa/tcgen05_load.h"
#include "emu/isa/tcgen05_fast.h"
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
#define FA4_EMU_TARGET tcgen05_avx512
#define FA4_EMU_WIDTH 16
#define FA4_EMU_FMA FA4_EMU_FMA_AVX512
#define FA4_EMU_REPEAT FA4_EMU_REPEAT_AVX512
#include "emu/isa/tcgen05_simd.h"
#include "emu/isa/tcgen05_load.h"
#include "emu/isa/tcgen05_fast.h"
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
// clang-format on

namespace fa4::emu::isa {

std::vector<Tcgen05Functions> tcgen05_functions() {
  std::vector<Tcgen05Functions> functions;
#if defined(__x86_64__)
  if (tensor_runs_avx512()) {
    functions.push_back({tcgen05_avx512::tcgen05_product, tcgen05_avx512::tcgen05_load});
  }
  if (tensor_runs_avx2()) {
    functions.push_back({tcgen05_avx2::tcgen05_product, tcgen05_avx2::tcgen05_load});
  }
#endif
  functions.push_back({tcgen05_baseline::tcgen05_product, tcgen05_baseline::tcgen05_load});
  return functions;
}

const Tcgen05Functions& tcgen05_best() {
  static const Tcgen05Functions best = tcgen05_functions().front();
  return best;
}

}  // namespace fa4::emu::isa
