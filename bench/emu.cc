// SPDX-License-Identifier: Apache-2.0
// Speed of the PTX machine on one core, all checks on: the five numbers of its brief (softmax mix, fast and exact
// products, shared and global accesses) and a row per unit. PTX text through the C API, as a user runs it. Which
// numbers are kept, and how they are compared: bench/README.md.
#include "fa4/emu.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kWarps = 4;
constexpr uint32_t kRounds = 256;  // of the loop in the kernel
constexpr uint32_t kSharedBytes = 16384;
constexpr size_t kGlobalBytes = 1 << 16;

void check(fa4emu_status status) {
  if (status == FA4EMU_OK) return;
  fmt::print(stderr, "fa4_emu_bench: {}\n", fa4emu_last_error());
  std::exit(1);
}

struct Program {
  std::string name;
  std::string body;  // of the loop
  uint32_t arch = 80;
  const char* numerics = "exact";
  double macs = 0;        // of one execution of the body by one warp
  std::string text = {};  // the whole program, where it is another one
};

std::string repeated(uint32_t times, const std::string& line) {
  std::string text;
  for (uint32_t i = 0; i < times; ++i) {
    // `{a}`, `{b}`: registers that differ from line to line, so that no line waits for the one before.
    text += fmt::format(fmt::runtime(line), fmt::arg("a", 8 + i % 8), fmt::arg("b", 16 + i % 8),
                        fmt::arg("v", 32 + 4 * (i % 4)), fmt::arg("w", 33 + 4 * (i % 4)),
                        fmt::arg("x", 34 + 4 * (i % 4)), fmt::arg("y", 35 + 4 * (i % 4)),
                        fmt::arg("k", 512 * (i % 8)));
    text += '\n';
  }
  return text;
}

// %r1: thread, %r2: its 16 bytes of shared memory, %r3: its 4; %r4: a row of 8 x 8 matrices, 144 bytes apart;
// %rd2 and %rd3: 16 and 4 bytes of global memory. The numbers in %f are small, and differ.
std::string ptx_of(const Program& program) {
  std::string text = fmt::format(
      ".version 8.0\n.target sm_{}\n.address_size 64\n"
      ".visible .entry bench(.param .u64 memory)\n{{\n"
      ".reg .pred %p<32>;\n.reg .b16 %h<32>;\n.reg .b32 %r<64>;\n.reg .f32 %f<64>;\n"
      ".reg .b64 %rd<32>;\n.reg .f64 %fd<32>;\n"
      ".shared .align 128 .b8 tile[{}];\n"
      "ld.param.u64 %rd1, [memory];\nmov.u32 %r1, %tid.x;\nmov.u32 %r60, tile;\n"
      "shl.b32 %r61, %r1, 4;\nadd.s32 %r2, %r60, %r61;\n"
      "shl.b32 %r62, %r1, 2;\nadd.s32 %r3, %r60, %r62;\n"
      "and.b32 %r4, %r1, 31;\nmul.lo.s32 %r4, %r4, 144;\nadd.s32 %r4, %r4, %r60;\n"
      "cvt.u64.u32 %rd2, %r61;\nadd.s64 %rd2, %rd1, %rd2;\n"
      "cvt.u64.u32 %rd3, %r62;\nadd.s64 %rd3, %rd1, %rd3;\n",
      program.arch == 90 ? "90a" : fmt::format("{}", program.arch), kSharedBytes);
  for (uint32_t i = 5; i < 60; ++i) text += fmt::format("add.s32 %r{}, %r1, {};\n", i, 3 * i);
  for (uint32_t i = 0; i < 64; ++i) {
    text += fmt::format("cvt.rn.f32.u32 %f{0}, %r{1};\nmul.f32 %f{0}, %f{0}, 0f3C23D70A;\n", i,
                        5 + i % 50);
  }
  for (uint32_t i = 4; i < 32; ++i) text += fmt::format("cvt.u64.u32 %rd{0}, %r{0};\n", i);
  for (uint32_t i = 0; i < 32; ++i) {
    text += fmt::format(
        "cvt.f64.f32 %fd{0}, %f{0};\nsetp.lt.s32 %p{0}, %r1, {0};\n"
        "cvt.u16.u32 %h{0}, %r{1};\n",
        i, 5 + i);
  }
  // Every warp fills all of the tile that it will read: the accesses of the loop meet no other warp's.
  text += "setp.ge.u32 %p31, %r1, 32;\n@%p31 bra FILLED;\n";
  for (uint32_t at = 0; at < kSharedBytes; at += 512) {
    text += fmt::format("st.shared.v4.b32 [%r2+{}], {{%r5, %r6, %r7, %r8}};\n", at);
  }
  text += fmt::format(
      "FILLED:\nbar.sync 0;\nmov.u32 %r63, 0;\nLOOP:\n{}"
      "add.s32 %r63, %r63, 1;\nsetp.lt.u32 %p31, %r63, {};\n@%p31 bra LOOP;\nret;\n}}\n",
      program.body, kRounds);
  return text;
}

