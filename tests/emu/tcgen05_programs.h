// SPDX-License-Identifier: Apache-2.0
// PTX programs around one tcgen05.mma: 128 threads, in one CTA or in each of a pair, fill shared memory and tensor memory from
// global memory, one thread multiplies, and D comes back whole.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "emu/programs.h"
#include "emu/tcgen05_twin.h"

namespace fa4::emu::test {

// The words that a program reads and writes, in this order:
//   32 numbers: address of D, of A in tensor memory, A's descriptor, B's, instruction descriptor, enable-input-d, eight words of
//   disable-output-lane, how many columns D has; then for each CTA its shared memory, and its tensor memory column by column; then the columns
//   that D has, for each CTA.
struct MmaProgram {
  std::string form;  // "cta_group::1.kind::f16"
  bool tensor_a = false;
  bool masked = false;
  std::string shift;  // ", 3": scale-input-d
  uint32_t group = 1;
  uint32_t shared_bytes = 4096;  // from the first on, all of dynamic shared memory that is filled
  uint32_t tensor_columns = 512;
  std::string arch = "sm_100a";
};

inline std::string mma_program(const MmaProgram& p) {
  const std::string group = std::to_string(p.group);
  const std::string together =
      p.group == 1 ? "  bar.sync 0;\n"
                   : "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n";
  const uint32_t per_cta = p.shared_bytes / 4 + 128 * p.tensor_columns;
  const std::string mask = !p.masked      ? ""
                           : p.group == 1 ? ", {%m0, %m1, %m2, %m3}"
                                          : ", {%m0, %m1, %m2, %m3, %m4, %m5, %m6, %m7}";
  std::string load_mask;
  for (int i = 0; i < 8; ++i) {
    load_mask +=
        "  ld.global.b32 %m" + std::to_string(i) + ", [%rd1+" + std::to_string(32 + 4 * i) + "];\n";
  }
  return R"(.version 8.7
.target )" +
         p.arch + R"(
.address_size 64
.extern .shared .align 1024 .b8 tile[];
.visible .entry kernel(.param .u64 words)
)" + (p.group == 2 ? ".explicitcluster .reqnctapercluster 2, 1, 1\n" : "") +
         R"({
  .reg .pred %p<8>;
  .reg .b16 %rs<4>;
  .reg .b32 %r<64>;
  .reg .b32 %m<8>;
  .reg .b64 %rd<32>;
  .shared .align 8 .b64 bar;
  .shared .align 4 .b32 tensor;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, bar;
  mov.u32 %r3, tile;
  mov.u32 %r4, %cluster_ctarank;
  mov.u32 %r5, tensor;
  ld.param.u64 %rd1, [words];
  cvta.to.global.u64 %rd1, %rd1;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 mbarrier.init.shared::cta.b64 [%r2], 1;
  @%p1 fence.mbarrier_init.release.cluster;
  shr.u32 %r6, %r1, 5;
  setp.ne.u32 %p2, %r6, 0;
  @%p2 bra ALLOCATED;
  tcgen05.alloc.cta_group::)" +
         group + R"(.sync.aligned.shared::cta.b32 [%r5], )" + std::to_string(p.tensor_columns) +
         R"(;
ALLOCATED:
  // This CTA's words.
  mul.lo.u32 %r7, %r4, )" +
         std::to_string(per_cta) + R"(;
  add.u32 %r7, %r7, 32;
  mul.wide.u32 %rd2, %r7, 4;
  add.s64 %rd2, %rd2, %rd1;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd3, %rd3, %rd2;
  shl.b32 %r8, %r1, 2;
  add.u32 %r8, %r8, %r3;
  mov.u32 %r9, 0;
