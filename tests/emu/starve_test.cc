// SPDX-License-Identifier: Apache-2.0
// The policy that starves a role: it goes last of all, and only to the next thing that others can see.
#include <fmt/format.h>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

MachineOptions starving(const std::string& role) {
  MachineOptions options;
  EXPECT_TRUE(read_policy("starve:" + role, &options));
  return options;
}

Shape four_warps() {
  Shape shape{.threads = 128};
  shape.labels.warps = {{0, 0, "First"}, {1, 2, "Middle"}};
  return shape;
}

TEST(Starve, LetsOneRoleGoLast) {
  for (const auto& [role, first, last] :
       {std::tuple{"First", 0u, 0u}, {"Middle", 1u, 2u}, {"3", 3u, 3u}, {"0-2", 0u, 2u}}) {
    const Words words =
        run(order_program(4), std::vector<uint32_t>(17, 0), four_warps(), starving(role));
    ASSERT_TRUE(words.report.finished) << words.texts();
    EXPECT_EQ(words.report.repeat, fmt::format("--policy starve:{}", role));
    const size_t starved = 4 * (last - first + 1);
    for (size_t ticket = 0; ticket < 16; ++ticket) {
      const uint32_t warp = words.values[1 + ticket] / 32;
      EXPECT_EQ(warp >= first && warp <= last, ticket >= 16 - starved) << role << " " << ticket;
    }
  }
}

// When the starved warp has opened the barrier for the others, they go first again.
TEST(Starve, LetsOthersGoBetweenTwoStepsOfTheRole) {
  const std::string text = program(R"(
  setp.lt.u32 %p1, %r1, 32;
  @!%p1 bra OTHER;
  bar.arrive 1, 64;
  atom.global.add.u32 %r3, [%rd1], 1;
  setp.eq.u32 %p2, %r1, 0;
  @%p2 st.global.u32 [%rd1+4], %r3;
  bra.uni DONE;
OTHER:
  bar.sync 1, 64;
  atom.global.add.u32 %r3, [%rd1], 100;
DONE:
)");
  const Words words = run(text, std::vector<uint32_t>(2, 0), {.threads = 64}, starving("0"));
  ASSERT_TRUE(words.report.finished) << words.texts();
  EXPECT_EQ(words.values[1], 3200u);
}

TEST(Starve, RefusesARoleThatIsNotThere) {
  for (const char* role : {"Last", "4", "2-4", "3-2", "-1", "1-"}) {
    try {
      run(order_program(4), std::vector<uint32_t>(17, 0), four_warps(), starving(role));
      ADD_FAILURE() << role;
    } catch (const MachineError& error) {
      EXPECT_EQ(std::string(error.what()),
                fmt::format("policy is starve:{}; kernel has the roles First, Middle, and warps 0 "
                            "to 3, which are named by numbers: 3, 0-3",
                            role));
    }
  }
}

}  // namespace
}  // namespace fa4::emu::test
