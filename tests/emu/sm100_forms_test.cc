// SPDX-License-Identifier: Apache-2.0
// The spellings of sm_100: what the machine takes the vendor's assembler must take, for the same architectures, and what it
// refuses that must refuse. Without ptxas in the path (or FA4_PTXAS) the second half is skipped.
#include "emu/assembler.h"
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

enum Takes : uint32_t { kNone = 0, kOn100 = 1, kOn103 = 2, kBoth = 3 };

struct Spelling {
  Takes takes;
  const char* text;
};

// One or more for each row of the chapters of tensor memory, and for each of what sm_100 adds to others.
constexpr Spelling kSpellings[] = {
    {kBoth, "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r1], 32"},
    {kBoth, "tcgen05.alloc.cta_group::1.sync.aligned.b32 [%rd1], %r2"},
    {kBoth, "tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [%rd1], %r2"},
    {kNone, "tcgen05.alloc.cta_group::3.sync.aligned.b32 [%rd1], %r2"},
    {kNone, "tcgen05.alloc.cta_group::1.aligned.b32 [%rd1], %r2"},
    {kBoth, "tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r1, 64"},
    {kBoth, "tcgen05.dealloc.cta_group::2.sync.aligned.b32 %r1, %r2"},
    {kBoth, "tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned"},
    {kBoth, "tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned"},
    {kBoth, "tcgen05.wait::ld.sync.aligned"},
    {kBoth, "tcgen05.wait::st.sync.aligned"},
    {kNone, "tcgen05.wait::mma.sync.aligned"},
    {kBoth, "tcgen05.fence::before_thread_sync"},
    {kBoth, "tcgen05.fence::after_thread_sync"},
    {kBoth, "tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r1}, [%r9+4]"},
    {kBoth, "tcgen05.ld.sync.aligned.32x32b.x4.pack::16b.b32 {%r1, %r2, %r3, %r4}, [%r9]"},
    {kBoth, "tcgen05.ld.sync.aligned.16x64b.x2.b32 {%r1, %r2}, [%r9]"},
    {kBoth, "tcgen05.ld.sync.aligned.16x128b.x1.b32 {%r1, %r2}, [%r9]"},
    {kBoth, "tcgen05.ld.sync.aligned.16x256b.x1.b32 {%r1, %r2, %r3, %r4}, [%r9]"},
    {kBoth, "tcgen05.ld.sync.aligned.16x32bx2.x2.pack::16b.b32 {%r1, %r2}, [%r9], 8"},
    {kNone, "tcgen05.ld.sync.aligned.16x32bx2.x2.b32 {%r1, %r2}, [%r9]"},
    {kNone, "tcgen05.ld.sync.aligned.32x32b.x1.b32 %r1, [%r9]"},
    {kNone, "tcgen05.ld.sync.aligned.32x32b.x2.b32 {%r1}, [%r9]"},
    {kNone, "tcgen05.ld.sync.aligned.32x32b.x1.unpack::16b.b32 {%r1}, [%r9]"},
    {kOn103, "tcgen05.ld.red.sync.aligned.32x32b.x2.min.f32 {%r1, %r2}, %r3, [%r9]"},
    {kOn103, "tcgen05.ld.red.sync.aligned.32x32b.x2.max.abs.NaN.f32 {%r1, %r2}, %r3, [%r9]"},
    {kOn103, "tcgen05.ld.red.sync.aligned.16x32bx2.x2.max.s32 {%r1, %r2}, %r3, [%r9], 8"},
    {kNone, "tcgen05.ld.red.sync.aligned.32x32b.x1.min.f32 {%r1}, %r3, [%r9]"},
    {kBoth, "tcgen05.st.sync.aligned.32x32b.x2.b32 [%r9], {%r1, 5}"},
    {kBoth, "tcgen05.st.sync.aligned.16x256b.x1.unpack::16b.b32 [%r9], {%r1, %r2, %r3, %r4}"},
    {kBoth, "tcgen05.st.sync.aligned.16x32bx2.x1.b32 [%r9], 8, {%r1}"},
    {kNone, "tcgen05.st.sync.aligned.16x32bx2.x1.b32 [%r9], {%r1}, 8"},
    {kBoth, "tcgen05.cp.cta_group::1.128x256b [%r1], %rd1"},
    {kBoth, "tcgen05.cp.cta_group::2.128x128b [%r1], %rd1"},
    {kBoth, "tcgen05.cp.cta_group::1.4x256b.b8x16.b4x16_p64 [%r1], %rd1"},
    {kBoth, "tcgen05.cp.cta_group::1.64x128b.warpx2::02_13 [%r1], %rd1"},
    {kBoth, "tcgen05.cp.cta_group::1.64x128b.warpx2::01_23.b8x16.b6x16_p32 [%r1], %rd1"},
    {kBoth, "tcgen05.cp.cta_group::1.32x128b.warpx4 [%r1], %rd1"},
    {kBoth, "tcgen05.cp.cta_group::1.32x128b.warpx4.b8x16.b4x16_p64 [%r1], %rd1"},
    {kNone, "tcgen05.cp.cta_group::1.32x128b [%r1], %rd1"},
    {kNone, "tcgen05.cp.cta_group::1.64x128b [%r1], %rd1"},
    {kBoth, "tcgen05.shift.cta_group::1.down [%r1]"},
    {kBoth, "add.rz.ftz.f32x2 %rd1, %rd2, %rd3"},
    {kBoth, "sub.f32x2 %rd1, %rd2, %rd3"},
    {kBoth, "mul.rp.f32x2 %rd1, %rd2, %rd3"},
    {kBoth, "fma.rn.ftz.f32x2 %rd1, %rd2, %rd3, %rd4"},
    {kNone, "fma.f32x2 %rd1, %rd2, %rd3, %rd4"},
    {kNone, "max.f32x2 %rd1, %rd2, %rd3"},
    {kBoth, "add.rz.sat.f32.f16 %f1, %rs1, %f2"},
    {kBoth, "sub.f32.bf16 %f1, %rs1, %f2"},
    {kBoth, "fma.rn.f32.bf16 %f1, %rs1, %rs2, %f2"},
    {kNone, "mul.rn.f32.bf16 %f1, %rs1, %f2"},
    {kBoth, "max.ftz.NaN.abs.f32 %f1, %f2, %f3, %f4"},
    {kBoth, "cvt.rn.satfinite.relu.e2m3x2.f32 %rs1, %f1, %f2"},
    {kBoth, "cvt.rn.satfinite.e2m1x2.f32 %b1, %f1, %f2"},
    {kBoth, "cvt.rn.relu.f16x2.e3m2x2 %r1, %rs1"},
    {kBoth, "cvt.rn.f16x2.e2m1x2 %r1, %b1"},
    {kBoth, "cvt.rp.satfinite.ue8m0x2.f32 %rs1, %f1, %f2"},
    {kBoth, "cvt.rz.ue8m0x2.bf16x2 %rs1, %r1"},
    {kBoth, "cvt.rn.bf16x2.ue8m0x2 %r1, %rs1"},
    {kBoth, "cvt.rs.bf16x2.f32 %r1, %f1, %f2, %r2"},
    {kBoth, "cvt.rs.satfinite.relu.f16x2.f32 %r1, %f1, %f2, %r2"},
    {kBoth, "redux.sync.max.abs.NaN.f32 %f1, %f2, 0xffffffff"},
    {kBoth,
     "ld.global.nc.L1::no_allocate.L2::256B.v8.b32 {%r1, %r2, %r3, _, %r5, %r6, %r7, %r8}, [%rd1]"},
    {kBoth, "ld.v4.f64 {%rd2, %rd3, %rd4, %rd5}, [%rd1]"},
    {kBoth, "st.global.L2::evict_first.v8.f32 [%rd1], {%f1, %f2, %f3, %f4, %f5, %f6, %f7, %f8}"},
    {kNone, "ld.shared.v8.b32 {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}, [%rd1]"},
    {kBoth,
     "clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [%r1], [%r2]"},
    {kBoth,
     "clusterlaunchcontrol.try_cancel.async.mbarrier::complete_tx::bytes.multicast::cluster::all.b128 [%rd1], [%rd2]"},
    {kBoth, "clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 %p1, %q1"},
    {kBoth,
     "clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128 {%r1, %r2, %r3, _}, %q1"},
    {kBoth, "clusterlaunchcontrol.query_cancel.get_first_ctaid::y.b32.b128 %r1, %q1"},
    {kBoth,
     "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.cta_group::2 [%r1], [%rd1, {%r3, %r4}], [%r2]"},
    {kBoth,
     "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster.cta_group::2.L2::cache_hint [%r1], [%rd1, {%r3, %r4}], [%r2], %rs1, %rd2"},
    {kBoth,
     "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.cta_group::2.multicast::cluster [%r1], [%rd1, {%r3, %r4, %r5}], [%r2], %rs1"},
    {kBoth,
     "cp.async.bulk.tensor.2d.cta_group::1.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%r1], [%rd1, {%r3, %r4}], [%r2], %rd2"},
    {kBoth, "stmatrix.sync.aligned.x4.m8n8.shared.b16.trans [%r9], {%r1, %r2, %r3, %r4}"},
    {kNone, "wgmma.fence.sync.aligned"},
};

