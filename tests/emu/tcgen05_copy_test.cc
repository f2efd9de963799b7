// SPDX-License-Identifier: Apache-2.0
// tcgen05.cp of every shape, and tcgen05.shift: from the bytes of shared memory to the lanes and columns where they must be.
#include <fmt/format.h>

#include <functional>

#include "emu/tmem_programs.h"

namespace fa4::emu::test {
namespace {

struct CopyCase {
  std::string shape;
  uint32_t rows, words;                                  // of the source; words of a row
  std::vector<std::function<uint32_t(uint32_t)>> lanes;  // of a row
  std::string name() const {
    std::string text;
    for (const char c : shape) text += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return text;
  }
};
void PrintTo(const CopyCase& one, std::ostream* stream) { *stream << one.name(); }

std::vector<CopyCase> copy_cases() {
  const auto plus = [](uint32_t by) { return [by](uint32_t row) { return row + by; }; };
  const auto quarters = [](uint32_t by) {
    return [by](uint32_t row) { return row % 32 + 64 * (row / 32) + by; };
  };
  return {{"128x256b", 128, 8, {plus(0)}},
          {"128x128b", 128, 4, {plus(0)}},
          {"4x256b", 4, 8, {[](uint32_t row) { return 32 * row; }}},
          {"64x128b.warpx2::02_13", 64, 4, {plus(0), plus(64)}},
          {"64x128b.warpx2::01_23", 64, 4, {quarters(0), quarters(32)}},
          {"32x128b.warpx4", 32, 4, {plus(0), plus(32), plus(64), plus(96)}}};
}

class TmemCopies : public testing::TestWithParam<CopyCase> {};

// The tile's word i holds 1000 + i. Without a swizzle 8 rows of 16 bytes lie together, and the second halves of rows 8 KB
// behind; with one, rows lie in 128 bytes.
constexpr uint64_t kPlainTile = uint64_t{1} << 46 | uint64_t{8192 / 16} << 16 | uint64_t{8} << 32;
constexpr uint64_t kSwizzledTile = uint64_t{1} << 46 | uint64_t{64} << 32 | uint64_t{2} << 61;
uint32_t source_word(bool swizzled, uint32_t row, uint32_t word) {
  const uint32_t unit = word / 4, of_eight = row % 8;
  const uint32_t at = swizzled ? row * 128 + (unit ^ of_eight) * 16 : row * 16 + unit * 8192;
  return 1000 + at / 4 + word % 4;
}

const std::string kWaitForCopy = R"(
  @%p2 tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r11];
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], 0;
  @!%p3 bra WAIT;
)";

