// SPDX-License-Identifier: Apache-2.0
// A CTA of 128 threads that multiplies ones by ones: D = 16, for tests about order. Programs are put together from its pieces.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "emu/programs.h"

namespace fa4::emu::test::tcgen05_order {

// A and B lie at 0 and 4096 of the tile: bf16, K-major, no swizzle, all 1: 128 x 16 and 8 x 16. D is columns 0 to 7.
inline const std::string kSetUp = R"(
  .shared .align 1024 .b8 tile[8192];
  .shared .align 8 .b64 bar;
  .shared .align 8 .b64 other;
  .shared .align 4 .b32 tensor;
  .reg .b32 %idesc;
  mov.u32 %r10, tile;
  mov.u32 %r20, bar;
  mov.u32 %r21, other;
  mov.u32 %r22, tensor;
  mov.b32 %r12, 0x3f803f80;
  shl.b32 %r11, %r1, 2;
  add.s32 %r11, %r11, %r10;
  mov.u32 %r13, 0;
FILL:
  st.shared.u32 [%r11], %r12;
  add.s32 %r11, %r11, 512;
  add.s32 %r13, %r13, 512;
  setp.lt.u32 %p1, %r13, 8192;
  @%p1 bra FILL;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 mbarrier.init.shared::cta.b64 [%r20], 1;
  @%p2 mbarrier.init.shared::cta.b64 [%r21], 1;
  @%p2 fence.mbarrier_init.release.cluster;
  fence.proxy.async;
  shr.u32 %r14, %r1, 5;
  setp.ne.u32 %p3, %r14, 0;
  @%p3 bra ALLOCATED;
  tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r22], 64;
ALLOCATED:
  bar.sync 0;
  ld.shared.b32 %r23, [%r22];
  shl.b32 %r24, %r14, 21;
  add.s32 %r24, %r24, %r23;
  shr.u32 %r15, %r10, 4;
  cvt.u64.u32 %rd10, %r15;
  mov.u64 %rd12, 0x0000400800800000;
  or.b64 %rd10, %rd10, %rd12;
  add.s64 %rd11, %rd10, 256;
  mov.u32 %idesc, 0x08020490;
)";
// LBO 2048: from the first half of k to the second; SBO 128: from eight rows to the next. B has the same LBO.
inline const std::string kMma =
    "@%p2 tcgen05.mma.cta_group::1.kind::f16 [%r23], %rd10, %rd11, %idesc, 0;\n";
inline const std::string kMore =
    "@%p2 tcgen05.mma.cta_group::1.kind::f16 [%r23], %rd10, %rd11, %idesc, 1;\n";
inline const std::string kCommit =
    "@%p2 tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r20];\n";

inline std::string wait(const std::string& barrier = "%r20") {
  return "{\n.reg .pred %q;\nAGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 %q, [" + barrier +
         "], 0;\n@!%q bra AGAIN;\n}\n";
}
inline const std::string kWait = wait();
inline const std::string kLoad =
    "tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r30}, [%r24];\ntcgen05.wait::ld.sync.aligned;\n"
    "st.global.b32 [%rd2], %r30;\n";
inline const std::string kFree =
    "bar.sync 0;\n@%p3 bra FREED;\ntcgen05.dealloc.cta_group::1.sync.aligned.b32 %r23, 64;\nFREED:\n";

inline std::string text_of(const std::string& body) {
  std::string text = program(kSetUp + body + kFree);
  text.replace(text.find("sm_80"), 5, "sm_100a");
  return text;
}

inline Words multiply(const std::string& body, MachineOptions options = {}) {
  options.arch = 100;
  return run(text_of(body), std::vector<uint32_t>(128, 7), {.threads = 128}, options);
}

inline testing::AssertionResult all_are(const Words& words, float expected) {
  for (size_t i = 0; i < words.values.size(); ++i) {
    float value;
    std::memcpy(&value, &words.values[i], 4);
    if (value != expected) {
      return testing::AssertionFailure() << "value " << i << " is " << value << "\n"
                                         << words.texts();
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace fa4::emu::test::tcgen05_order
