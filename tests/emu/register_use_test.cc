// SPDX-License-Identifier: Apache-2.0
// Which registers each instruction of a lowered program reads and writes.
#include <algorithm>

#include "emu/programs.h"
#include "emu/ptx/parser.h"
#include "emu/run/program.h"

namespace fa4::emu::test {
namespace {

// "r32 wp1": what is read and written, predicates with a p, and its bits.
std::string text_of_uses(const Program& program, size_t pc) {
  std::string text;
  for (const RegisterUse& use : program.uses_of(pc)) {
    if (!text.empty()) text += ' ';
    text += (use.is_written ? "w" : "r") + std::string(use.is_predicate ? "p" : "") +
            std::to_string(use.bits);
  }
  return text;
}

TEST(RegisterUses, NameWhatIsReadAndWritten) {
  const ptx::Module module = ptx::parse(program(R"(
  add.s32 %r2, %r1, 7;
  @%p1 mov.b64 %rd4, {%r2, %r1};
  setp.lt.s32 %p2|%p3, %r1, %r2;
  st.global.v2.u32 [%rd4+8], {%r1, %r2};
  selp.b32 %r5, %r1, 3, !%p2;
)"));
  const auto* function = std::get_if<ptx::Function>(&module.items.at(0));
  ASSERT_NE(function, nullptr);
  const Program program = lower(module, *function, {}, {});
  ASSERT_EQ(program.first_uses.size(), program.code.size() + 1);
  constexpr size_t kFirst = 5;  // behind what every program begins with
  EXPECT_EQ(text_of_uses(program, kFirst), "r32 w32");
  EXPECT_EQ(text_of_uses(program, kFirst + 1), "r32 r32 w64 rp1");
  EXPECT_EQ(text_of_uses(program, kFirst + 2), "r32 r32 wp1 wp1");
  EXPECT_EQ(text_of_uses(program, kFirst + 3), "r64 r32 r32");
  EXPECT_EQ(text_of_uses(program, kFirst + 4), "r32 rp1 w32");
  EXPECT_EQ(text_of_uses(program, kFirst + 5), "");
  const std::span<const RegisterUse> add = program.uses_of(kFirst);
  const std::span<const RegisterUse> pack = program.uses_of(kFirst + 1);
  EXPECT_EQ(add[1].first, pack[0].first);
  EXPECT_EQ(add[0].first, pack[1].first);
  EXPECT_EQ(pack[2].count, 2);
}

}  // namespace
}  // namespace fa4::emu::test
