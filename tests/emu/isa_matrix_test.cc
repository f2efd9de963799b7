// SPDX-License-Identifier: Apache-2.0
// ldmatrix, stmatrix, movmatrix and mma.sync in programs: every element carries its place.
#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

void expect_quiet_matrix(const Words& words) {
  EXPECT_TRUE(words.report.finished) << words.texts();
  EXPECT_TRUE(words.report.reports.empty()) << words.texts();
}

// The element of matrix m, row r, column c.
uint32_t element(uint32_t m, uint32_t r, uint32_t c) { return m << 8 | r << 4 | c; }

// By the manual's figure: lane holds row lane / 4, columns 2 (lane % 4) and the next; transposed, the column and the rows.
uint32_t fragment(uint32_t m, uint32_t lane, bool transposed) {
  const uint32_t group = lane / 4, pair = lane % 4 * 2;
  if (transposed) return element(m, pair, group) | element(m, pair + 1, group) << 16;
  return element(m, group, pair) | element(m, group, pair + 1) << 16;
}

// Four matrices in shared memory at `tile`, the rows of each 80 bytes apart; the address of the lane's row in %r5. Thread t
// writes row t % 8 of matrix t / 8.
const char* const kTile = R"(
  .shared .align 16 .b8 tile[2560];
)";
const char* const kAddress = R"(
  mov.u32 %r2, tile;
  mad.lo.u32 %r5, %r1, 80, %r2;
)";
const char* const kFill = R"(
  shr.u32 %r6, %r1, 3;
  and.b32 %r7, %r1, 7;
  shl.b32 %r6, %r6, 8;
  shl.b32 %r7, %r7, 4;
  or.b32 %r6, %r6, %r7;
  mov.u32 %r8, 0;
FILL:
  shl.b32 %r9, %r8, 1;
  add.u32 %r9, %r9, %r5;
  or.b32 %r10, %r6, %r8;
  cvt.u16.u32 %rs1, %r10;
  st.shared.u16 [%r9], %rs1;
  add.u32 %r8, %r8, 1;
  setp.lt.u32 %p1, %r8, 8;
  @%p1 bra FILL;
  bar.sync 0;
)";

std::string registers_of(uint32_t count, uint32_t first) {
  std::string text = "{";
  for (uint32_t i = 0; i < count; ++i) text += fmt::format("{}%r{}", i == 0 ? "" : ", ", first + i);
  return text + "}";
}

TEST(IsaMatrix, LoadsEveryElementToItsPlace) {
  for (const uint32_t count : {1u, 2u, 4u}) {
    for (const bool transposed : {false, true}) {
      for (const char* const order :
           {"m8n8.x{}{}.shared", "x{}{}.m8n8.shared", "m8n8.x{}{}.shared::cta", "m8n8.x{}{}"}) {
        const std::string form =
            fmt::format(fmt::runtime(order), count, transposed ? ".trans" : "");
        const bool generic = form.find("shared") == std::string::npos;
        std::string body = std::string(kAddress) + kFill;
        if (generic) body += "  cvt.u64.u32 %rd5, %r5;\n  cvta.shared.u64 %rd6, %rd5;\n";
        body += fmt::format("  ldmatrix.sync.aligned.{}.b16 {}, [{}];\n", form,
                            registers_of(count, 20), generic ? "%rd6" : "%r5");
        for (uint32_t m = 0; m < count; ++m) {
          body += fmt::format("  st.global.u32 [%rd2+{}], %r{};\n", 128 * m, 20 + m);
        }
        const Words words = run(program(body, kTile), std::vector<uint32_t>(128, 0));
        expect_quiet_matrix(words);
        for (uint32_t m = 0; m < count; ++m) {
          for (uint32_t lane = 0; lane < 32; ++lane) {
            EXPECT_EQ(words.values[32 * m + lane], fragment(m, lane, transposed)) << form;
          }
        }
      }
    }
  }
}

