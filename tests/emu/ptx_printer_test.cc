// SPDX-License-Identifier: Apache-2.0
// Text to tree to text: nothing is lost on the way.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "emu/ptx_text.h"

namespace fa4::emu::ptx {
namespace {

constexpr const char* kEverything = R"(.version 9.0
.target sm_90a
.address_size 64
.pragma "nounroll";
.visible .global .align 4 .b8 table[2][3] = {{1, 0xFF, -1}, {017, 0b11, 6U}};
.extern .shared .align 128 .b8 smem[];
.const .v4 .f32 c = {0f3F800000, 0f00000000, 0fBF800000, 0f40490FDB};
.global .attribute(.managed) .align 4 .b32 shared_with_host;
.global .align 8 .u64 pointers[3] = {table, generic(table)+4, g};
.global .align 1 .u8 masked[2] = {0xFF(table), 0xFF00(generic(table)+2)};
.extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);
.func stop() .noreturn
{ exit; }
.visible .func (.param .align 16 .b8 r[16]) g(.param .b32 x, .param .align 4 .b8 y[12])
{
  .reg .b32 %r<3>;
  ld.param.b32 %r1, [x];
  st.param.v4.b32 [r+0], {%r1, %r1, %r1, 5};
  ret;
}
.func h(.reg .b32 x) ;
.weak .entry k(
  .param .u64 .ptr .global .align 16 out,
  .param .align 8 .b8 params[24]
)
.maxntid 128, 1, 1
.minnctapersm 2
.explicitcluster
.reqnctapercluster 2, 1, 1
{
  .reg .pred %p<4>;
  .reg .b32 %r<9>;
  .reg .b64 %rd<5>;
  .reg .f64 %fd<2>;
  .reg .v2 .f32 v;
  .local .align 16 .b8 depot[64];
  .shared .align 4 .f32 tile[4][8];
  .loc 1 4 0
  ld.param.u64 %rd1, [out];
  .loc 1 5 3, function_name $L__name+2, inlined_at 1 4 0
  mov.u32 %r1, %tid.x;
  mov.f64 %fd1, 0d3FF0000000000000;
  mov.f32 v.x, 0f3F800000;
  mov.u64 %rd2, smem+16;
$L__again:
  { .reg .pred p; setp.ne.b32 p, %r1, 0; @!p bra $L__again; }
  shfl.sync.idx.b32 %r2|%p1, %r1, 0, 31, -1;
  setp.lt.and.s32 %p2|_, %r1, %r2, !%p1;
  vadd.s32.u32.s32 %r3, %r2.b0, %r1.h1;
  vmad.s32.s32.s32 %r3, %r2, %r1, -%r3;
  @%p2 ld.global.v2.b32 {%r4, _}, [%rd1+-160];
  cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd2, {%r3, 0}], [%r2+8];
  {
    .param .b32 param0;
    .param .b64 param1;
    .param .b32 retval0;
    st.param.b64 [param1], %rd1;
    call.uni (retval0), vprintf, (param1, param1);
    proto : .callprototype (.param .b32 _) _ (.param .b64 _, .param .b64 _);
    call (retval0), %rd1, (param1, param1), proto;
    some: .calltargets g;
  }
  targets: .branchtargets $L__again, $L__done;
  .pragma "used_bytes_mask 15";
  brx.idx %r1, targets;
$L__done:
  bar.sync 0;
  ret;
}
.visible .func other();
.alias other, stop;
.file 1 "/fa4/generated.cu"
.file 2 "b.h", 1700000000, 512
.section .debug_str
{
$L__name:
.b8 95,90,0
.b32 .debug_abbrev
}
)";

TEST(PtxPrinter, LosesNothingOfAModuleThatSaysEverything) { expect_nothing_lost(kEverything); }

TEST(PtxPrinter, ListsOfVariablesAreTakenApart) {
  const std::string printed = printed_twice(entry_of(".reg .b32 a, %b<4>, c;"));
  EXPECT_NE(printed.find("  .reg .b32 a;\n  .reg .b32 %b<4>;\n  .reg .b32 c;\n"), std::string::npos)
      << printed;
}

TEST(PtxPrinter, LosesNothingOfProgramsOnDisk) {
  size_t num_programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/emu/golden")) {
    if (entry.path().extension() != ".ptx") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    SCOPED_TRACE(entry.path().string());
    expect_nothing_lost(text.str());
    ++num_programs;
  }
  EXPECT_GE(num_programs, 3u);
}

}  // namespace
}  // namespace fa4::emu::ptx
