// SPDX-License-Identifier: Apache-2.0
// Text to tree to text: nothing is lost on the way, in a module that says everything once, and in what NVRTC makes
// of our own kernels. Where ptxas is at hand it must make the same code of both texts.
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "emu/ptx/lexer.h"
#include "emu/ptx_text.h"
#include "jit/compiler.h"
#include "plan/sm80.h"

namespace fa4::emu::ptx {
namespace {

// A text as its tokens say it: numbers by their value, everything else by its letters; +0 says nothing.
std::vector<std::string> spoken(std::string_view text) {
  Lexer lexer(text);
  std::vector<std::string> all;
  for (Token token = lexer.next(); token.kind != Token::Kind::End; token = lexer.next()) {
    std::string said(token.text);
    if (token.kind == Token::Kind::Integer) said = std::to_string(token.bits);
    if (token.kind == Token::Kind::Float32) said = "float " + std::to_string(token.bits);
    if (token.kind == Token::Kind::Float64) said = "double " + std::to_string(token.bits);
    if (said == "0" && !all.empty() && all.back() == "+") {
      all.pop_back();
    } else {
      all.push_back(said);
    }
  }
  return all;
}

// The tree is printed, and the first token that differs from the text is shown with its place in the tokens.
std::string expect_nothing_lost(const std::string& text) {
  const std::string printed = printed_twice(text);
  const std::vector<std::string> before = spoken(text), after = spoken(printed);
  EXPECT_EQ(before.size(), after.size());
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (before[i] == after[i]) continue;
    ADD_FAILURE() << "token " << i << " was " << before[i] << " and is " << after[i];
    break;
  }
  return printed;
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "fa4-ptx-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

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
  const Folder folder;
  const auto in_folder = [&](const char* name) { return (folder.path() / name).string(); };
  std::ofstream(in_folder("kernel.ptx")) << text;
  const std::string command = "cd " + folder.path().string() + " && ptxas -arch=" + arch +
                              " kernel.ptx -o kernel.cubin >log 2>&1";
  const int status = std::system(command.c_str());
  const auto read = [&](const char* name) {
    std::ostringstream all;
    all << std::ifstream(in_folder(name), std::ios::binary).rdbuf();
    return all.str();
  };
  EXPECT_EQ(status, 0) << read("log");
  return status == 0 ? code_of(read("kernel.cubin")) : "";
}

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

TEST(PtxRoundTrip, AModuleThatSaysEverything) { expect_nothing_lost(kEverything); }

TEST(PtxRoundTrip, ListsOfVariablesAreTakenApart) {
  const std::string printed = printed_twice(entry_of(".reg .b32 a, %b<4>, c;"));
  EXPECT_NE(printed.find("  .reg .b32 a;\n  .reg .b32 %b<4>;\n  .reg .b32 c;\n"), std::string::npos)
      << printed;
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
  jit::Compiler compiler(jit::settings_from_environment());
  jit::NvrtcFile file;
  if (!compiler.nvrtc_file(&file).ok()) {
    GTEST_SKIP() << "needs NVRTC, which was not found (make puts it under build/)";
  }
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
