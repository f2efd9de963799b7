// SPDX-License-Identifier: Apache-2.0
// tcgen05.ld and st of every shape and count, and tcgen05.cp and shift, against maps that are written the other way round:
// which register of which thread holds a cell.
#include <fmt/format.h>

#include <functional>

#include "emu/tmem_programs.h"

namespace fa4::emu::test {
namespace {

struct Holder {
  uint32_t thread, reg;
};

struct MoveCase {
  std::string shape;
  uint32_t count, lanes;
  uint32_t columns_per_count, registers_per_count;
  bool halves;
  std::string name() const { return shape + "_x" + std::to_string(count) + (halves ? "_16b" : ""); }
};
void PrintTo(const MoveCase& one, std::ostream* stream) { *stream << one.name(); }

constexpr uint32_t kSplit = 200;

// Who holds cell (l, c) of the warp's: l from its first lane, c a column, of 16-bit ones a pair.
Holder holder_of(const MoveCase& of, uint32_t l, uint32_t c) {
  const uint32_t row = l % 8, half = l / 8;
  if (of.shape == "32x32b") return {l, c};
  if (of.shape == "16x64b") return {4 * row + 2 * (c % 2) + half, c / 2};
  if (of.shape == "16x128b") return {4 * row + c % 4, 2 * (c / 4) + half};
  if (of.shape == "16x256b") return {4 * row + c % 8 / 2, 4 * (c / 8) + 2 * half + c % 2};
  return {l, c};  // 16x32bx2: the first half of the threads; the second holds the second columns
}

std::vector<MoveCase> move_cases() {
  std::vector<MoveCase> all;
  const MoveCase shapes[] = {{"32x32b", 128, 32, 1, 1, false},
                             {"16x64b", 128, 16, 2, 1, false},
                             {"16x128b", 64, 16, 4, 2, false},
                             {"16x256b", 32, 16, 8, 4, false},
                             {"16x32bx2", 128, 16, 1, 1, false}};
  for (const MoveCase& shape : shapes) {
    for (uint32_t count = 1; count <= shape.count; count *= 2) {
      for (const bool halves : {false, true}) {
        MoveCase one = shape;
        one.count = count;
        one.halves = halves;
        all.push_back(one);
      }
    }
  }
  return all;
}

class TmemMoves : public testing::TestWithParam<MoveCase> {
 protected:
  uint32_t registers() const { return GetParam().count * GetParam().registers_per_count; }
  uint32_t columns() const { return GetParam().count * GetParam().columns_per_count; }  // or pairs
  bool is_split() const { return GetParam().shape == "16x32bx2"; }

  std::string vector() const {
    std::string text = "{";
    for (uint32_t i = 0; i < registers(); ++i) text += (i == 0 ? "%v" : ", %v") + std::to_string(i);
    return text + "}";
  }
  std::string load() const {
    return fmt::format("tcgen05.ld.sync.aligned.{}.x{}{}.b32 {}, [%r44]{};\n", GetParam().shape,
                       GetParam().count, GetParam().halves ? ".pack::16b" : "", vector(),
                       is_split() ? fmt::format(", {}", kSplit) : "");
  }
  std::string store() const {
    return fmt::format("tcgen05.st.sync.aligned.{}.x{}{}.b32 [%r44]{}, {};\n", GetParam().shape,
                       GetParam().count, GetParam().halves ? ".unpack::16b" : "",
                       is_split() ? fmt::format(", {}", kSplit) : "", vector());
  }
  // %r44: the warp's lanes, from `first` of its quarter on.
  std::string program_of(uint32_t first, const std::string& body) const {
    return sm100_program(with_tmem(512, fmt::format(R"(
  .reg .b32 %v<128>;
  and.b32 %r45, %r1, 31;
  add.u32 %r44, %r42, {};
)",
                                                    first << 16) +
                                            body));
  }
  // The value of a cell: what names it in the low half, something else in the upper one.
  static uint32_t cell(uint32_t lane, uint32_t column) {
    const uint32_t name = lane << 9 | column;
    return name | (name * 40503u & 0xffff) << 16;
  }
  static const char* fill() {
    return R"(
  mov.u32 %r46, 0;
FILL:
  shl.b32 %r47, %r1, 9;
  or.b32 %r47, %r47, %r46;
  mul.lo.u32 %r48, %r47, 40503;
  shl.b32 %r48, %r48, 16;
  or.b32 %r47, %r47, %r48;
  add.u32 %r49, %r42, %r46;
  tcgen05.st.sync.aligned.32x32b.x1.b32 [%r49], {%r47};
  add.u32 %r46, %r46, 1;
  setp.lt.u32 %p1, %r46, 512;
  @%p1 bra FILL;
  tcgen05.wait::st.sync.aligned;
)";
  }
  uint32_t first_columns(uint32_t thread) const { return is_split() && thread >= 16 ? kSplit : 0; }
  // What (lane of its quarter, column) is in a cell of the fragment, whole or of a pair.
  template <class Body>
  void for_cells(Body body) const {
    for (uint32_t l = 0; l < GetParam().lanes; ++l) {
      for (uint32_t c = 0; c < columns(); ++c) {
        const Holder holder = holder_of(GetParam(), l, c);
        body(l, c, holder);
        if (is_split()) body(l, c, Holder{holder.thread + 16, holder.reg});
      }
    }
  }
};

