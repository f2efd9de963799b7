// SPDX-License-Identifier: Apache-2.0
// Registers and global memory that nobody has written: reported where they are used, and not where they are carried.
#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

Words run_words(const std::string& body, const std::string& outside = "",
                const MachineOptions& options = {}) {
  return run(program(body, outside), std::vector<uint32_t>(64, 1), {}, options);
}

void expect_quiet(const Words& words) {
  EXPECT_TRUE(words.report.finished);
  EXPECT_EQ(words.report.num_errors, 0u) << words.texts();
}

TEST(UnwrittenRegisters, AreReportedWhereTheyAreUsed) {
  const Words words = run_words(R"(
  setp.lt.u32 %p1, %r1, 8;
  @%p1 bra SKIP;
  mov.u32 %r7, 5;
SKIP:
  st.global.u32 [%rd2], %r7;
)");
  ASSERT_TRUE(words.reported("reg.uninit")) << words.texts();
  const std::string text = words.texts();
  EXPECT_NE(text.find("uninitialised read: lane 0 uses %r7, which nobody has written"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("it is written at"), std::string::npos) << text;
  EXPECT_NE(text.find("mov.u32 %r7, 5"), std::string::npos) << text;
  EXPECT_NE(text.find("st.global.u32 [%rd2], %r7"), std::string::npos) << text;
  EXPECT_EQ(words.values[20], 5u);
}

TEST(UnwrittenRegisters, EveryUseThatMattersIsOne) {
  for (const char* body :
       {"st.global.u32 [%rd9], %r1;", "ld.global.u32 %r2, [%rd9];",
        "setp.eq.u32 %p1, %r9, 0;\n@%p1 bra OVER;\nadd.s32 %r1, %r1, 1;\nOVER:",
        "@%p9 st.global.u32 [%rd2], %r1;", "@!%p9 st.global.u32 [%rd2], %r1;",
        "add.s32 %r2, %r9, 1;\nst.global.u32 [%rd2], %r2;", "red.global.add.u32 [%rd2], %r9;"}) {
    EXPECT_TRUE(run_words(body).reported("reg.uninit")) << body;
  }
}

// What compilers do with values that nobody will look at.
TEST(UnwrittenRegisters, MayBeCarriedAbout) {
  expect_quiet(run_words("mov.u32 %r2, %r9;\nadd.s32 %r3, %r2, 1;\nst.global.u32 [%rd2], %r1;"));
  expect_quiet(run_words(R"(
  cvt.u16.u32 %rs1, %r1;
  mov.b32 %r2, {%rs1, %rs9};
  mov.b32 {%rs2, %rs3}, %r2;
  cvt.u32.u16 %r3, %rs2;
  st.global.u32 [%rd2], %r3;
)"));
  const Words words = run_words(R"(
  cvt.u16.u32 %rs1, %r1;
  mov.b32 %r2, {%rs1, %rs9};
  mov.b32 {%rs2, %rs3}, %r2;
  cvt.u32.u16 %r3, %rs3;
  st.global.u32 [%rd2], %r3;
)");
  EXPECT_TRUE(words.reported("reg.uninit"));
  expect_quiet(run_words(R"(
  setp.ge.u32 %p1, %r1, 0;
  selp.b32 %r2, %r1, %r9, %p1;
  st.global.u32 [%rd2], %r2;
)"));
}

// Written on every path that leads here, though no path of the text says so.
TEST(UnwrittenRegisters, AreCountedForEachLane) {
  expect_quiet(run_words(R"(
  setp.lt.u32 %p1, %r1, 8;
  @%p1 mov.u32 %r7, 5;
  @!%p1 mov.u32 %r7, 6;
  st.global.u32 [%rd2], %r7;
)"));
  expect_quiet(run_words(R"(
  mov.u32 %r4, 0;
LOOP:
  setp.eq.u32 %p2, %r4, 0;
  @!%p2 bra LATER;
  mov.u32 %r7, %r1;
LATER:
  st.global.u32 [%rd2], %r7;
  add.s32 %r4, %r4, 1;
  setp.lt.u32 %p3, %r4, 3;
  @%p3 bra LOOP;
)"));
}

TEST(UnwrittenRegisters, EachCallBeginsWithNone) {
  const std::string call = R"(
  { .param .b32 param0; st.param.b32 [param0], N;
    .param .b32 retval0;
    call.uni (retval0), keep, (param0);
    ld.param.b32 %r3, [retval0]; }
)";
  const std::string function = R"(
.func (.param .b32 result) keep (.param .b32 n)
{
  .reg .b32 %r<4>; .reg .pred %p<2>;
  ld.param.b32 %r1, [n];
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra OVER;
  mov.u32 %r2, 7;
OVER:
  add.s32 %r3, %r2, 1;
  setp.eq.u32 %p1, %r3, 0;
  @%p1 bra END;
END:
  st.param.b32 [result], %r3;
  ret;
}
)";
  const auto with = [&](const std::string& n) {
    std::string text = call;
    return text.replace(text.find('N'), 1, n);
  };
  expect_quiet(run_words(with("1") + "st.global.u32 [%rd2], %r3;", function));
  EXPECT_TRUE(run_words(with("1") + with("0") + "st.global.u32 [%rd2], %r3;", function)
                  .reported("reg.uninit"));
}

TEST(UnwrittenRegisters, AreNotLookedForWithoutChecks) {
  expect_quiet(run_words("st.global.u32 [%rd2], %r9;", "", {.checks = false}));
}

Words run_unwritten(const std::string& body,
                    const std::vector<std::pair<size_t, size_t>>& written) {
  Machine machine({});
  Words words;
  words.values.assign(64, 1);
  const auto address = reinterpret_cast<uint64_t>(words.values.data());
  machine.memory().add({.name = "words", .base = address, .bytes = 256, .written = unwritten(256)});
  for (const auto& [from, bytes] : written) machine.memory().mark_written(address + from, bytes);
  KernelLaunch launch;
  launch.module = machine.load(program(body));
  launch.entry = "kernel";
  launch.block = {32, 1, 1};
  launch.params.resize(8);
  std::memcpy(launch.params.data(), &address, 8);
  words.report = machine.launch(launch);
  return words;
}

TEST(UnwrittenMemory, IsReportedWhereItIsRead) {
  const std::string read = "ld.global.u32 %r2, [%rd2+128];\nst.global.u32 [%rd2], %r2;";
  expect_quiet(run_unwritten(read, {{128, 128}}));
  const Words words = run_unwritten(read, {{128, 126}});
  ASSERT_TRUE(words.reported("gmem.uninit"));
  EXPECT_NE(words.texts().find("uninitialised read: lane 31 reads 4 bytes of global memory"),
            std::string::npos)
      << words.texts();
  EXPECT_NE(words.texts().find("byte 254 of words"), std::string::npos) << words.texts();
  expect_quiet(run_unwritten("st.global.u32 [%rd2], 3;\nld.global.u16 %r2, [%rd2+2];", {}));
  EXPECT_TRUE(run_unwritten("st.global.u16 [%rd2], %rs1;\nld.global.u32 %r2, [%rd2];", {})
                  .reported("gmem.uninit"));
  EXPECT_TRUE(run_unwritten("red.global.add.u32 [%rd1], 1;", {}).reported("gmem.uninit"));
}

}  // namespace
}  // namespace fa4::emu::test