void run(benchmark::State& state, const Program& program) {
  fa4emu_options options;
  fa4emu_options_init(&options);
  options.arch = program.arch;
  options.threads = 1;
  options.numerics = program.numerics;
  fa4emu_machine* machine = nullptr;
  check(fa4emu_create(&options, &machine));
  const std::string text = program.text.empty() ? ptx_of(program) : program.text;
  uint64_t module = 0;
  check(fa4emu_load(machine, text.data(), text.size(), &module));
  const auto memory = std::make_unique<float[]>(kGlobalBytes / 4);
  check(fa4emu_add_memory(machine, "memory", memory.get(), kGlobalBytes, 1));
  const float* param = memory.get();
  fa4emu_launch_config launch = {};
  launch.struct_size = sizeof(launch);
  launch.module = module;
  launch.entry = "bench";
  launch.grid[0] = launch.grid[1] = launch.grid[2] = 1;
  launch.block[0] = 32 * kWarps;
  launch.block[1] = launch.block[2] = 1;
  launch.cluster[0] = launch.cluster[1] = launch.cluster[2] = 1;
  launch.params = &param;
  launch.param_bytes = sizeof(param);
  double instructions = 0;
  for (auto _ : state) {
    fa4emu_report* report = nullptr;
    check(fa4emu_launch(machine, &launch, &report));
    fa4emu_summary summary = {};
    summary.struct_size = sizeof(summary);
    check(fa4emu_report_summary(report, &summary));
    if (summary.num_errors != 0) state.SkipWithError(summary.text);
    instructions += static_cast<double>(summary.warp_instructions);
    fa4emu_report_destroy(report);
  }
  fa4emu_destroy(machine);
  state.counters["instr"] = benchmark::Counter(instructions, benchmark::Counter::kIsRate);
  if (program.macs != 0) {
    const double launches = static_cast<double>(state.iterations());
    state.counters["mac"] =
        benchmark::Counter(program.macs * kWarps * kRounds * launches, benchmark::Counter::kIsRate);
  }
}

// One row of 12 columns of the online softmax, as the portable forward kernel of sm_80 has it: mask, maximum over the
// quad, the conditional rescale of 16 outputs, exponentials, sum, and P rounded to bf16.
std::string softmax_mix() {
  std::string text;
  for (int i = 0; i < 12; ++i) {
    text += fmt::format("setp.lt.u32 %p1, %r{}, %r50;\n", 8 + i);
    if (i % 3 == 0)
      text += fmt::format("setp.ge.u32 %p2, %r{}, %r5;\nand.pred %p1, %p1, %p2;\n", 8 + i);
    text += fmt::format("selp.f32 %f{}, %f{}, 0fFF800000, %p1;\n", 32 + i, 8 + i);
  }
  text += "max.f32 %f1, %f32, %f33;\n";
  for (int i = 2; i < 12; ++i) text += fmt::format("max.f32 %f1, %f1, %f{};\n", 32 + i);
  for (int step : {1, 2}) {
    text += fmt::format(
        "mov.b32 %r56, %f1;\nshfl.sync.bfly.b32 %r57|%p3, %r56, {}, 31, -1;\n"
        "mov.b32 %f2, %r57;\nmax.f32 %f1, %f1, %f2;\n",
        step);
  }
  text +=
      "sub.f32 %f3, %f1, %f4;\nmul.f32 %f3, %f3, 0f3DB504F3;\nsetp.gt.f32 %p4, %f3, 0f41000000;\n"
      "selp.f32 %f5, %f1, %f4, %p4;\n";
  for (int i = 0; i < 16; ++i) text += fmt::format("mul.f32 %f{0}, %f{0}, 0f3F7FFFFF;\n", 48 + i);
  for (int i = 0; i < 12; ++i) {
    text += fmt::format(
        "fma.rn.f32 %f{0}, %f{0}, 0f3DB504F3, %f6;\nex2.approx.ftz.f32 %f{0}, %f{0};\n"
        "add.f32 %f7, %f7, %f{0};\n",
        32 + i);
  }
  for (int i = 0; i < 6; ++i) {
    text += fmt::format("cvt.rn.bf16x2.f32 %r56, %f{}, %f{};\n", 33 + 2 * i, 32 + 2 * i);
  }
  text += "st.shared.b32 [%r3+4096], %r56;\nld.shared.b32 %r57, [%r3+4096];\n";
  return text;
}

