// SPDX-License-Identifier: Apache-2.0
// PTX ISA, chapter "tcgen05": the life of tensor memory. An SM has 128 lanes x 512 columns of 32 bits; an address is lane << 16 | column.
// A kernel names one cta_group in all its tcgen05 instructions: 2 when a pair of CTAs (ranks that differ in bit 0)
// multiplies as one. tmem_access.h moves data between TMEM and registers, umma.h multiplies.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

constexpr u32 kTmemColumns = 512;

// tcgen05.alloc.cta_group::kCtaGroup.sync.aligned.shared::cta.b32 [smem], columns;
// sm_100a. A whole warp; of a pair, one in each CTA. Blocks until `columns` (a power of two from 32) are free, then
// writes their address to SMEM by an ordinary store: a barrier among threads tells the others.
template <u32 kCtaGroup>
FA4_DEVICE void tcgen05_alloc(u32 smem, u32 columns) {
  asm volatile("tcgen05.alloc.cta_group::%2.sync.aligned.shared::cta.b32 [%0], %1;"
               :
               : "r"(smem), "r"(columns), "n"(kCtaGroup)
               : "memory");
}

// tcgen05.dealloc.cta_group::kCtaGroup.sync.aligned.b32 taddr, columns;
// sm_100a. A whole warp; of a pair, one in each CTA, after a barrier of both. What alloc gave, before the kernel ends.
template <u32 kCtaGroup>
FA4_DEVICE void tcgen05_dealloc(u32 taddr, u32 columns) {
  asm volatile("tcgen05.dealloc.cta_group::%2.sync.aligned.b32 %0, %1;"
               :
               : "r"(taddr), "r"(columns), "n"(kCtaGroup)
               : "memory");
}

// tcgen05.relinquish_alloc_permit.cta_group::kCtaGroup.sync.aligned;
// sm_100a. A whole warp; of a pair, one in each CTA. This CTA allocates no more, so that the next one on the SM can.
template <u32 kCtaGroup>
FA4_DEVICE void tcgen05_relinquish_alloc_permit() {
  asm volatile("tcgen05.relinquish_alloc_permit.cta_group::%0.sync.aligned;" : : "n"(kCtaGroup));
}

// tcgen05.wait::ld.sync.aligned;
// sm_100a. A whole warp. Its tcgen05.ld are done: their registers hold the values (then `hold`, so that the compiler
// uses none of them before), and their TMEM may be overwritten once others are told.
FA4_DEVICE void tcgen05_wait_ld() { asm volatile("tcgen05.wait::ld.sync.aligned;" ::: "memory"); }

// tcgen05.wait::st.sync.aligned;
// sm_100a. A whole warp. Its tcgen05.st are in TMEM.
FA4_DEVICE void tcgen05_wait_st() { asm volatile("tcgen05.wait::st.sync.aligned;" ::: "memory"); }

// tcgen05.fence::before_thread_sync;
// sm_100a. Each thread. Between our tcgen05 instructions and the arrival or barrier that hands TMEM over.
FA4_DEVICE void tcgen05_fence_before_thread_sync() {
  asm volatile("tcgen05.fence::before_thread_sync;" ::: "memory");
}

// tcgen05.fence::after_thread_sync;
// sm_100a. Each thread. Between the wait or barrier that made TMEM ours and our first tcgen05 instruction.
FA4_DEVICE void tcgen05_fence_after_thread_sync() {
  asm volatile("tcgen05.fence::after_thread_sync;" ::: "memory");
}

}  // namespace fa4::ptx
