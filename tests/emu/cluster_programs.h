// SPDX-License-Identifier: Apache-2.0
// Small programs for sm_90: as in programs.h, launched in clusters.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "emu/programs.h"

namespace fa4::emu::test {

inline std::string sm90_program(const std::string& body, const std::string& outside = "") {
  std::string text = program(body, outside);
  text.replace(text.find("sm_80"), 5, "sm_90a");
  return text;
}

inline const MachineOptions kSm90{.arch = 90};

struct LaunchShape {
  uint32_t threads = 32;
  uint32_t blocks = 1;
  uint32_t cluster = 1;
  uint32_t dynamic_shared_bytes = 0;
  LaunchLabels labels = {};
};

inline Words run_cluster(const std::string& text, const LaunchShape& shape,
                         const MachineOptions& options, size_t num_words) {
  Machine machine(options);
  const ModuleId module = machine.load(text);
  Words words;
  words.values.assign(num_words, 0);
  const auto address = reinterpret_cast<uint64_t>(words.values.data());
  machine.memory().add({"words", address, words.values.size() * 4, true});
  KernelLaunch launch;
  launch.module = module;
  launch.entry = "kernel";
  launch.grid = {shape.blocks, 1, 1};
  launch.block = {shape.threads, 1, 1};
  launch.cluster = {shape.cluster, 1, 1};
  launch.dynamic_shared_bytes = shape.dynamic_shared_bytes;
  launch.labels = shape.labels;
  launch.params.resize(8);
  std::memcpy(launch.params.data(), &address, 8);
  words.report = machine.launch(launch);
  return words;
}

inline testing::AssertionResult is_clean(const Words& words) {
  if (words.report.finished && words.report.num_errors == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << words.texts();
}
#define EXPECT_CLEAN(words) EXPECT_TRUE(is_clean(words))

// Every policy, with six seeds where there is a choice.
template <class Body>
void for_all_schedules(Body body) {
  for (const Policy policy : kAllPolicies) {
    const uint64_t seeds = policy == Policy::Torn || policy == Policy::Random ? 6 : 1;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      SCOPED_TRACE(std::string(name_of(policy)) + ", seed " + std::to_string(seed));
      body(MachineOptions{.arch = 90, .policy = policy, .seed = seed});
    }
  }
}

inline const std::string kClusterSync = R"(
  barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
)";

}  // namespace fa4::emu::test