FILL:
  ld.global.b32 %r10, [%rd3];
  st.shared.b32 [%r8], %r10;
  add.s64 %rd3, %rd3, 512;
  add.u32 %r8, %r8, 512;
  add.u32 %r9, %r9, 512;
  setp.lt.u32 %p3, %r9, )" +
         std::to_string(p.shared_bytes) + R"(;
  @%p3 bra FILL;
  fence.proxy.async;
)" + together +
         R"(  ld.shared.b32 %r20, [%r5];
  shl.b32 %r11, %r6, 21;
  add.u32 %r11, %r11, %r20;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd3, %rd3, %rd2;
  add.s64 %rd3, %rd3, )" +
         std::to_string(p.shared_bytes) + R"(;
  mov.u32 %r9, 0;
COLUMNS:
  ld.global.b32 %r12, [%rd3];
  ld.global.b32 %r13, [%rd3+512];
  ld.global.b32 %r14, [%rd3+1024];
  ld.global.b32 %r15, [%rd3+1536];
  ld.global.b32 %r16, [%rd3+2048];
  ld.global.b32 %r17, [%rd3+2560];
  ld.global.b32 %r18, [%rd3+3072];
  ld.global.b32 %r19, [%rd3+3584];
  tcgen05.st.sync.aligned.32x32b.x8.b32 [%r11], {%r12, %r13, %r14, %r15, %r16, %r17, %r18, %r19};
  add.s64 %rd3, %rd3, 4096;
  add.u32 %r11, %r11, 8;
  add.u32 %r9, %r9, 8;
  setp.lt.u32 %p3, %r9, )" +
         std::to_string(p.tensor_columns) + R"(;
  @%p3 bra COLUMNS;
  tcgen05.wait::st.sync.aligned;
  tcgen05.fence::before_thread_sync;
)" + together +
         R"(  tcgen05.fence::after_thread_sync;
  // Thread 0 of rank 0 multiplies.
  ld.global.b32 %r21, [%rd1];
  ld.global.b32 %r22, [%rd1+4];
  ld.global.b64 %rd4, [%rd1+8];
  ld.global.b64 %rd5, [%rd1+16];
  ld.global.b32 %r23, [%rd1+24];
  ld.global.b32 %r24, [%rd1+28];
)" + load_mask +
         R"(  add.u32 %r21, %r21, %r20;
  add.u32 %r22, %r22, %r20;
  and.b32 %r25, %r3, 0xffffff;
  shr.u32 %r25, %r25, 4;
  cvt.u64.u32 %rd6, %r25;
  add.s64 %rd4, %rd4, %rd6;
  add.s64 %rd5, %rd5, %rd6;
  setp.ne.u32 %p4, %r24, 0;
  or.b32 %r26, %r1, %r4;
  setp.ne.u32 %p2, %r26, 0;
  @%p2 bra ISSUED;
  tcgen05.mma.)" +
         p.form + " [%r21], " + (p.tensor_a ? "[%r22]" : "%rd4") + ", %rd5, %r23" + mask + ", %p4" +
         p.shift + ";\n" +
         (p.group == 1
              ? "  tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r2];\n"
              : "  mov.u16 %rs1, 3;\n  tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::"
                "cluster.multicast::cluster.b64 [%r2], %rs1;\n") +
         R"(ISSUED:
AGAIN:
  mbarrier.try_wait.parity.shared::cta.b64 %p5, [%r2], 0;
  @!%p5 bra AGAIN;
  tcgen05.fence::after_thread_sync;
  // Behind all CTAs' words.
  shl.b32 %r11, %r6, 21;
  add.u32 %r11, %r11, %r20;
  ld.global.b32 %r21, [%rd1];
  and.b32 %r21, %r21, 0xffff;
  add.u32 %r11, %r11, %r21;
  ld.global.b32 %r27, [%rd1+64];
  mul.lo.u32 %r28, %r27, 128;
  mul.lo.u32 %r28, %r28, %r4;
  add.u32 %r28, %r28, )" +
         std::to_string(32 + p.group * per_cta) + R"(;
  mul.wide.u32 %rd3, %r28, 4;
  add.s64 %rd3, %rd3, %rd1;
  mul.wide.u32 %rd7, %r1, 4;
  add.s64 %rd3, %rd3, %rd7;
  mov.u32 %r9, 0;