constexpr const char* kProduct =
    "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {{%f{v}, %f{w}, %f{x}, %f{y}}}, {{%r8, %r9, "
    "%r10, %r11}}, {{%r12, %r13}}, {{%f{v}, %f{w}, %f{x}, %f{y}}};";
// The numbers of A and B, which are addresses and such in other programs, must be ordinary here.
const std::string kProductNumbers =
    "cvt.rn.bf16x2.f32 %r8, %f8, %f9;\ncvt.rn.bf16x2.f32 %r9, %f10, %f11;\n"
    "cvt.rn.bf16x2.f32 %r10, %f12, %f13;\ncvt.rn.bf16x2.f32 %r11, %f14, %f15;\n"
    "cvt.rn.bf16x2.f32 %r12, %f16, %f17;\ncvt.rn.bf16x2.f32 %r13, %f18, %f19;\n";

// One thread multiplies [128, 16] by [n, 16], bf16, 16 times a round, and waits for the commit.
std::string tensor_program(uint32_t n) {
  std::string text =
      ".version 9.0\n.target sm_100a\n.address_size 64\n"
      ".visible .entry bench(.param .u64 memory)\n{\n"
      ".reg .pred %p<8>;\n.reg .b32 %r<32>;\n.reg .b64 %rd<8>;\n"
      ".shared .align 1024 .b8 tile[16384];\n.shared .align 8 .b64 bar;\n"
      ".shared .align 4 .b32 tensor;\n"
      "mov.u32 %r1, %tid.x;\nmov.u32 %r10, tile;\nmov.u32 %r20, bar;\nmov.u32 %r22, tensor;\n"
      "shl.b32 %r11, %r1, 2;\nadd.s32 %r11, %r11, %r10;\nmov.u32 %r13, 0;\n"
      "FILL:\nand.b32 %r12, %r11, 0x3ff;\nor.b32 %r12, %r12, 0x3f803f80;\n"
      "st.shared.u32 [%r11], %r12;\nadd.s32 %r11, %r11, 512;\nadd.s32 %r13, %r13, 512;\n"
      "setp.lt.u32 %p1, %r13, 16384;\n@%p1 bra FILL;\n"
      "setp.eq.u32 %p2, %r1, 0;\n@%p2 mbarrier.init.shared::cta.b64 [%r20], 1;\n"
      "@%p2 fence.mbarrier_init.release.cluster;\nfence.proxy.async;\n"
      "shr.u32 %r14, %r1, 5;\nsetp.ne.u32 %p3, %r14, 0;\n@%p3 bra ALLOCATED;\n"
      "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r22], 256;\n"
      "ALLOCATED:\nbar.sync 0;\nld.shared.b32 %r23, [%r22];\n"
      "shr.u32 %r15, %r10, 4;\ncvt.u64.u32 %rd1, %r15;\nmov.u64 %rd2, 0x0000400800000000;\n"
      "or.b64 %rd1, %rd1, %rd2;\nadd.s64 %rd3, %rd1, 256;\n"
      // From the first half of k to the second: 2048 bytes in A, 4096 in B.
      "or.b64 %rd1, %rd1, 0x800000;\nor.b64 %rd3, %rd3, 0x1000000;\nmov.u32 %r30, 0;\n"
      "@!%p2 bra DONE;\nLOOP:\n";
  for (int i = 0; i < 16; ++i) {
    text += fmt::format("tcgen05.mma.cta_group::1.kind::f16 [%r23], %rd1, %rd3, {:#x}, {};\n",
                        8u << 24 | n / 8 << 17 | 0x490, i == 0 ? 0 : 1);
  }
  return text +
         fmt::format(
             "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r20];\n"
             "and.b32 %r31, %r30, 1;\nAGAIN:\n"
             "mbarrier.try_wait.parity.shared::cta.b64 %p4, [%r20], %r31;\n"
             "@!%p4 bra AGAIN;\nadd.s32 %r30, %r30, 1;\n"
             "setp.lt.u32 %p5, %r30, {};\n@%p5 bra LOOP;\nDONE:\nbar.sync 0;\n"
             "@%p3 bra FREED;\n"
             "tcgen05.dealloc.cta_group::1.sync.aligned.b32 %r23, 256;\nFREED:\nret;\n}}\n",
             kRounds);
}