// The address register is among the results.
TEST(IsaMatrix, LoadsOverItsOwnAddress) {
  const Words words =
      run(program(std::string(kAddress) + kFill +
                      "  ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r5, %r6}, [%r5];\n"
                      "  st.global.u32 [%rd2], %r5;\n  st.global.u32 [%rd2+128], %r6;\n",
                  kTile),
          std::vector<uint32_t>(64, 0));
  expect_quiet_matrix(words);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(words.values[lane], fragment(0, lane, false));
    EXPECT_EQ(words.values[32 + lane], fragment(1, lane, false));
  }
}

TEST(IsaMatrix, StoresEveryElementToItsPlace) {
  for (const uint32_t count : {1u, 2u, 4u}) {
    for (const bool transposed : {false, true}) {
      std::vector<uint32_t> values(1024, 0);
      for (uint32_t m = 0; m < 4; ++m) {
        for (uint32_t lane = 0; lane < 32; ++lane)
          values[32 * m + lane] = fragment(m, lane, transposed);
      }
      std::string body = kAddress;
      for (uint32_t m = 0; m < 4; ++m) {
        body += fmt::format("  ld.global.u32 %r{}, [%rd2+{}];\n", 20 + m, 128 * m);
      }
      body += fmt::format("  stmatrix.sync.aligned.m8n8.x{}{}.shared.b16 [%r5], {};\n", count,
                          transposed ? ".trans" : "", registers_of(count, 20));
      body += "  bar.sync 0;\n  setp.ge.u32 %p2, %r1, " + std::to_string(8 * count) +
              ";\n  @%p2 bra END;\n";
      body +=
          "  mad.lo.u32 %r6, %r1, 16, 512;\n  cvt.u64.u32 %rd5, %r6;\n  add.s64 %rd5, %rd5, %rd1;\n";
      for (uint32_t i = 0; i < 4; ++i) {
        body += fmt::format("  ld.shared.u32 %r7, [%r5+{}];\n  st.global.u32 [%rd5+{}], %r7;\n",
                            4 * i, 4 * i);
      }
      body += "END:\n";
      const Words words = run(program(body, kTile), values, {}, {.arch = 90});
      expect_quiet_matrix(words);
      for (uint32_t m = 0; m < count; ++m) {
        for (uint32_t r = 0; r < 8; ++r) {
          for (uint32_t c = 0; c < 8; ++c) {
            const uint32_t word = words.values[128 + 4 * (8 * m + r) + c / 2];
            EXPECT_EQ(word >> (16 * (c % 2)) & 0xffff, element(m, r, c)) << count << transposed;
          }
        }
      }
    }
  }
}

TEST(IsaMatrix, Transposes) {
  std::vector<uint32_t> values(64, 0);
  for (uint32_t lane = 0; lane < 32; ++lane) values[lane] = fragment(0, lane, false);
  const Words words = run(program("  ld.global.u32 %r2, [%rd2];\n"
                                  "  movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r2;\n"
                                  "  st.global.u32 [%rd2+128], %r2;\n"),
                          values);
  expect_quiet_matrix(words);
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(words.values[32 + lane], fragment(0, lane, true));
}