TEST(Sm100Forms, TheMachineTakesWhatItSays) {
  for (const Takes on : {kOn100, kOn103}) {
    const uint32_t arch = on == kOn100 ? 100 : 103;
    Machine machine({.arch = arch});
    for (const Spelling& spelling : kSpellings) {
      std::string refusal;
      try {
        machine.entry(machine.load(module_with(arch, entry_with(spelling.text, 0))), "form_0");
      } catch (const MachineError& error) {
        refusal = error.what();
      }
      EXPECT_EQ(refusal.empty(), (spelling.takes & on) != 0)
          << "sm_" << arch << ": " << spelling.text << ": " << refusal;
    }
  }
}

TEST(Sm100Forms, TheAssemblerAgrees) {
  const Assembler assembler;
  if (!assembler.is_there()) GTEST_SKIP() << "needs ptxas, in the path or as FA4_PTXAS";
  for (const Takes on : {kOn100, kOn103}) {
    const uint32_t arch = on == kOn100 ? 100 : 103;
    std::string all;
    size_t number = 0;
    for (const Spelling& spelling : kSpellings) {
      const std::string entry = entry_with(spelling.text, number++);
      if ((spelling.takes & on) != 0) {
        all += entry;
      } else if (on == kOn100) {  // one by one, which takes its time
        EXPECT_FALSE(assembler.takes(arch, module_with(arch, entry))) << spelling.text;
      }
    }
    if (assembler.takes(arch, module_with(arch, all))) continue;
    for (const Spelling& spelling : kSpellings) {
      if ((spelling.takes & on) == 0) continue;
      EXPECT_TRUE(assembler.takes(arch, module_with(arch, entry_with(spelling.text, 0))))
          << "sm_" << arch << ": " << spelling.text;
    }
  }
}

}  // namespace
}  // namespace fa4::emu::test
