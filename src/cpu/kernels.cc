// SPDX-License-Identifier: Apache-2.0
// The kernels, compiled once per instruction set, and their table.
#include "cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels.cc"
#include <hwy/foreach_target.h>  // must come before highway.h

#include "cpu/backward-inl.h"
#include "cpu/delta-inl.h"
#include "cpu/few_rows-inl.h"
#include "cpu/forward-inl.h"

FA4_BEFORE_NAMESPACE();
namespace fa4::cpu {
namespace HWY_NAMESPACE {

template <class Operand>
size_t forward_scratch_bytes(const Problem& problem, int64_t panels) {
  Arena tile;
  const ForwardScratch<Operand> scratch(problem, panels, &tile);
  Arena rows;  // of forward_rows, whose splits are at most kFewRowsKeys long, and of combine
  rows.take<float>(round_up(problem.head_dim, kLanes));
  rows.take<float>(round_up(problem.value_dim, kLanes));
  rows.take<float>(kFewRowsKeys);
  return std::max(tile.used(), rows.used());
}

template <class Operand>
size_t backward_scratch_bytes(const Problem& problem, int64_t chunk_keys) {
  Arena chunk;
  const BackwardScratch<Operand> scratch(problem, chunk_keys, &chunk);
  Arena panel;
  const RowScratch<Operand> rows(problem, &panel);
  return std::max(chunk.used(), panel.used());
}

template <class Operand>
Kernel kernel(const char* name, const char* summary, bool bfloat16_dot) {
  return {.name = name,
          .summary = summary,
          .target = HWY_TARGET,
          .bfloat16_dot = bfloat16_dot,
          .panel_rows = kPanelRows,
          .forward_tile = forward_tile<Operand>,
          .forward_rows = forward_rows,
          .combine = combine,
          .forward_scratch_bytes = forward_scratch_bytes<Operand>,
          .prepare_panel = prepare_panel<Operand>,
          .backward_chunk = backward_chunk<Operand>,
          .backward_scratch_bytes = backward_scratch_bytes<Operand>};
}

inline Kernel float32_kernel(const char* name, const char* summary) {
  return kernel<Float32>(name, summary, false);
}

#if FA4_HAVE_BFLOAT16_DOT
inline Kernel bfloat16_kernel(const char* name, const char* summary) {
  return kernel<BFloat16Pair>(name, summary, true);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace fa4::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fa4::cpu {

std::span<const Kernel> compiled_kernels() {
  static const Kernel kernels[] = {
#if HWY_TARGETS & HWY_AVX3
    N_AVX3::bfloat16_kernel("avx512_bf16", "512-bit vectors, bf16 dot product (vdpbf16ps)"),
    N_AVX3::float32_kernel("avx512", "512-bit vectors, fp32 products"),
#endif
#if HWY_TARGETS & HWY_AVX2
    N_AVX2::float32_kernel("avx2", "256-bit vectors, fp32 products"),
#endif
#if HWY_TARGETS & HWY_SSE4
    N_SSE4::float32_kernel("sse4", "128-bit vectors, fp32 products"),
#endif
#if HWY_TARGETS & HWY_NEON
    N_NEON::float32_kernel("neon", "128-bit vectors, fp32 products"),
#elif HWY_TARGETS & HWY_NEON_WITHOUT_AES
    N_NEON_WITHOUT_AES::float32_kernel("neon", "128-bit vectors, fp32 products"),
#endif
#if HWY_TARGETS & HWY_EMU128
    N_EMU128::float32_kernel("portable", "128-bit vectors as the compiler makes them"),
#elif HWY_TARGETS & HWY_SCALAR
    N_SCALAR::float32_kernel("portable", "one value at a time"),
#endif
  };
  return kernels;
}

}  // namespace fa4::cpu
#endif  // HWY_ONCE
