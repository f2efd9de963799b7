// SPDX-License-Identifier: Apache-2.0
// Functions: direct and indirect calls, recursion, what lies on the stack, and what the runtime library gives.
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

std::vector<uint32_t> no_words(size_t count) { return std::vector<uint32_t>(count, 0); }

void expect_all(const std::string& text, uint32_t threads, const std::vector<uint32_t>& expected) {
  for (const Policy policy : kAllPolicies) {
    const Words words =
        run(text, no_words(expected.size()), {.threads = threads}, {.policy = policy, .seed = 5});
    EXPECT_TRUE(words.report.finished) << words.texts();
    EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
    EXPECT_EQ(words.values, expected) << name_of(policy);
  }
}

uint32_t fibonacci(uint32_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

// As nvcc 13 writes int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
constexpr char kFibonacci[] = R"(
.func (.param .b32 func_retval0) fib (.param .b32 fib_param_0)
{
  .reg .pred %p<2>;
  .reg .b32 %r<9>;
  ld.param.u32 %r8, [fib_param_0];
  setp.lt.s32 %p1, %r8, 2;
  @%p1 bra $L_end;
  add.s32 %r4, %r8, -1;
  { // callseq
  .reg .b32 temp_param_reg;
  .param .b32 param0;
  st.param.b32 [param0+0], %r4;
  .param .b32 retval0;
  call.uni (retval0), fib, (param0);
  ld.param.b32 %r5, [retval0+0];
  }
  add.s32 %r6, %r8, -2;
  {
  .param .b32 param0;
  st.param.b32 [param0+0], %r6;
  .param .b32 retval0;
  call.uni (retval0), fib, (param0);
  ld.param.b32 %r7, [retval0+0];
  }
  add.s32 %r8, %r7, %r5;
$L_end:
  st.param.b32 [func_retval0+0], %r8;
  ret;
}
)";

// A call with one argument and one result, in the braces of its own scope.
std::string call_of(const std::string& argument, const std::string& result,
                    const std::string& call) {
  return "{ .param .b32 param0; st.param.b32 [param0], " + argument + "; .param .b32 retval0; " +
         call + " ld.param.b32 " + result + ", [retval0]; }\n";
}

std::string direct(const std::string& function, const std::string& argument,
                   const std::string& result) {
  return call_of(argument, result, "call.uni (retval0), " + function + ", (param0);");
}

// Each lane recurses to a depth of its own; all come back.
TEST(MachineCall, LanesRecurseEachAsDeepAsItMust) {
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 64; ++i) expected.push_back(fibonacci(i % 12) + 1);
  expect_all(program("rem.u32 %r2, %r1, 12;\n" + direct("fib", "%r2", "%r3") + R"(
  bar.sync 0;
  add.s32 %r3, %r3, 1;
  st.global.u32 [%rd2], %r3;
)",
                     kFibonacci),
             64, expected);
}