std::string copy_program(const std::string& shape, uint64_t fields, const std::string& wait) {
  return sm100_program(with_tmem(32, fmt::format(R"(
  .shared .align 1024 .b8 tile[16384];
  .shared .align 8 .b64 full;
  mov.u32 %r10, tile;
  mov.u32 %r11, full;
  shl.b32 %r12, %r1, 2;
  add.u32 %r12, %r12, %r10;
  add.u32 %r13, %r1, 1000;
  mov.u32 %r14, 0;
FILL:
  st.shared.u32 [%r12], %r13;
  add.u32 %r12, %r12, 512;
  add.u32 %r13, %r13, 128;
  add.u32 %r14, %r14, 1;
  setp.lt.u32 %p1, %r14, 32;
  @%p1 bra FILL;
  mov.b32 %r15, 0;
  tcgen05.st.sync.aligned.32x32b.x8.b32 [%r42], {{%r15, %r15, %r15, %r15, %r15, %r15, %r15, %r15}};
  tcgen05.wait::st.sync.aligned;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 mbarrier.init.shared::cta.b64 [%r11], 1;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  shr.u32 %r16, %r10, 4;
  cvt.u64.u32 %rd10, %r16;
  or.b64 %rd10, %rd10, {:#x};
  @%p2 tcgen05.cp.cta_group::1.{} [%r41], %rd10;
)",
                                                 fields, shape) +
                                         wait + R"(
  tcgen05.ld.sync.aligned.32x32b.x8.b32 {%r20, %r21, %r22, %r23, %r24, %r25, %r26, %r27}, [%r42];
  tcgen05.wait::ld.sync.aligned;
  mul.wide.u32 %rd5, %r1, 32;
  add.s64 %rd5, %rd5, %rd1;
  st.global.v4.u32 [%rd5], {%r20, %r21, %r22, %r23};
  st.global.v4.u32 [%rd5+16], {%r24, %r25, %r26, %r27};
)"));
}

TEST_P(TmemCopies, BringTheRowsToTheirLanes) {
  const CopyCase& of = GetParam();
  for (const bool swizzled : {false, true}) {
    std::vector<uint32_t> expected(128 * 8, 0);
    for (uint32_t row = 0; row < of.rows; ++row) {
      for (const auto& lane : of.lanes) {
        for (uint32_t word = 0; word < of.words; ++word) {
          expected[lane(row) * 8 + word] = source_word(swizzled, row, word);
        }
      }
    }
    for_all_schedules(
        [&](const MachineOptions& options) {
          const Words words =
              run(copy_program(of.shape, swizzled ? kSwizzledTile : kPlainTile, kWaitForCopy),
                  {.threads = 128}, options, 128 * 8);
          EXPECT_CLEAN(words);
          EXPECT_EQ(words.values, expected);
        },
        100);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TmemCopies, testing::ValuesIn(copy_cases()),
                         [](const auto& info) { return info.param.name(); });

TEST(TmemCopy, ExpandsSixAndFourBits) {
  for (const uint32_t bits : {6u, 4u}) {
    const std::string shape = bits == 6 ? "128x256b.b8x16.b6x16_p32" : "128x256b.b8x16.b4x16_p64";
    const Words words =
        run(copy_program(shape, kPlainTile, kWaitForCopy), {.threads = 128}, kSm100, 128 * 8);
    EXPECT_CLEAN(words);
    for (uint32_t i = 0; i < 128 * 8 * 4; ++i) {
      const uint32_t row = i / 32, unit = i / 16 % 2, element = i % 16;
      // Bit by bit, from the source's 16 bytes.
      uint32_t code = 0;
      for (uint32_t bit = 0; bit < bits; ++bit) {
        const uint32_t at = element * bits + bit;
        code |= (source_word(false, row, 4 * unit + at / 32) >> at % 32 & 1) << bit;
      }
      const uint32_t byte = bits == 4 ? code << 2 : code;
      ASSERT_EQ(words.values[i / 4] >> i % 4 * 8 & 0xff, byte) << bits << " bits, element " << i;
    }
  }
}

TEST(TmemCopy, MustBeWaitedFor) {
  for_all_schedules(
      [](const MachineOptions& options) {
        const Words words =
            run(copy_program("128x256b", kPlainTile, ""), {.threads = 128}, options, 128 * 8);
        EXPECT_TRUE(says(words, "tmem.in_flight", {"tcgen05.cp", "tcgen05.ld"}));
      },
      100);
  std::string unfenced = copy_program("128x256b", kPlainTile, kWaitForCopy);
  unfenced.replace(unfenced.find("fence.proxy.async.shared::cta;"), 30, "");
  EXPECT_TRUE(run(unfenced, {.threads = 128}, kSm100, 128 * 8).reported("proxy.unfenced"));
}

// Each lane takes what the next one has.
TEST(TmemShift, MovesRowsByOne) {
  std::string text = copy_program("128x256b", kPlainTile,
                                  "@%p2 tcgen05.shift.cta_group::1.down [%r41];\n" + kWaitForCopy);
  // It is not ordered behind a copy: commit and wait between.
  text.replace(
      text.find("@%p2 tcgen05.shift"), 18,
      "@%p2 tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%r11];\n"
      "FIRST:\nmbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], 0;\n@!%p3 bra FIRST;\n"
      "bar.sync 0;\n@%p2 tcgen05.shift");
  const std::string wait = "mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], 0;";
  text.replace(text.rfind(wait), wait.size(),
               "mbarrier.try_wait.parity.shared::cta.b64 %p3, [%r11], 1;");
  for_all_schedules(
      [&](const MachineOptions& options) {
        const Words words = run(text, {.threads = 128}, options, 128 * 8);
        EXPECT_CLEAN(words);
        for (uint32_t i = 0; i < 128 * 8; ++i) {
          const uint32_t row = std::min(i / 8 + 1, 127u);
          ASSERT_EQ(words.values[i], source_word(false, row, i % 8)) << i;
        }
      },
      100);
}

// Each CTA of a pair copies from its own memory to its own.
TEST(TmemCopy, OfAPairIsMadeInBoth) {
  std::string text = copy_program("128x256b", kPlainTile, kWaitForCopy);
  const auto replace_all = [&](const std::string& what, const std::string& by) {
    for (size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + by.size())) {
      text.replace(at, what.size(), by);
    }
  };
  replace_all("cta_group::1", "cta_group::2");
  replace_all("arrive::one.shared::cluster.b64 [%r11];",
              "arrive::one.shared::cluster.multicast::cluster.b64 [%r11], 3;");
  // The even CTA issues, when both are ready; thread t of rank r writes words 1024 r + 8 t.
  replace_all("add.u32 %r13, %r1, 1000;",
              "mov.u32 %r2, %cluster_ctarank;\nmad.lo.u32 %r13, %r2, 100000, %r1;\n"
              "add.u32 %r13, %r13, 1000;");
  replace_all("fence.proxy.async.shared::cta;\n  bar.sync 0;",
              "fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;\n" +
                  kClusterSync + "setp.eq.and.u32 %p2, %r2, 0, %p2;\n");
  replace_all("mul.wide.u32 %rd5, %r1, 32;",
              "mad.lo.u32 %r3, %r2, 128, %r1;\nmul.wide.u32 %rd5, %r3, 32;");
  text.insert(text.rfind("  bar.sync 0;"), kClusterSync);
  for_all_schedules(
      [&](const MachineOptions& options) {
        const Words words =
            run(text, {.threads = 128, .blocks = 2, .cluster = 2}, options, 2 * 128 * 8);
        EXPECT_CLEAN(words);
        for (uint32_t i = 0; i < 2 * 128 * 8; ++i) {
          ASSERT_EQ(words.values[i], source_word(false, i % 1024 / 8, i % 8) + i / 1024 * 100000);
        }
      },
      100);
}

}  // namespace
}  // namespace fa4::emu::test