OUT:
  tcgen05.ld.sync.aligned.32x32b.x4.b32 {%r12, %r13, %r14, %r15}, [%r11];
  tcgen05.wait::ld.sync.aligned;
  st.global.b32 [%rd3], %r12;
  st.global.b32 [%rd3+512], %r13;
  st.global.b32 [%rd3+1024], %r14;
  st.global.b32 [%rd3+1536], %r15;
  add.s64 %rd3, %rd3, 2048;
  add.u32 %r11, %r11, 4;
  add.u32 %r9, %r9, 4;
  setp.lt.u32 %p3, %r9, %r27;
  @%p3 bra OUT;
)" + together +
         R"(  setp.ne.u32 %p2, %r6, 0;
  @%p2 bra DONE;
  tcgen05.relinquish_alloc_permit.cta_group::)" +
         group + R"(.sync.aligned;
  tcgen05.dealloc.cta_group::)" +
         group + R"(.sync.aligned.b32 %r20, )" + std::to_string(p.tensor_columns) + R"(;
DONE:
  ret;
}
)";
}

// Machines with one program each.
class MmaRunner {
 public:
  MmaRunner(const MmaProgram& program, const MachineOptions& options)
      : program_(program), machine_(options), module_(machine_.load(mma_program(program))) {}

  // What TwinMma::run is given, and what it answers.
  std::vector<uint32_t> run(const TwinMma& mma, const std::vector<std::vector<uint8_t>>& shared,
                            const std::vector<std::vector<uint32_t>>& tensor) {
    const uint32_t columns = mma.d_columns();
    std::vector<uint32_t> words(32, 0);
    words[0] = mma.lane << 16 | mma.d_column;
    words[1] = mma.lane << 16 | mma.a_column;
    const uint64_t descriptors[2] = {mma.a.descriptor(), mma.b.descriptor()};
    std::memcpy(&words[2], descriptors, sizeof descriptors);
    words[6] = mma.instruction();
    words[7] = mma.accumulate ? 1 : 0;
    std::copy(mma.disabled.begin(), mma.disabled.end(), words.begin() + 8);
    words[16] = columns;
    for (uint32_t cta = 0; cta < mma.group; ++cta) {
      const size_t at = words.size();
      words.resize(at + program_.shared_bytes / 4 + size_t{128} * program_.tensor_columns);
      std::memcpy(&words[at], shared[cta].data(), program_.shared_bytes);
      uint32_t* const tensor_words = &words[at + program_.shared_bytes / 4];
      for (uint32_t column = 0; column < program_.tensor_columns; ++column) {
        for (uint32_t lane = 0; lane < 128; ++lane) {
          tensor_words[column * 128 + lane] = tensor[cta][lane * 512 + column];
        }
      }
    }
    const size_t out = words.size();
    words.resize(out + size_t{mma.group} * 128 * columns, 0x7ffff123);
    const auto address = reinterpret_cast<uint64_t>(words.data());
    machine_.memory().add({"words", address, words.size() * 4, true});
    KernelLaunch launch;
    launch.module = module_;
    launch.entry = "kernel";
    launch.grid = {mma.group, 1, 1};
    launch.block = {128, 1, 1};
    launch.dynamic_shared_bytes = program_.shared_bytes;
    launch.params.resize(8);
    std::memcpy(launch.params.data(), &address, 8);
    report = machine_.launch(launch);
    machine_.memory().remove(address);
    std::vector<uint32_t> d(size_t{mma.group} * 128 * columns);
    for (size_t at = 0; at < d.size(); ++at) {
      const size_t cta = at / (128 * columns), lane = at / columns % 128, column = at % columns;
      d[at] = words[out + (cta * columns + column) * 128 + lane];
    }
    return d;
  }

  RunReport report;

 private:
  MmaProgram program_;
  Machine machine_;
  ModuleId module_;
};

}  // namespace fa4::emu::test