// int down(int n, int* sum): the caller's local variable is written through a pointer by the callee's run.
TEST(MachineCall, EachRunOfAFunctionHasItsOwnLocalVariables) {
  const std::string text = program(R"(
  and.b32 %r2, %r1, 7;
  { .param .b32 param0; st.param.b32 [param0], %r2;
    .param .b64 param1; st.param.b64 [param1], 0;
    .param .b32 retval0;
    call.uni (retval0), down, (param0, param1);
    ld.param.b32 %r3, [retval0]; }
  st.global.u32 [%rd2], %r3;
)",
                                   R"(
.func (.param .b32 result) down (.param .b32 n, .param .b64 above)
{
  .local .align 4 .b8 depot[8];
  .reg .b64 %SP, %SPL, %rd<4>;
  .reg .b32 %r<8>;
  .reg .pred %p<3>;
  mov.b64 %SPL, depot;
  cvta.local.u64 %SP, %SPL;
  ld.param.b32 %r1, [n];
  ld.param.b64 %rd1, [above];
  setp.eq.u64 %p1, %rd1, 0;
  st.local.u32 [%SPL+4], 0;
  @%p1 bra TOP;
  st.u32 [%rd1+4], %r1;
TOP:
  setp.eq.s32 %p2, %r1, 0;
  mov.b32 %r3, 0;
  @%p2 bra LEAVE;
  add.s32 %r2, %r1, -1;
  { .param .b32 param0; st.param.b32 [param0], %r2;
    .param .b64 param1; st.param.b64 [param1], %SP;
    .param .b32 retval0;
    call.uni (retval0), down, (param0, param1);
    ld.param.b32 %r3, [retval0]; }
  ld.local.u32 %r4, [%SPL+4];
  add.s32 %r3, %r3, %r4;
LEAVE:
  st.param.b32 [result], %r3;
  ret;
}
)");
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t n = i % 8;
    expected.push_back(n == 0 ? 0 : n * (n - 1) / 2);
  }
  expect_all(text, 32, expected);
}

constexpr char kArithmetic[] = R"(
.func (.param .b32 r) twice (.param .b32 x)
{ .reg .b32 %r<4>; ld.param.b32 %r1, [x]; shl.b32 %r1, %r1, 1; st.param.b32 [r], %r1; ret; }
.func (.param .b32 r) negated (.param .b32 x)
{ .reg .b32 %r<4>; ld.param.b32 %r1, [x]; neg.s32 %r1, %r1; st.param.b32 [r], %r1; ret; }
.visible .func (.param .b32 r) other (.param .b32 x);
.alias other, twice;
.global .align 8 .u64 functions[2] = {twice, negated};
)";

std::string indirect(const std::string& pointer) {
  return call_of("%r1", "%r3",
                 "p: .callprototype (.param .b32 _) _ (.param .b32 _); call (retval0), " + pointer +
                     ", (param0), p;");
}

TEST(MachineCall, LanesCallDifferentFunctions) {
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 64; ++i) expected.push_back(i % 2 == 0 ? 2 * i : 0 - i);
  expect_all(program(R"(
  and.b32 %r2, %r1, 1;
  mul.wide.u32 %rd4, %r2, 8;
  mov.u64 %rd5, functions;
  add.s64 %rd5, %rd5, %rd4;
  ld.global.u64 %rd6, [%rd5];
)" + indirect("%rd6") + R"(
  bar.sync 0;
  st.global.u32 [%rd2], %r3;
)",
                     kArithmetic),
             64, expected);
}

TEST(MachineCall, AnAliasIsTheFunctionThatItNames) {
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 32; ++i) expected.push_back(2 * i);
  expect_all(program(direct("other", "%r1", "%r3") + "st.global.u32 [%rd2], %r3;", kArithmetic), 32,
             expected);
}

TEST(MachineCall, BadCallsStopTheRun) {
  Words words = run(program("mov.u64 %rd6, 4096;\n" + indirect("%rd6"), kArithmetic), no_words(32));
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(words.reported("call.target")) << words.texts();
  words = run(program(R"(
  mov.u64 %rd6, twice;
  { .param .b64 param0; st.param.b64 [param0], 1;
    call.uni %rd6, (param0), p;
    p: .callprototype _ (.param .b64 _); }
)",
                      kArithmetic),
              no_words(32));
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(words.reported("call.signature")) << words.texts();
  words = run(program(direct("fib", "%r1", "%r3"),
                      R"(
.func (.param .b32 r) fib (.param .b32 x)
{ .reg .b32 %r<4>; ld.param.b32 %r1, [x]; )" +
                          direct("fib", "%r1", "%r2") + "st.param.b32 [r], %r2; ret; }\n"),
              no_words(32));
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(words.reported("stack.overflow")) << words.texts();
  EXPECT_THROW(run(program("{ call.uni missing; }"), no_words(32)), MachineError);
}

