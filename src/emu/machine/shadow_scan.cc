// SPDX-License-Identifier: Apache-2.0
// Runs of equal cells of the shadow, which are what most accesses find and leave: cell by cell, and by vectors of AVX2.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

#include "emu/machine/shadow.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kScanStep = 16;

#if defined(__x86_64__)

bool scans_avx2() {
  static const bool does = __builtin_cpu_supports("avx2");
  return does;
}

// Of the cells of 8 bytes each that follow the first, how many are surely as it is, a multiple of kScanStep.
[[gnu::target("avx2")]] uint32_t scan_steps(const void* cells, uint32_t most) {
  const auto* four = static_cast<const __m256i*>(cells);
  const __m256i first =
      _mm256_broadcastq_epi64(_mm_loadl_epi64(static_cast<const __m128i*>(cells)));
  uint32_t count = 0;
  for (; count + kScanStep <= most; count += kScanStep, four += kScanStep / 4) {
    __m256i differs = _mm256_setzero_si256();
    for (int at = 0; at < 4; ++at) {
      differs = _mm256_or_si256(differs, _mm256_xor_si256(_mm256_loadu_si256(four + at), first));
    }
    if (_mm256_testz_si256(differs, differs) == 0) break;
  }
  return count;
}

[[gnu::target("avx2")]] uint32_t fill_steps(void* cells, uint32_t count, uint64_t with) {
  auto* four = static_cast<__m256i*>(cells);
  const __m256i value = _mm256_set1_epi64x(static_cast<int64_t>(with));
  uint32_t done = 0;
  for (; done + 4 <= count; done += 4) _mm256_storeu_si256(four++, value);
  return done;
}

#else

bool scans_avx2() { return false; }
uint32_t scan_steps(const void*, uint32_t) { return 0; }
uint32_t fill_steps(void*, uint32_t, uint64_t) { return 0; }

#endif

}  // namespace

uint32_t Shadow::equal_cells(const Cell* cells, uint32_t most) {
  static_assert(sizeof(Cell) == 8);
  uint32_t count = 1;
  if (most >= kScanStep && scans_avx2()) count = std::max(count, scan_steps(cells, most));
  while (count < most && cells[count] == cells[0]) ++count;
  return count;
}

void Shadow::fill_cells(Cell* cells, uint32_t count, Cell with) {
  uint32_t done = 0;
  if (count >= kScanStep && scans_avx2()) done = fill_steps(cells, count, with.bits);
  for (; done < count; ++done) cells[done] = with;
}

}  // namespace fa4::emu
