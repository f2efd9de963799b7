// SPDX-License-Identifier: Apache-2.0
// A producer, a consumer, two slots, and the mbarriers between them.
#pragma once

#include <string>

#include "emu/cluster_programs.h"

namespace fa4::emu::test {

// Warp 0 writes two slots in turn, warp 1 adds up what it reads: eight rounds. The pieces may be replaced.
struct RingPieces {
  std::string full_arrive = "mbarrier.arrive.shared::cta.b64 _, [%r22];";
  std::string full_wait = "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r22], %r7;";
  std::string empty_arrive = "mbarrier.arrive.shared::cta.b64 _, [%r23];";
  std::string empty_wait = "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r23], %r8;";
  std::string count = "32";
};

inline std::string ring(const RingPieces& pieces = {}) {
  return sm90_program(R"(
  .shared .align 16 .b8 slots[256];
  .shared .align 8 .b64 full[2];
  .shared .align 8 .b64 empty[2];
  mov.u32 %r10, slots;
  mov.u32 %r20, full;
  mov.u32 %r21, empty;
  setp.eq.u32 %p2, %r1, 0;
  @!%p2 bra READY;
  mbarrier.init.shared::cta.b64 [%r20], )" +
                      pieces.count + R"(;
  mbarrier.init.shared::cta.b64 [%r20+8], 32;
  mbarrier.init.shared::cta.b64 [%r21], 32;
  mbarrier.init.shared::cta.b64 [%r21+8], 32;
READY:
  bar.sync 0;
  and.b32 %r2, %r1, 31;
  shl.b32 %r11, %r2, 2;
  mov.u32 %r3, 0;
  mov.u32 %r9, 0;
  setp.ge.u32 %p3, %r1, 32;
LOOP:
  and.b32 %r4, %r3, 1;
  shr.u32 %r5, %r3, 1;
  and.b32 %r7, %r5, 1;
  xor.b32 %r8, %r7, 1;
  shl.b32 %r6, %r4, 7;
  add.s32 %r12, %r10, %r6;
  add.s32 %r12, %r12, %r11;
  shl.b32 %r6, %r4, 3;
  add.s32 %r22, %r20, %r6;
  add.s32 %r23, %r21, %r6;
  @%p3 bra CONSUME;
EMPTY:
  )" + pieces.empty_wait +
                      R"(
  @!%p1 bra EMPTY;
  mad.lo.s32 %r13, %r3, 100, %r2;
  st.shared.u32 [%r12], %r13;
  )" + pieces.full_arrive +
                      R"(
  bra.uni NEXT;
CONSUME:
FULL:
  )" + pieces.full_wait +
                      R"(
  @!%p1 bra FULL;
  xor.b32 %r14, %r12, 4;
  ld.shared.u32 %r13, [%r14];
  add.s32 %r9, %r9, %r13;
  )" + pieces.empty_arrive +
                      R"(
NEXT:
  add.s32 %r3, %r3, 1;
  setp.lt.u32 %p4, %r3, 8;
  @%p4 bra LOOP;
  @%p3 st.global.u32 [%rd2], %r9;
)");
}

inline const Shape kTwoWarps{.threads = 64};

}  // namespace fa4::emu::test
