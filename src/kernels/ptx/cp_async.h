// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "cp.async": copies from global memory to SMEM that the issuing thread does not wait for. Both addresses
// are multiples of the size. Only the first `source_bytes` are read, the rest of the destination is zeroed; 0
// reads nothing, but the address must lie in a tensor. Groups belong to a thread: after its wait, a barrier lets
// others read what it copied.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// cp.async.cg.shared.global [smem], [source], 16, source_bytes;
// sm_80. Any lane. Past L1.
FA4_DEVICE void cp_async_16(u32 smem, const void* source, u32 source_bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(smem), "l"(__cvta_generic_to_global(source)), "r"(source_bytes)
               : "memory");
}

// cp.async.ca.shared.global [smem], [source], 8, source_bytes;
// sm_80. Any lane.
FA4_DEVICE void cp_async_8(u32 smem, const void* source, u32 source_bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
               :
               : "r"(smem), "l"(__cvta_generic_to_global(source)), "r"(source_bytes)
               : "memory");
}

// cp.async.ca.shared.global [smem], [source], 4, source_bytes;
// sm_80. Any lane.
FA4_DEVICE void cp_async_4(u32 smem, const void* source, u32 source_bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
               :
               : "r"(smem), "l"(__cvta_generic_to_global(source)), "r"(source_bytes)
               : "memory");
}

// cp.async.commit_group;
// sm_80. Closes the group of this thread's copies since the last.
FA4_DEVICE void cp_async_commit_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// cp.async.wait_group kPending;
// sm_80. Until at most kPending of this thread's latest groups are unfinished.
template <u32 kPending>
FA4_DEVICE void cp_async_wait_group() {
  asm volatile("cp.async.wait_group %0;" : : "n"(kPending) : "memory");
}

}  // namespace fa4::ptx
