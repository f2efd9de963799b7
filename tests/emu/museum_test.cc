// SPDX-License-Identifier: Apache-2.0
// The museum: published bugs, each as a small program that is broken in one place (tests/emu/museum/*.ptx). Broken, it
// must be reported or give another result than mended, under some policy; mended, it must be clean under all. What only
// a happens-before detector can find is marked so, and must then pass unnoticed, lest the mark outlive its reason.
//
//     // launch  arch=90 threads=64 blocks=2 cluster=2 words=256     words: 32-bit, word i holds i + 1; fill=bf16: small
//     // found   race smem.peer_exited spoiled                       codes or their beginnings, `spoiled`; `later: why`
//     // right   64=1 95=32                                          words of the mended result, worked out by hand
//     //broken  a line of the broken program                         //mended  and one of the mended
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <system_error>

#include "emu/programs.h"

namespace fa4::emu::test {
namespace {

namespace fs = std::filesystem;

struct Exhibit {
  std::string name, from, broken, mended;
  std::vector<std::string> found;  // codes or "spoiled"
  bool later = false;              // only a detector to come finds it
  std::map<std::string, std::string> launch;
  std::map<uint32_t, uint32_t> right;

  uint32_t number(const std::string& key, uint32_t otherwise) const {
    const auto at = launch.find(key);
    return at == launch.end() ? otherwise : static_cast<uint32_t>(std::stoul(at->second));
  }
};

void PrintTo(const Exhibit& exhibit, std::ostream* stream) { *stream << exhibit.name; }

std::vector<std::string> museum_words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Exhibit exhibit_of(const fs::path& path) {
  Exhibit exhibit;
  exhibit.name = path.stem().string();
  std::ifstream file(path);
  std::string broken, mended;
  for (std::string line; std::getline(file, line);) {
    const std::string mark = line.substr(0, 8), rest = line.size() > 8 ? line.substr(8) : "";
    if (mark == "//broken") {
      broken += rest + "\n";
    } else if (mark == "//mended") {
      mended += rest + "\n";
    } else if (line.starts_with("// from ")) {
      exhibit.from = museum_words(rest).at(0);
    } else if (line.starts_with("// found ")) {
      exhibit.found = museum_words(line.substr(9));
      exhibit.later = exhibit.found.at(0) == "later:";
    } else if (line.starts_with("// launch ") || line.starts_with("// right ")) {
      for (const std::string& word : museum_words(line.substr(9))) {
        const size_t equals = word.find('=');
        if (equals == std::string::npos) continue;
        const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
        if (line.starts_with("// launch ")) {
          exhibit.launch[key] = value;
        } else {
          exhibit.right[static_cast<uint32_t>(std::stoul(key))] =
              static_cast<uint32_t>(std::stoul(value));
        }
      }
    } else {
      broken += line + "\n";
      mended += line + "\n";
    }
  }
  const auto complete = [&](const std::string& body) {
    std::string text = program(body);
    const uint32_t arch = exhibit.number("arch", 80);
    if (arch >= 90) text.replace(text.find("sm_80"), 5, "sm_" + std::to_string(arch) + "a");
    return text;
  };
  exhibit.broken = complete(broken);
  exhibit.mended = complete(mended);
  return exhibit;
}

std::vector<Exhibit> exhibits() {
  std::vector<Exhibit> all;
  std::error_code
      absent;  // elsewhere than in the repository there are no exhibits, which fails the suite
  for (const auto& entry : fs::directory_iterator("tests/emu/museum", absent)) {
    if (entry.path().extension() == ".ptx") all.push_back(exhibit_of(entry.path()));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

Words exhibit_run(const Exhibit& exhibit, const std::string& text, Policy policy, uint64_t seed) {
  MachineOptions options{.arch = exhibit.number("arch", 80), .policy = policy, .seed = seed};
  options.most_instructions = 1 << 20;  // a broken program may run for ever
  Machine machine(options);
  KernelLaunch launch;
  launch.module = machine.load(text);
  launch.entry = "kernel";
  launch.grid = {exhibit.number("blocks", 1), 1, 1};
  launch.block = {exhibit.number("threads", 32), 1, 1};
  launch.cluster = {exhibit.number("cluster", 1), 1, 1};
  Words words;
  const bool bf16 = exhibit.launch.count("fill") != 0;
  for (uint32_t i = 0; i < exhibit.number("words", 64); ++i) {
    constexpr uint32_t kSmall[] = {0x3f80, 0x4000, 0xbf80, 0x3f00, 0xc040};  // 1, 2, -1, 0.5, -3
    words.values.push_back(bf16 ? kSmall[i * 7 % 5] | kSmall[i % 13 % 5] << 16 : i + 1);
  }
  const auto address = reinterpret_cast<uint64_t>(words.values.data());
  machine.memory().add({"words", address, words.values.size() * 4, true});
  launch.params.resize(8);
  std::memcpy(launch.params.data(), &address, 8);
  words.report = machine.launch(launch);
  return words;
}

struct Schedule {
  Policy policy;
  uint64_t seed;
};

std::vector<Schedule> museum_schedules() {
  std::vector<Schedule> all = {{Policy::Eager, 0}, {Policy::Lazy, 0}, {Policy::Reverse, 0}};
  for (uint64_t seed = 0; seed < 6; ++seed) {
    all.push_back({Policy::Torn, seed});
    all.push_back({Policy::Random, seed});
  }
  return all;
}

class Museum : public testing::TestWithParam<Exhibit> {};

TEST_P(Museum, IsCleanWhenMended) {
  const Exhibit& exhibit = GetParam();
  const std::vector<uint32_t> first = exhibit_run(exhibit, exhibit.mended, Policy::Eager, 0).values;
  for (const auto& [index, value] : exhibit.right) EXPECT_EQ(first.at(index), value) << index;
  for (const Schedule& schedule : museum_schedules()) {
    const Words words = exhibit_run(exhibit, exhibit.mended, schedule.policy, schedule.seed);
    ASSERT_TRUE(words.report.finished && words.report.num_errors == 0)
        << name_of(schedule.policy) << " " << schedule.seed << ": " << words.texts();
    ASSERT_EQ(words.values, first) << name_of(schedule.policy) << " " << schedule.seed;
  }
}

TEST_P(Museum, IsFoundWhenBroken) {
  const Exhibit& exhibit = GetParam();
  const std::vector<uint32_t> right = exhibit_run(exhibit, exhibit.mended, Policy::Eager, 0).values;
  std::set<std::string> seen, policies;
  for (const Schedule& schedule : museum_schedules()) {
    const Words words = exhibit_run(exhibit, exhibit.broken, schedule.policy, schedule.seed);
    std::set<std::string> signs;
    for (const std::string& code : words.codes()) signs.insert(code);
    if (words.values != right) signs.insert("spoiled");
    if (!signs.empty()) policies.insert(name_of(schedule.policy));
    seen.insert(signs.begin(), signs.end());
  }
  if (std::getenv("FA4_MUSEUM_TABLE") != nullptr) {
    fmt::print("| {} | {} | {} |\n", exhibit.name,
               exhibit.later ? "a detector to come" : fmt::format("{}", fmt::join(seen, ", ")),
               fmt::join(policies, ", "));
  }
  if (exhibit.later) {
    EXPECT_TRUE(seen.empty()) << "it is found now (" << fmt::format("{}", fmt::join(seen, ", "))
                              << "): say so in its `found` line";
    return;
  }
  EXPECT_FALSE(seen.empty()) << "it is not found; " << exhibit.from;
  for (const std::string& sign : seen) {
    if (sign == "spoiled" && seen.size() > 1)
      continue;  // what is reported may spoil the result too
    EXPECT_TRUE(std::any_of(exhibit.found.begin(), exhibit.found.end(),
                            [&](const std::string& one) { return sign.starts_with(one); }))
        << sign << " is not among the signs that are expected";
  }
}

INSTANTIATE_TEST_SUITE_P(, Museum, testing::ValuesIn(exhibits()),
                         [](const auto& exhibit) { return exhibit.param.name; });

}  // namespace
}  // namespace fa4::emu::test
