// SPDX-License-Identifier: Apache-2.0
// PTX of our kernels to the PTX machine's tree and back to text: nothing is lost on the way, and where ptxas is at
// hand it makes the same code of both texts.
#include <cstdlib>
#include <cstring>

#include "emu/ptx_text.h"
#include "jit/compiler.h"
#include "jit/fixture.h"
#include "plan/sm80.h"

namespace fa4::emu::ptx {
namespace {

using jit::has_nvrtc;

bool has_ptxas() { return std::system("command -v ptxas >/dev/null 2>&1") == 0; }

// The sections of a cubin that the device runs and reads. Others hold line numbers of the text.
std::string code_of(const std::string& cubin) {
  const auto read = [&]<class T>(size_t at, T value) {
    EXPECT_LE(at + sizeof(T), cubin.size());
    if (at + sizeof(T) <= cubin.size()) std::memcpy(&value, cubin.data() + at, sizeof(T));
    return value;
  };
  constexpr uint32_t kNoBits = 8;
  const auto headers = read(0x28, uint64_t{0});
  const auto header_bytes = read(0x3a, uint16_t{0});
  const auto header = [&](size_t section) { return headers + section * header_bytes; };
  const auto names = read(header(read(0x3e, uint16_t{0})) + 0x18, uint64_t{0});
  std::string all;
  for (uint16_t section = 0; section < read(0x3c, uint16_t{0}); ++section) {
    const std::string name = cubin.c_str() + names + read(header(section), uint32_t{0});
    if (!name.starts_with(".text") && !name.starts_with(".nv.constant") &&
        !name.starts_with(".nv.global"))
      continue;
    const auto bytes = read(header(section) + 0x20, uint64_t{0});
    all += name + ' ' + std::to_string(bytes) + '\n';
    if (read(header(section) + 4, uint32_t{0}) == kNoBits) continue;
    all += cubin.substr(read(header(section) + 0x18, uint64_t{0}), bytes);
  }
  return all;
}

// What ptxas makes of a text; what it said is a failure.
std::string assembled(const std::string& text, const std::string& arch) {
  const jit::Scratch scratch;
  jit::write(scratch / "kernel.ptx", text);
  const std::string command =
      "cd " + scratch.path() + " && ptxas -arch=" + arch + " kernel.ptx -o kernel.cubin >log 2>&1";
  const int status = std::system(command.c_str());
  EXPECT_EQ(status, 0) << jit::read_file(scratch / "log").value_or("");
  return status == 0 ? code_of(jit::read_file(scratch / "kernel.cubin").value_or("")) : "";
}

TEST(PtxRoundTrip, TheAssemblerTakesWhatIsPrinted) {
  if (!has_ptxas()) GTEST_SKIP() << "needs ptxas in PATH, which was not found";
  const std::string text = R"(.version 9.0
.target sm_80
.address_size 64
.visible .global .align 4 .b8 table[2][3] = {{1, 0xFF, -1}, {017, 0b11, 6U}};
.visible .global .v2 .s32 pair[2] = {{1, -2}, {3, 4}};
.visible .global .align 8 .u64 pointers[3] = {table, generic(table)+4, 18446744073709551615};
.visible .global .align 1 .u8 masked[8] = {0xFF(table), 0xFF00(table), 0xFF0000(table), 0xFF000000(table),
  0xFF00000000(table), 0xFF0000000000(table), 0xFF000000000000(table), 0xFF00000000000000(table)};
.visible .entry k(.param .u64 .ptr .global .align 16 out) .maxntid 32 {
  .reg .b32 %r<9>, x; .reg .b64 %rd<5>; .reg .pred %p<2>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
$L: { .reg .pred q; setp.lt.u32 q|%p1, %r1, 4U; @!q bra $M; add.u32 %r1, %r1, -7; bra $L; }
$M: shfl.sync.idx.b32 x|%p1, %r1, 0, 31, 0xFFFFFFFF;
  @%p1 st.global.v2.b32 [%rd1+16+-8], {x, 9};
  mov.b64 %rd2, table+2;
  and.b64 %rd2, %rd2, 0xFFFFFFFFFFFFFFF0;
  st.global.b64 [%rd1], %rd2;
  ret;
})";
  const std::string printed = printed_twice(text);
  const std::string code = assembled(text, "sm_80");
  EXPECT_NE(code.find(".text.k "), std::string::npos);
  EXPECT_NE(code.find(".nv.global.init "), std::string::npos);
  EXPECT_TRUE(assembled(printed, "sm_80") == code) << "assembles to other code:\n" << printed;
}

Problem dense(int64_t seq_q, int64_t head_dim) {
  Problem problem;
  problem.batch = 2;
  problem.heads = 8;
  problem.kv_heads = 2;
  problem.head_dim = head_dim;
  problem.value_dim = head_dim;
  problem.seq_q = seq_q;
  problem.seq_k = 500;
  problem.total_q = 2 * seq_q;
  problem.total_k = 2 * problem.seq_k;
  const auto rows = [&](int64_t length, int64_t heads) {
    return RowsView{.dtype = Dtype::BFloat16,
                    .batch_stride = length * heads * head_dim,
                    .row_stride = heads * head_dim,
                    .head_stride = head_dim};
  };
  problem.q = rows(seq_q, problem.heads);
  problem.k = rows(problem.seq_k, problem.kv_heads);
  problem.v = rows(problem.seq_k, problem.kv_heads);
  problem.scale = 0.125;
  return problem;
}

struct KernelCase {
  const char* name;
  int64_t seq_q;
  int64_t head_dim;
  Pass pass;
  const char* arch;
};

class PtxOfOurKernels : public testing::TestWithParam<KernelCase> {};

TEST_P(PtxOfOurKernels, IsKeptWhole) {
  FA4_NEEDS_NVRTC();
  jit::Compiler compiler(jit::settings_from_environment());
  const KernelCase& one = GetParam();
  const plan::DeviceFacts device{"sm_80", 80, 108, 163 << 10, 164 << 10, 40 << 20};
  const Problem problem = dense(one.seq_q, one.head_dim);
  const Status supported = plan::sm80().supports(problem, one.pass, device);
  ASSERT_TRUE(supported.ok()) << supported.message;
  size_t num_kernels = 0;
  for (const plan::KernelSpec& spec : plan::sm80().prepare(problem, one.pass, device).kernels) {
    std::string text;
    const Status compiled = compiler.ptx_of({spec, one.arch, ""}, &text);
    ASSERT_TRUE(compiled.ok()) << compiled.message;
    const std::string printed = expect_nothing_lost(text);
    const Module module = parse(text);
    EXPECT_EQ(module.target, one.arch);
    EXPECT_GE(module.files.size(), 2u);
    bool has_entry = false;
    for (const ModuleItem& item : module.items) {
      const auto* function = std::get_if<Function>(&item);
      has_entry =
          has_entry || (function != nullptr && function->entry && function->name == spec.entry);
    }
    EXPECT_TRUE(has_entry) << spec.entry;
    if (has_ptxas()) {
      const std::string code = assembled(text, one.arch);
      EXPECT_NE(code.find(".text." + spec.entry), std::string::npos);
      EXPECT_TRUE(assembled(printed, one.arch) == code)
          << "assembles to other code: " << spec.entry;
    }
    ++num_kernels;
  }
  EXPECT_GT(num_kernels, 0u);
}

INSTANTIATE_TEST_SUITE_P(Sm80, PtxOfOurKernels,
                         testing::Values(KernelCase{"forward", 300, 64, Pass::Forward, "sm_80"},
                                         KernelCase{"forward_sm_90a", 300, 32, Pass::Forward,
                                                    "sm_90a"},
                                         KernelCase{"decode", 1, 64, Pass::Forward, "sm_80"},
                                         KernelCase{"backward", 300, 64, Pass::Backward, "sm_80"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fa4::emu::ptx