// All of A, B and C from words; D behind them. With C = 0, A of row i all i + 1 and B of column j all 2^j, D is
// 16 (i + 1) 2^j, exact in every model.
TEST(IsaMatrix, MultipliesInEveryModel) {
  const auto f16_of = [](uint32_t n) {  // 1 to 128
    const auto exponent = static_cast<uint32_t>(std::bit_width(n)) - 1;
    return (exponent + 15) << 10 | ((n << (10 - exponent)) & 0x3ff);
  };
  std::vector<uint32_t> values(6 * 32 + 4 * 32, 0);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t reg = 0; reg < 4; ++reg) {
      values[32 * reg + lane] = f16_of(lane / 4 + reg % 2 * 8 + 1) * 0x10001;
    }
    for (uint32_t reg = 0; reg < 2; ++reg)
      values[32 * (4 + reg) + lane] = f16_of(1u << (lane / 4)) * 0x10001;
  }
  std::string body;
  for (uint32_t i = 0; i < 6; ++i) {
    body += fmt::format("  ld.global.u32 %r{}, [%rd2+{}];\n", 10 + i, 128 * i);
  }
  body +=
      "  mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r10, %r11, %r12, %r13}, "
      "{%r14, %r15}, {0f00000000, 0f00000000, 0f00000000, 0f00000000};\n";
  for (uint32_t i = 0; i < 4; ++i)
    body += fmt::format("  st.global.f32 [%rd2+{}], %f{};\n", 768 + 128 * i, 1 + i);
  for (const uint32_t arch : {80u, 90u}) {
    for (const Numerics numerics : {Numerics::Exact, Numerics::Fast}) {
      const Words words = run(program(body), values, {}, {.arch = arch, .numerics = numerics});
      expect_quiet_matrix(words);
      for (uint32_t lane = 0; lane < 32; ++lane) {
        for (uint32_t reg = 0; reg < 4; ++reg) {
          const uint32_t row = lane / 4 + reg / 2 * 8, column = lane % 4 * 2 + reg % 2;
          const float expected =
              16.0f * static_cast<float>(row + 1) * static_cast<float>(1u << column);
          EXPECT_EQ(std::bit_cast<float>(words.values[192 + 32 * reg + lane]), expected);
        }
      }
    }
  }
}

// 2^24 + 1 + 1 in one product of k 16: Ampere's second step begins with a sum that has lost the first one, and loses the
// second; Hopper adds all of them first.
TEST(IsaMatrix, StepsOfTheArchitectures) {
  std::vector<uint32_t> values(64, 0);
  const std::string body = R"(
  mov.u32 %r10, 0;
  mov.u32 %r11, 0;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 mov.u32 %r10, 0x3c00;
  @%p1 mov.u32 %r11, 0x3c00;
  mov.u32 %r12, 0;
  mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r10, %r12, %r11, %r12}, {%r10, %r11}, {0f4b800000, 0f4b800000, 0f4b800000, 0f4b800000};
  st.global.f32 [%rd2], %f1;
)";
  EXPECT_EQ(std::bit_cast<float>(run(program(body), values, {}, {.arch = 80}).values[0]),
            16777216.0f);
  EXPECT_EQ(std::bit_cast<float>(run(program(body), values, {}, {.arch = 90}).values[0]),
            16777218.0f);
}

TEST(IsaMatrix, NeedsTheWholeWarp) {
  const Words words = run(program("  setp.lt.u32 %p1, %r1, 31;\n  mov.u32 %r2, 7;\n"
                                  "  @%p1 movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r2;\n"),
                          std::vector<uint32_t>(64, 0));
  EXPECT_TRUE(words.reported("warp.unaligned_sync")) << words.texts();
}

TEST(IsaMatrix, BadAddressesAreReported) {
  const Words words =
      run(program(std::string(kAddress) +
                      "  add.u32 %r5, %r5, 8;\n"
                      "  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r6, %r7, %r8, %r9}, [%r5];\n",
                  kTile),
          std::vector<uint32_t>(64, 0));
  EXPECT_TRUE(words.reported("misaligned")) << words.texts();
}

TEST(IsaMatrix, FormsThatAreRefused) {
  const std::vector<uint32_t> values(64, 0);
  for (
      const char* const text :
      {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3, %r4}, {%f1, "
       "%f2, %f3, %f4};",
       "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, "
       "%r6}, {%f1, %f2, %f3, %f4};",
       "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f32 {%r1, %r2}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f1, "
       "%f2, %f3, %f4};",
       "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1, %r2, %r3, %r4}, [%r5];",
       "ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%r1, %r2, %r3}, [%r5];",
       "ldmatrix.sync.aligned.m8n8.x1.global.b16 {%r1}, [%rd1];",
       "movmatrix.sync.aligned.m8n8.b16 %r1, %r2;"}) {
    EXPECT_THROW(run(program(std::string("  ") + text + "\n"), values), MachineError) << text;
  }
  // stmatrix came with sm_90.
  EXPECT_THROW(run(program("  stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r5], {%r1};\n"), values),
               MachineError);
}

}  // namespace
}  // namespace fa4::emu::test