// A warpgroup multiplies [64, 16] by [256, 16], bf16, 16 times a round, and waits.
std::string warpgroup_program() {
  std::string registers;
  for (int i = 0; i < 128; ++i) registers += fmt::format("{}%f{}", i == 0 ? "" : ", ", i);
  std::string text =
      ".version 8.0\n.target sm_90a\n.address_size 64\n"
      ".visible .entry bench(.param .u64 memory)\n{\n"
      ".reg .pred %p<8>;\n.reg .b32 %r<32>;\n.reg .f32 %f<128>;\n.reg .b64 %rd<8>;\n"
      ".shared .align 1024 .b8 tile[16384];\n"
      "mov.u32 %r1, %tid.x;\nmov.u32 %r10, tile;\n"
      "shl.b32 %r11, %r1, 2;\nadd.s32 %r11, %r11, %r10;\nmov.u32 %r13, 0;\n"
      "FILL:\nand.b32 %r12, %r11, 0x3ff;\nor.b32 %r12, %r12, 0x3f803f80;\n"
      "st.shared.u32 [%r11], %r12;\nadd.s32 %r11, %r11, 512;\nadd.s32 %r13, %r13, 512;\n"
      "setp.lt.u32 %p1, %r13, 16384;\n@%p1 bra FILL;\nfence.proxy.async;\nbar.sync 0;\n"
      "shr.u32 %r15, %r10, 4;\ncvt.u64.u32 %rd1, %r15;\nmov.u64 %rd2, 0x0000000800000000;\n"
      "or.b64 %rd1, %rd1, %rd2;\nadd.s64 %rd3, %rd1, 256;\n"
      // From the first half of k to the second: 1024 bytes in A, 4096 in B.
      "or.b64 %rd1, %rd1, 0x400000;\nor.b64 %rd3, %rd3, 0x1000000;\nmov.u32 %r30, 0;\n"
      "LOOP:\nwgmma.fence.sync.aligned;\n";
  for (int i = 0; i < 16; ++i) {
    text += fmt::format(
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {{{}}}, %rd1, %rd3, {}, 1, 1, 0, "
        "0;\n",
        registers, i == 0 ? 0 : 1);
  }
  return text +
         fmt::format(
             "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n"
             "add.s32 %r30, %r30, 1;\nsetp.lt.u32 %p5, %r30, {};\n@%p5 bra LOOP;\nret;\n}}\n",
             kRounds);
}

