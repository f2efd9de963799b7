// SPDX-License-Identifier: Apache-2.0
// What the runtime library gives to device code: printf, assert, malloc and free.
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

std::vector<uint32_t> blank_words(size_t count) { return std::vector<uint32_t>(count, 0); }

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

TEST(MachineRuntime, PrintfPrintsLikeC) {
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
          blank_words(32));
  EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
  EXPECT_EQ(words.report.output, "t=3 4294967289 f=   1.500 tile x% 0000ff -25769803776  |\n");
  EXPECT_EQ(words.values[3], 7u);
}

TEST(MachineRuntime, WhatIsPrintedDoesNotDependOnTheNumberOfThreads) {
  const std::string text = program(R"(
  mov.u32 %r5, %ctaid.x;
)" + print_of("st.local.v2.u32 [%rd10], {%r5, %r1};"),
                                   std::string(kVprintf) + text_variable("format", "%d.%d "));
  std::string expected;
  for (int block = 0; block < 6; ++block) {
    for (int i = 0; i < 4; ++i) expected += std::to_string(block) + "." + std::to_string(i) + " ";
  }
  for (const uint32_t threads : {1u, 4u}) {
    const Words words =
        run(text, blank_words(32), {.threads = 4, .blocks = 6}, {.threads = threads});
    EXPECT_EQ(words.report.output, expected);
  }
}

TEST(MachineRuntime, AnAssertionSaysWhereItStands) {
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
          blank_words(32));
  EXPECT_FALSE(words.report.finished);
  ASSERT_TRUE(words.reported("assert")) << words.texts();
  EXPECT_NE(words.texts().find("assert: kernel.cu:25: void k(int): lane 9: `n < 9' does not hold"),
            std::string::npos)
      << words.texts();
}

TEST(MachineRuntime, KernelsAllocateAndFree) {
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
  for (const Policy policy : kAllPolicies) {
    const Words words = run(text, blank_words(64), {.threads = 64}, {.policy = policy});
    EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
    for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(words.values[i], i);
  }
  std::string twice = text;
  const std::string release = "call.uni free, (param0);";
  twice.insert(twice.find(release), release);
  EXPECT_TRUE(run(twice, blank_words(32)).reported("heap.free"));
  std::string unwritten = text;
  unwritten.replace(unwritten.find("ld.u32 %r2, [%rd10+20]"), 22, "ld.u32 %r2, [%rd10+16]");
  EXPECT_TRUE(run(unwritten, blank_words(32)).reported("gmem.uninit"));
}

}  // namespace
}  // namespace fa4::emu::test
