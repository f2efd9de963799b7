// SPDX-License-Identifier: Apache-2.0
// What a launch has chosen can be written down and followed again.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

class ScheduleFile {
 public:
  ScheduleFile() : path_(testing::TempDir() + "schedule-" + std::to_string(getpid())) {}
  ~ScheduleFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }
  std::string text() const {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void write(const std::string& text) const { std::ofstream(path_) << text; }

 private:
  std::string path_;
};

// Two launches on one machine, and the words after both.
std::vector<uint32_t> run_twice(const MachineOptions& options, const std::string& write,
                                const std::string& follow, RunReport* last = nullptr,
                                uint32_t threads = 128) {
  Machine machine(options);
  if (!write.empty()) machine.write_schedule(write);
  if (!follow.empty()) machine.follow_schedule(follow);
  std::vector<uint32_t> values(160, 0);
  const auto address = reinterpret_cast<uint64_t>(values.data());
  machine.memory().add({.name = "words", .base = address, .bytes = values.size() * 4});
  KernelLaunch launch;
  launch.module = machine.load(order_program(8));
  launch.entry = "kernel";
  launch.grid = {2, 1, 1};
  launch.block = {threads, 1, 1};
  launch.params.resize(8);
  std::memcpy(launch.params.data(), &address, 8);
  machine.launch(launch);
  const RunReport report = machine.launch(launch);
  if (last != nullptr) *last = report;
  return values;
}

TEST(Schedules, AreFollowedAsTheyWereWritten) {
  const ScheduleFile file;
  for (const Policy policy : kAllPolicies) {
    const MachineOptions options{.policy = policy, .seed = 11};
    const std::vector<uint32_t> written = run_twice(options, file.path(), "");
    EXPECT_NE(file.text().find("policy " + std::string(name_of(policy)) + " seed 11"),
              std::string::npos)
        << file.text();
    RunReport report;
    EXPECT_EQ(run_twice({.policy = Policy::Eager}, "", file.path(), &report), written)
        << name_of(policy);
    EXPECT_TRUE(report.finished);
    EXPECT_EQ(report.num_errors, 0u);
    EXPECT_EQ(report.repeat, "--policy log --schedule " + file.path());
  }
  EXPECT_NE(run_twice({.policy = Policy::Random, .seed = 11}, "", ""),
            run_twice({.policy = Policy::Random, .seed = 12}, "", ""));
}

TEST(Schedules, OfAStarvedRoleAreFollowed) {
  const ScheduleFile file;
  MachineOptions options;
  ASSERT_TRUE(read_policy("starve:0", &options));
  const std::vector<uint32_t> written = run_twice(options, file.path(), "");
  EXPECT_NE(file.text().find("policy starve:0x1 seed 0"), std::string::npos) << file.text();
  RunReport report;
  EXPECT_EQ(run_twice({}, "", file.path(), &report), written);
  EXPECT_TRUE(report.finished);
  for (const char* policy : {"starve", "starve:", "starve:0", "starve:0x0", "starve:0x100000001",
                             "starve:0x1-", "lazy:0x1"}) {
    file.write(fmt::format(
        "fa4 schedule 1\nlaunch kernel grid 2 1 1 block 128 1 1 cluster 1 1 1 policy {} seed 0\n",
        policy));
    EXPECT_THROW(run_twice({}, "", file.path()), MachineError) << policy;
  }
}

TEST(Schedules, OfOtherRunsAreRefused) {
  const ScheduleFile file;
  run_twice({.policy = Policy::Random, .seed = 3}, file.path(), "");
  EXPECT_THROW(run_twice({}, "", file.path(), nullptr, 64), MachineError);
  // The last choices are gone: the run cannot be that one.
  std::string text = file.text();
  const size_t last = text.rfind("cluster 1");
  file.write(text.substr(0, text.find(' ', last + 12)) + "\n");
  RunReport report;
  run_twice({}, "", file.path(), &report);
  EXPECT_FALSE(report.finished);
  ASSERT_EQ(report.reports.size(), 1u);
  EXPECT_EQ(report.reports[0].code, "schedule");
  file.write("fa4 schedule 1\nlaunch kernel grid 2\n");
  EXPECT_THROW(run_twice({}, "", file.path()), MachineError);
  file.write("something else\n");
  EXPECT_THROW(run_twice({}, "", file.path()), MachineError);
  EXPECT_THROW(run_twice({}, "", file.path() + ".missing"), MachineError);
}

TEST(Schedules, AReportSaysHowToRepeatIt) {
  EXPECT_EQ(run(order_program(8), std::vector<uint32_t>(160, 0), {}, {.policy = Policy::Lazy})
                .report.repeat,
            "--policy lazy");
  EXPECT_EQ(
      run(order_program(8), std::vector<uint32_t>(160, 0), {}, {.policy = Policy::Torn, .seed = 9})
          .report.repeat,
      "--policy torn --seed 9");
}

}  // namespace
}  // namespace fa4::emu::test