TEST(MachineCall, AnIndexChoosesATarget) {
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 64; ++i) expected.push_back(i % 3 == 0 ? 10 : i % 3 == 1 ? 21 : 22);
  expect_all(program(R"(
  rem.u32 %r2, %r1, 3;
  mov.u32 %r3, 0;
  list: .branchtargets $A, $B, $C;
  brx.idx %r2, list;
$A:
  add.s32 %r3, %r3, 10;
  bra.uni $END;
$B:
  add.s32 %r3, %r3, 1;
  bra.uni $BC;
$C:
  add.s32 %r3, %r3, 2;
$BC:
  add.s32 %r3, %r3, 20;
$END:
  bar.sync 0;
  st.global.u32 [%rd2], %r3;
)"),
             64, expected);
}

TEST(MachineCall, TheStackGrowsAndShrinks) {
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 32; ++i) expected.push_back(i + 32);  // the same place twice
  expect_all(program(R"(
  stacksave.u64 %rd10;
  cvt.u64.u32 %rd11, %r1;
  add.s64 %rd11, %rd11, 4;
  alloca.u64 %rd12, %rd11, 16;
  st.local.u32 [%rd12], %r1;
  ld.local.u32 %r2, [%rd12];
  stackrestore.u64 %rd10;
  alloca.u64 %rd13, 64, 16;
  sub.s64 %rd14, %rd13, %rd12;
  cvt.u32.u64 %r3, %rd14;
  add.s32 %r3, %r3, %r2;
  add.s32 %r3, %r3, 32;
  st.global.u32 [%rd2], %r3;
)"),
             32, expected);
}

// A call of vprintf with a buffer of values on the stack, as nvcc writes it.
std::string print_of(const std::string& values) {
  return R"(
  .local .align 8 .b8 depot[64];
  mov.b64 %rd10, depot;
  cvta.local.u64 %rd11, %rd10;
)" + values +
         R"(
  mov.u64 %rd12, format;
  cvta.global.u64 %rd12, %rd12;
  { .param .b64 param0; st.param.b64 [param0], %rd12;
    .param .b64 param1; st.param.b64 [param1], %rd11;
    .param .b32 retval0;
    call.uni (retval0), vprintf, (param0, param1);
    ld.param.b32 %r20, [retval0]; }
  st.global.u32 [%rd2], %r20;
)";
}

std::string text_variable(const std::string& name, const std::string& text) {
  std::string values;
  for (const char c : text) values += std::to_string(static_cast<int>(c)) + ", ";
  return ".global .align 1 .b8 " + name + "[" + std::to_string(text.size() + 1) + "] = {" + values +
         "0};\n";
}

constexpr char kVprintf[] =
    ".extern .func (.param .b32 func_retval0) vprintf (.param .b64 a, .param .b64 b);\n";

TEST(MachineCall, PrintfPrintsLikeC) {
  const Words words =
      run(program("setp.ne.u32 %p1, %r1, 3;\n @%p1 bra NOT;\n" + print_of(R"(
  st.local.v2.u32 [%rd10], {%r1, -7};
  mov.b64 %rd13, 0d3FF8000000000000;
  st.local.b64 [%rd10+8], %rd13;
  mov.b64 %rd13, word;
  cvta.global.u64 %rd13, %rd13;
  st.local.b64 [%rd10+16], %rd13;
  st.local.v2.u32 [%rd10+24], {120, 255};
  mov.b64 %rd13, -25769803776;
  st.local.b64 [%rd10+32], %rd13;
)") + "NOT:\n",
                  std::string(kVprintf) + text_variable("word", "tile") +
                      text_variable("format", "t=%d %u f=%8.3f %s %c%% %06x %-14lld|\n")),
          no_words(32));
  EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
  EXPECT_EQ(words.report.output, "t=3 4294967289 f=   1.500 tile x% 0000ff -25769803776  |\n");
  EXPECT_EQ(words.values[3], 7u);
}

