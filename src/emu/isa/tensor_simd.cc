// SPDX-License-Identifier: Apache-2.0
// Tensor cores, mma.sync's and wgmma's, with vectors of eight, compiled for the baseline, AVX2 and AVX-512. The exact form scales f32
// products by a power of two for each output and converts them to integers, which cuts toward zero. Products
// of 16-bit numbers are exact in f32 while their exponents allow; where they do not, and for infinities and NaN, the
// plain form computes the tile.
//
// mma.sync: a vector holds the columns 0 2 4 6 1 3 5 7 of a row, as the registers of C do: half of it comes from each.
#include <bit>
#include <cstring>

#include "emu/isa/tensor_core.h"
#include "emu/isa/tensor_rounding.h"
#include "emu/isa/tensor_vectors.h"
#include "emu/isa/warpgroup_core.h"

namespace fa4::emu::isa {
namespace {

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

#define FA4_EMU_PREFIX tensor_
#define FA4_EMU_BODY "emu/isa/tensor_body.h"
#include "emu/isa/each_target.h"

namespace fa4::emu::isa {

std::vector<TensorFn> tensor_functions(const TensorKind& kind) {
  std::vector<TensorFn> functions;
#if defined(__x86_64__)
  if (tensor_runs_avx512()) functions.push_back(tensor_avx512::tensor_function(kind));
  if (tensor_runs_avx2()) functions.push_back(tensor_avx2::tensor_function(kind));
#endif
  functions.push_back(tensor_baseline::tensor_function(kind));
  return functions;
}

std::vector<WarpgroupFn> warpgroup_functions(const WarpgroupKind& kind) {
  std::vector<WarpgroupFn> functions;
#if defined(__x86_64__)
  if (tensor_runs_avx512()) functions.push_back(tensor_avx512::warpgroup_function(kind));
  if (tensor_runs_avx2()) functions.push_back(tensor_avx2::warpgroup_function(kind));
#endif
  functions.push_back(tensor_baseline::warpgroup_function(kind));
  return functions;
}

TensorFn tensor_function(const TensorKind& kind) { return tensor_functions(kind).front(); }

WarpgroupFn warpgroup_function(const WarpgroupKind& kind) {
  return warpgroup_functions(kind).front();
}

}  // namespace fa4::emu::isa
