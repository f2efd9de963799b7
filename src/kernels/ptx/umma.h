// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "tcgen05.mma" and "tcgen05.commit": D[M, N] in TMEM = A[M, K] * B[N, K]^T (+ D), asynchronously, for a CTA or
// for a pair. One lane issues. Until a commit has arrived, neither A and B may be written nor D be touched; the MMAs of
// one lane with the same accumulator and shape go in order among themselves. K is 32 bytes of a row.
//
//     _ss    A and B in SMEM: descriptors of tile/matrix_descriptor.h
//     _ts    A in TMEM, two or four elements a column, row m in the lane of D's row m
//     idesc  types, majors, M and N: tile/instruction_descriptor.h
//
// With kCtaGroup 2 one lane of the even CTA issues for both. M and N are the pair's; each CTA holds M/2 rows of A and N/2
// of B at the same offsets of its SMEM, and with M = 256 all N columns of D for its own rows.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// tcgen05.mma.cta_group::kCtaGroup.kind::KIND [d], a, b_desc, idesc, enable_input_d;
// sm_100a. One lane, the same all along. Without enable_input_d, D is not read.
#define FA4_TCGEN05_MMA(function, kind, A, a_text, a_mode)                                        \
  template <u32 kCtaGroup>                                                                        \
  FA4_DEVICE void function(u32 d_tmem, A a, u64 b_desc, u32 idesc, bool enable_input_d) {         \
    asm volatile(                                                                                 \
        "{\n"                                                                                     \
        ".reg .pred p;\n"                                                                         \
        "setp.ne.b32 p, %4, 0;\n"                                                                 \
        "tcgen05.mma.cta_group::%5.kind::" kind " [%0], " a_text                                  \
        ", %2, %3, p;\n"                                                                          \
        "}\n"                                                                                     \
        :                                                                                         \
        : "r"(d_tmem), a_mode(a), "l"(b_desc), "r"(idesc), "r"(static_cast<u32>(enable_input_d)), \
          "n"(kCtaGroup)                                                                          \
        : "memory");                                                                              \
  }

FA4_TCGEN05_MMA(tcgen05_mma_f16_ss, "f16", u64, "%1", "l")
FA4_TCGEN05_MMA(tcgen05_mma_f16_ts, "f16", u32, "[%1]", "r")
FA4_TCGEN05_MMA(tcgen05_mma_tf32_ss, "tf32", u64, "%1", "l")
FA4_TCGEN05_MMA(tcgen05_mma_tf32_ts, "tf32", u32, "[%1]", "r")
FA4_TCGEN05_MMA(tcgen05_mma_f8f6f4_ss, "f8f6f4", u64, "%1", "l")
FA4_TCGEN05_MMA(tcgen05_mma_f8f6f4_ts, "f8f6f4", u32, "[%1]", "r")

#undef FA4_TCGEN05_MMA

// tcgen05.commit.cta_group::kCtaGroup.mbarrier::arrive::one.shared::cluster.b64 [mbar];
// sm_100a. One lane: mbar, here or in another CTA of the cluster (mapa), gets one arrival when all that this lane issued
// before is done: operands read, accumulators complete. It carries the fence before_thread_sync.
template <u32 kCtaGroup>
FA4_DEVICE void tcgen05_commit(u32 mbar) {
  asm volatile("tcgen05.commit.cta_group::%1.mbarrier::arrive::one.shared::cluster.b64 [%0];"
               :
               : "r"(mbar), "n"(kCtaGroup)
               : "memory");
}

// tcgen05.commit.cta_group::kCtaGroup.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64
//     [mbar], cta_mask;
// sm_100a. Likewise; the arrival goes to the barrier at the same offset in every CTA of the mask.
template <u32 kCtaGroup>
FA4_DEVICE void tcgen05_commit_multicast(u32 mbar, u16 cta_mask) {
  asm volatile(
      "tcgen05.commit.cta_group::%2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64"
      " [%0], %1;"
      :
      : "r"(mbar), "h"(cta_mask), "n"(kCtaGroup)
      : "memory");
}

}  // namespace fa4::ptx