TEST(MachineCall, WhatIsPrintedDoesNotDependOnTheNumberOfThreads) {
  const std::string text = program(R"(
  mov.u32 %r5, %ctaid.x;
)" + print_of("st.local.v2.u32 [%rd10], {%r5, %r1};"),
                                   std::string(kVprintf) + text_variable("format", "%d.%d "));
  std::string expected;
  for (int block = 0; block < 6; ++block) {
    for (int i = 0; i < 4; ++i) expected += std::to_string(block) + "." + std::to_string(i) + " ";
  }
  for (const uint32_t threads : {1u, 4u}) {
    const Words words = run(text, no_words(32), {.threads = 4, .blocks = 6}, {.threads = threads});
    EXPECT_EQ(words.report.output, expected);
  }
}

TEST(MachineCall, AnAssertionSaysWhereItStands) {
  const Words words =
      run(program(R"(
  setp.ne.u32 %p1, %r1, 9;
  @%p1 bra FINE;
  { .param .b64 param0; mov.u64 %rd10, what; cvta.global.u64 %rd10, %rd10;
    st.param.b64 [param0], %rd10;
    .param .b64 param1; mov.u64 %rd10, file; cvta.global.u64 %rd10, %rd10;
    st.param.b64 [param1], %rd10;
    .param .b32 param2; st.param.b32 [param2], 25;
    .param .b64 param3; mov.u64 %rd10, who; cvta.global.u64 %rd10, %rd10;
    st.param.b64 [param3], %rd10;
    .param .b64 param4; st.param.b64 [param4], 1;
    call.uni __assertfail, (param0, param1, param2, param3, param4); }
FINE:
)",
                  ".extern .func __assertfail (.param .b64 a, .param .b64 b, .param "
                  ".b32 c, .param .b64 d, .param .b64 e);\n" +
                      text_variable("what", "n < 9") + text_variable("file", "kernel.cu") +
                      text_variable("who", "void k(int)")),
          no_words(32));
  EXPECT_FALSE(words.report.finished);
  ASSERT_TRUE(words.reported("assert")) << words.texts();
  EXPECT_NE(words.texts().find("assert: kernel.cu:25: void k(int): lane 9: `n < 9' does not hold"),
            std::string::npos)
      << words.texts();
}

TEST(MachineCall, KernelsAllocateAndFree) {
  const std::string text = program(R"(
  { .param .b64 param0; st.param.b64 [param0], 24;
    .param .b64 retval0;
    call.uni (retval0), malloc, (param0);
    ld.param.b64 %rd10, [retval0]; }
  st.u32 [%rd10+20], %r1;
  bar.sync 0;
  ld.u32 %r2, [%rd10+20];
  st.global.u32 [%rd2], %r2;
  { .param .b64 param0; st.param.b64 [param0], %rd10; call.uni free, (param0); }
)",
                                   ".extern .func (.param .b64 r) malloc (.param .b64 a);\n.extern "
                                   ".func free (.param .b64 a);\n");
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < 64; ++i) expected.push_back(i);
  expect_all(text, 64, expected);
  std::string twice = text;
  const std::string release = "call.uni free, (param0);";
  twice.insert(twice.find(release), release);
  EXPECT_TRUE(run(twice, no_words(32)).reported("heap.free"));
  std::string unwritten = text;
  unwritten.replace(unwritten.find("ld.u32 %r2, [%rd10+20]"), 22, "ld.u32 %r2, [%rd10+16]");
  EXPECT_TRUE(run(unwritten, no_words(32)).reported("gmem.uninit"));
}

TEST(MachineCall, ABreakpointIsATrap) {
  const Words words = run(program("brkpt;"), no_words(32));
  EXPECT_FALSE(words.report.finished);
  EXPECT_TRUE(words.reported("trap"));
}

}  // namespace
}  // namespace fa4::emu::test
