// SPDX-License-Identifier: Apache-2.0
// Small programs for sm_90, for clusters too: as in programs.h.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "emu/programs.h"

namespace fa4::emu::test {

inline std::string sm90_program(const std::string& body, const std::string& outside = "") {
  std::string text = program(body, outside);
  text.replace(text.find("sm_80"), 5, "sm_90a");
  return text;
}

inline const MachineOptions kSm90{.arch = 90};

inline testing::AssertionResult is_clean(const Words& words) {
  if (words.report.finished && words.report.num_errors == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << words.texts();
}
#define EXPECT_CLEAN(words) EXPECT_TRUE(is_clean(words))

// Every policy, with six seeds where there is a choice.
template <class Body>
void for_all_schedules(Body body, uint32_t arch = 90) {
  for (const Policy policy : kAllPolicies) {
    const uint64_t seeds = policy == Policy::Torn || policy == Policy::Random ? 6 : 1;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      SCOPED_TRACE(std::string(name_of(policy)) + ", seed " + std::to_string(seed));
      body(MachineOptions{.arch = arch, .policy = policy, .seed = seed});
    }
  }
}

inline const std::string kClusterSync = R"(
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
)";

}  // namespace fa4::emu::test
