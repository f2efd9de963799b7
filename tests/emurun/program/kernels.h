// SPDX-License-Identifier: Apache-2.0
// What the test's program launches.
#pragma once

#include <string>

namespace fa4::emurun::testing {

// add: z[i] = x[i] * factors[1] + y[i] for i < count; thread 0 writes count to `counter`, and the architecture of the text
// to `arch`. reverse: a block turns count words round through dynamic shared memory.
inline std::string kernels_for(const std::string& target) {
  const size_t digits = target.find_first_of("0123456789");
  const std::string arch = std::to_string(std::stoi(target.substr(digits)));
  return R"(// SPDX-License-Identifier: Apache-2.0
.version 8.0
.target )" +
         target + R"(
.address_size 64
.const .align 4 .b8 factors[16];
.global .align 4 .u32 counter;
.global .attribute(.managed) .align 4 .u32 arch;
.extern .shared .align 16 .b8 pool[];
.visible .entry add(.param .u64 x, .param .u64 y, .param .u64 z, .param .u32 count)
{
  .reg .pred %p<3>;
  .reg .f32 %f<5>;
  .reg .b32 %r<7>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [x];
  ld.param.u64 %rd2, [y];
  ld.param.u64 %rd3, [z];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra $end;
  mul.wide.u32 %rd4, %r5, 4;
  add.s64 %rd5, %rd1, %rd4;
  add.s64 %rd6, %rd2, %rd4;
  add.s64 %rd7, %rd3, %rd4;
  ld.global.f32 %f1, [%rd5];
  ld.global.f32 %f2, [%rd6];
  ld.const.f32 %f3, [factors+4];
  fma.rn.f32 %f4, %f1, %f3, %f2;
  st.global.f32 [%rd7], %f4;
  setp.ne.u32 %p2, %r5, 0;
  @%p2 bra $end;
  st.global.u32 [counter], %r1;
  mov.u32 %r6, )" +
         arch + R"(;
  st.global.u32 [arch], %r6;
$end:
  ret;
}
.visible .entry reverse(.param .u64 x, .param .u32 count)
{
  .reg .b32 %r<8>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [x];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %rd2, %r2, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r3, [%rd3];
  mov.u32 %r4, pool;
  sub.u32 %r5, %r1, %r2;
  sub.u32 %r5, %r5, 1;
  mad.lo.u32 %r6, %r5, 4, %r4;
  st.shared.u32 [%r6], %r3;
  bar.sync 0;
  mad.lo.u32 %r6, %r2, 4, %r4;
  ld.shared.u32 %r7, [%r6];
  st.global.u32 [%rd3], %r7;
  ret;
}
)";
}

}  // namespace fa4::emurun::testing
