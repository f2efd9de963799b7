// SPDX-License-Identifier: Apache-2.0
// tcgen05's product with vectors of eight, compiled for the baseline and for AVX2 with FMA. The fast form multiplies and adds
// in one step where it can: products of these types are exact in f32, so that it gives the same bits.
#include <algorithm>
#include <bit>
#include <cstring>

#include "emu/isa/tcgen05_core.h"
#include "emu/isa/tensor_rounding.h"
#include "emu/isa/tensor_vectors.h"

#define FA4_EMU_TARGET tcgen05_baseline
#define FA4_EMU_FMA(a, b, c) ((a) * (b) + (c))
#include "emu/isa/tcgen05_simd.h"
#undef FA4_EMU_FMA
#undef FA4_EMU_TARGET

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push([[gnu::target("avx2,fma")]], apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FA4_EMU_TARGET tcgen05_avx2
#define FA4_EMU_FMA(a, b, c) __builtin_ia32_vfmaddps256(a, b, c)
#include "emu/isa/tcgen05_simd.h"
#undef FA4_EMU_FMA
#undef FA4_EMU_TARGET
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

namespace fa4::emu::isa {

std::vector<Tcgen05Fn> tcgen05_functions() {
  std::vector<Tcgen05Fn> functions;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    functions.push_back(tcgen05_avx2::tcgen05_product);
  }
#endif
  functions.push_back(tcgen05_baseline::tcgen05_product);
  return functions;
}

Tcgen05Fn tcgen05_function() {
  static const Tcgen05Fn function = tcgen05_functions().front();
  return function;
}

}  // namespace fa4::emu::isa