std::vector<Program> programs() {
  std::vector<Program> list;
  list.push_back({"softmax_mix", softmax_mix()});
  const auto product = [&](const char* name, uint32_t arch, const char* numerics) {
    list.push_back(
        {name, kProductNumbers + repeated(64, kProduct), arch, numerics, 64.0 * 16 * 8 * 16});
  };
  product("mma_fast", 80, "fast");
  product("mma_exact_ampere", 80, "exact");
  product("mma_exact_hopper", 90, "exact");
  for (const uint32_t n : {128u, 256u}) {
    for (const char* numerics : {"fast", "exact"}) {
      list.push_back({fmt::format("tcgen05_{}_n{}", numerics, n), "", 100, numerics,
                      16.0 * 128 * n * 16 / kWarps, tensor_program(n)});
    }
  }
  for (const char* numerics : {"fast", "exact"}) {
    list.push_back({fmt::format("wgmma_{}_n256", numerics), "", 90, numerics,
                    16.0 * 64 * 256 * 16 / kWarps, warpgroup_program()});
  }
  const auto unit = [&](const char* name, const std::string& line, uint32_t arch = 80) {
    list.push_back({name, repeated(64, line), arch});
  };
  unit("shared_load_b32", "ld.shared.b32 %r{a}, [%r3+{k}];");
  unit("shared_load_v4", "ld.shared.v4.b32 {{%r{v}, %r{w}, %r{x}, %r{y}}}, [%r2+{k}];");
  unit("shared_store_b32", "st.shared.b32 [%r3+{k}], %r{a};");
  unit("shared_store_v4", "st.shared.v4.b32 [%r2+8192], {{%r{v}, %r{w}, %r{x}, %r{y}}};");
  unit("ldmatrix_x4",
       "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%r{v}, %r{w}, %r{x}, %r{y}}}, [%r4];");
  unit("ldmatrix_x4_trans",
       "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {{%r{v}, %r{w}, %r{x}, %r{y}}}, [%r4];");
  // Rows of each warp's own, 80 bytes apart.
  list.push_back({"stmatrix_x4",
                  "mul.lo.s32 %r62, %r1, 80;\nadd.s32 %r62, %r62, %r60;\n" +
                      repeated(64,
                               "stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r62], "
                               "{{%r{v}, %r{w}, %r{x}, %r{y}}};"),
                  90});
  unit("global_load_b32", "ld.global.b32 %r{a}, [%rd3+{k}];");
  unit("global_load_v4", "ld.global.v4.b32 {{%r{v}, %r{w}, %r{x}, %r{y}}}, [%rd2+{k}];");
  unit("global_store_v4", "st.global.v4.b32 [%rd2+{k}], {{%r{v}, %r{w}, %r{x}, %r{y}}};");
  list.push_back({"cp_async_16", repeated(8,
                                          "cp.async.cg.shared.global [%r2+8192], [%rd2], 16;\n"
                                          "cp.async.commit_group;\ncp.async.wait_group 0;")});
  unit("add_s32", "add.s32 %r{a}, %r{b}, %r1;");
  unit("mad_lo_s32", "mad.lo.s32 %r{a}, %r{b}, %r1, %r5;");
  unit("and_b32", "and.b32 %r{a}, %r{b}, %r1;");
  unit("add_s64", "add.s64 %rd{a}, %rd{b}, %rd5;");
  unit("mul_wide_u32", "mul.wide.u32 %rd{a}, %r{b}, %r1;");
  unit("setp_s32", "setp.lt.s32 %p{a}, %r{a}, %r{b};");
  unit("selp_b32", "selp.b32 %r{a}, %r{b}, %r1, %p{a};");
  unit("mov_b32", "mov.b32 %r{a}, %r{b};");
  unit("add_f32", "add.f32 %f{a}, %f{b}, %f1;");
  unit("mul_f32", "mul.f32 %f{a}, %f{b}, %f1;");
  unit("fma_f32", "fma.rn.f32 %f{a}, %f{b}, %f1, %f2;");
  unit("max_f32", "max.f32 %f{a}, %f{b}, %f1;");
  const auto half = [&](const char* name, const char* type) {  // of ordinary numbers
    std::string body;
    for (int i = 16; i < 24; ++i) {
      body += fmt::format("cvt.rn.{}.f32 %r{}, %f{}, %f{};\n", type, i, i, i + 1);
    }
    list.push_back(
        {name, body + repeated(64, fmt::format("fma.rn.{} %r{{a}}, %r{{b}}, %r16, %r17;", type))});
  };
  half("fma_f16x2", "f16x2");
  half("fma_bf16x2", "bf16x2");
  unit("cvt_bf16x2", "cvt.rn.bf16x2.f32 %r{a}, %f{a}, %f{b};");
  unit("cvt_f16x2", "cvt.rn.f16x2.f32 %r{a}, %f{a}, %f{b};");
  unit("cvt_s32_f32", "cvt.rzi.s32.f32 %r{a}, %f{b};");
  unit("ex2", "ex2.approx.ftz.f32 %f{a}, %f{b};");
  unit("lg2", "lg2.approx.f32 %f{a}, %f{b};");
  unit("rcp", "rcp.approx.ftz.f32 %f{a}, %f{b};");
  unit("rsqrt", "rsqrt.approx.ftz.f32 %f{a}, %f{b};");
  unit("tanh", "tanh.approx.f32 %f{a}, %f{b};");
  unit("shfl", "shfl.sync.bfly.b32 %r{a}|%p3, %r{b}, 1, 31, -1;");
  unit("guarded_add", "@%p{a} add.s32 %r{a}, %r{b}, %r1;");
  return list;
}

}  // namespace

int main(int argc, char** argv) {
  for (const Program& program : programs()) {
    benchmark::RegisterBenchmark(program.name.c_str(), [program](benchmark::State& state) {
      run(state, program);
    })->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
