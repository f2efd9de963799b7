// SPDX-License-Identifier: Apache-2.0
// Random programs give what a twin gives that runs lane by lane and knows nothing of the machine, under every policy.
// FA4_RANDOM_PROGRAMS (60) says how many; FA4_RANDOM_SEED (1) is the first one's.
#include "emu/random_program.h"

#include <cstdlib>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(RandomPrograms, EqualTheirTwinUnderEveryPolicy) {
  const uint64_t first = number_from("FA4_RANDOM_SEED", 1);
  const uint64_t count = number_from("FA4_RANDOM_PROGRAMS", 60);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const RandomProgram program(seed);
    const std::string text = program.text();
    std::vector<uint32_t> expected;
    for (const LaneState& lane : program.run()) {
      for (const uint32_t word : RandomProgram::words_of(lane)) expected.push_back(word);
    }
    for (const Policy policy : kAllPolicies) {
      const Words words = run(text, std::vector<uint32_t>(expected.size(), 0),
                              {.threads = kRandomThreads}, {.policy = policy, .seed = seed});
      ASSERT_EQ(words.report.num_errors, 0u) << "seed " << seed << "\n" << words.texts() << text;
      for (size_t at = 0; at < expected.size(); ++at) {
        ASSERT_EQ(words.values[at], expected[at])
            << "seed " << seed << ", " << name_of(policy) << ": thread "
            << at / RandomProgram::words_per_thread() << ", word "
            << at % RandomProgram::words_per_thread() << "\n"
            << text;
      }
    }
  }
}

std::vector<uint32_t> words_of_twin(uint64_t seed) {
  std::vector<uint32_t> words;
  for (const LaneState& lane : RandomProgram(seed).run()) {
    for (const uint32_t word : RandomProgram::words_of(lane)) words.push_back(word);
  }
  return words;
}

// The programs of one day can tell a machine that is wrong in one row, seldom and by one bit, from the twin: here the
// twin is wrong, which is the same difference.
TEST(RandomPrograms, NoticeARowThatIsWrong) {
  constexpr uint64_t kDaily = 60;
  std::vector<std::vector<uint32_t>> right;
  for (uint64_t seed = 1; seed <= kDaily; ++seed) right.push_back(words_of_twin(seed));
  std::vector<std::string> unnoticed;
  for (size_t row = 0; row < random_rows().size(); ++row) {
    const WrongRow wrong(row);
    uint64_t noticed = 0;
    for (uint64_t seed = 1; seed <= kDaily; ++seed) {
      noticed += words_of_twin(seed) != right[seed - 1] ? 1 : 0;
    }
    if (noticed == 0) unnoticed.emplace_back(random_rows()[row].syntax);
  }
  EXPECT_TRUE(unnoticed.empty()) << testing::PrintToString(unnoticed);
}

}  // namespace
}  // namespace fa4::emu::test
