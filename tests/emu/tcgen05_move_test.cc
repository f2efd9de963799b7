// SPDX-License-Identifier: Apache-2.0
// tcgen05.ld and st of every shape and count, against maps that are written the other way round: which register of which
// thread holds a cell.
#include <fmt/format.h>

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

}  // namespace
}  // namespace fa4::emu::test
