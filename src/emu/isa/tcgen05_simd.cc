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

#define FA4_EMU_PREFIX tcgen05_
#define FA4_EMU_BODY "emu/isa/tcgen05_body.h"
#include "emu/isa/each_target.h"

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