TEST_P(TmemMoves, LoadWhatTheManualDraws) {
  const uint32_t r = registers();
  for (const uint32_t first : {0u, GetParam().lanes == 16 ? 16u : 0u}) {
    std::string stores = fmt::format("mad.lo.u32 %r50, %r1, {}, 0;\n", 4 * r);
    stores += "cvt.u64.u32 %rd5, %r50;\nadd.s64 %rd5, %rd5, %rd1;\n";
    for (uint32_t i = 0; i < r; ++i) {
      stores += fmt::format("st.global.u32 [%rd5+{}], %v{};\n", 4 * i, i);
    }
    const Words words = run(program_of(first, fill() + load() + kWaitLoads + stores),
                            {.threads = 128}, {.arch = 100, .policy = Policy::Torn}, 128 * r);
    EXPECT_CLEAN(words);
    for (uint32_t warp = 0; warp < 4; ++warp) {
      for_cells([&](uint32_t l, uint32_t c, Holder holder) {
        const uint32_t lane = 32 * warp + first + l, at = first_columns(holder.thread);
        const uint32_t expected =
            GetParam().halves ? (cell(lane, at + 2 * c) & 0xffff) | cell(lane, at + 2 * c + 1) << 16
                              : cell(lane, at + c);
        ASSERT_EQ(words.values[(32 * warp + holder.thread) * r + holder.reg], expected)
            << "lane " << lane << ", column " << c;
      });
    }
  }
}

TEST_P(TmemMoves, StoreWhatTheManualDraws) {
  const uint32_t r = registers();
  const uint32_t wide = GetParam().halves ? 2 : 1;
  // Register i of a thread: thread << 8 | i, and its complement above.
  std::string values;
  for (uint32_t i = 0; i < r; ++i) {
    values += fmt::format(
        "shl.b32 %v{0}, %r45, 8;\nor.b32 %v{0}, %v{0}, {0};\nnot.b32 %r50, %v{0};\nshl.b32 %r50, "
        "%r50, 16;\nor.b32 %v{0}, %v{0}, %r50;\n",
        i);
  }
  // All columns, as words of the thread: [column][thread].
  const char* const back = R"(
  mov.u32 %r46, 0;
BACK:
  add.u32 %r49, %r42, %r46;
  tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r47}, [%r49];
  shl.b32 %r48, %r46, 7;
  add.u32 %r48, %r48, %r1;
  mul.wide.u32 %rd5, %r48, 4;
  add.s64 %rd5, %rd5, %rd1;
  st.global.u32 [%rd5], %r47;
  add.u32 %r46, %r46, 1;
  setp.lt.u32 %p1, %r46, 512;
  @%p1 bra BACK;
)";
  const Words words = run(program_of(0, fill() + values + store() + kWaitStores + back),
                          {.threads = 128}, {.arch = 100, .policy = Policy::Torn}, 128 * 512);
  EXPECT_CLEAN(words);
  std::vector<uint32_t> expected(128 * 512);
  for (uint32_t lane = 0; lane < 128; ++lane) {
    for (uint32_t column = 0; column < 512; ++column) {
      expected[column * 128 + lane] = cell(lane, column);
    }
  }
  for (uint32_t warp = 0; warp < 4; ++warp) {
    for_cells([&](uint32_t l, uint32_t c, Holder holder) {
      const uint32_t low = holder.thread << 8 | holder.reg, value = low | ~low << 16;
      const uint32_t column = first_columns(holder.thread) + wide * c;
      expected[column * 128 + 32 * warp + l] = wide == 2 ? value & 0xffff : value;
      if (wide == 2) expected[(column + 1) * 128 + 32 * warp + l] = value >> 16;
    });
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(words.values[i], expected[i]) << "lane " << i % 128 << ", column " << i / 128;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TmemMoves, testing::ValuesIn(move_cases()),
                         [](const auto& info) { return info.param.name(); });

// Behind the values comes the least or the greatest of a thread's, on sm_103 alone.
TEST(TmemReduce, GivesTheExtremeOfAThreadsRegisters) {
  const auto body = [](const std::string& operation) {
    return sm100_program(with_tmem(32, R"(
  cvt.rn.f32.u32 %f1, %r1;
  mov.f32 %f2, 0fc1200000;
  mov.f32 %f3, 0f7fffffff;
  mov.f32 %f4, 0f42200000;
  tcgen05.st.sync.aligned.32x32b.x4.b32 [%r42], {%f1, %f2, %f3, %f4};
  tcgen05.wait::st.sync.aligned;
  tcgen05.ld.red.sync.aligned.32x32b.x4.)" +
                                           operation + R"( {%f5, %f6, %f7, %f8}, %f9, [%r42];
  st.global.f32 [%rd2], %f9;
)"));
  };
  const auto result = [&](const std::string& operation, uint32_t thread) {
    std::string text = body(operation);
    text.replace(text.find("sm_100a"), 7, "sm_103a");
    const Words words = run(text, {.threads = 128}, {.arch = 103}, 128);
    EXPECT_CLEAN(words);
    return words.values.at(thread);
  };
  EXPECT_EQ(std::bit_cast<float>(result("min.f32", 7)), -10.0f);
  EXPECT_EQ(std::bit_cast<float>(result("max.f32", 7)), 40.0f);
  EXPECT_EQ(std::bit_cast<float>(result("max.f32", 77)), 77.0f);
  EXPECT_EQ(std::bit_cast<float>(result("min.abs.f32", 7)), 7.0f);
  EXPECT_EQ(result("max.NaN.f32", 7), 0x7fffffffu);
  EXPECT_EQ(result("max.u32", 7), 0xc1200000u);
  EXPECT_EQ(result("max.s32", 7), 0x7fffffffu);
  EXPECT_EQ(result("min.s32", 7), 0xc1200000u);
  EXPECT_THROW(run(body("max.f32"), {.threads = 128}, kSm100, 128), MachineError);
}

// ---- copies ---------------------------------------------------------------------------------------------------------

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
        EXPECT_TRUE(says(words, "tmem.in_flight", {"it reads", "tcgen05.cp"}));
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
