// SPDX-License-Identifier: Apache-2.0
#include "emu/mutant_count.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "emu/ptx_places.h"

namespace fa4::emu::test {
namespace {

// One set of options for each schedule.
std::vector<MachineOptions> schedules_of(const MutantSubject& subject) {
  static constexpr std::pair<const char*, uint64_t> kSchedules[] = {
      {"eager", 0}, {"lazy", 0},   {"reverse", 0}, {"torn", 1},
      {"torn", 2},  {"random", 1}, {"random", 2}};
  std::vector<MachineOptions> all;
  const auto add = [&](const std::string& policy, uint64_t seed) {
    MachineOptions options{
        .arch = subject.arch, .seed = seed, .numerics = Numerics::Fast, .threads = 1};
    EXPECT_TRUE(read_policy(policy, &options)) << policy;
    all.push_back(options);
  };
  for (const auto& [policy, seed] : kSchedules) add(policy, seed);
  for (const std::string& role : subject.roles) add("starve:" + role, 0);
  return all;
}

bool contains_in_order(std::string_view text, std::string_view parts) {
  while (!parts.empty()) {
    const size_t end = std::min(parts.find('*'), parts.size());
    const size_t at = text.find(parts.substr(0, end));
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + end);
    parts.remove_prefix(std::min(end + 1, parts.size()));
  }
  return true;
}

MutantFate fate_of(const MutantSubject& subject, const std::string& text,
                   const FamilyRun::Result& right) {
  MutantFate fate;
  for (MachineOptions options : schedules_of(subject)) {
    options.most_instructions = subject.most_times * right.warp_instructions;
    try {
      const FamilyRun::Result result = subject.run(text, options);
      for (const Report& report : result.reports) {
        if (report.level == Level::Error) fate.codes.insert(report.code);
      }
      fate.wrong = fate.wrong || !result.finished || result.bytes != right.bytes;
    } catch (const std::exception& refused) {
      fate.refused = refused.what();
    }
    if (fate.noticed_by.empty() && std::string_view(fate.name()) != "neither") {
      fate.noticed_by = fmt::format("{} {}", policy_text(options), options.seed);
    }
    if (!fate.codes.empty() || !fate.refused.empty()) break;
    if (fate.wrong && subject.stops_when_wrong) break;
  }
  return fate;
}

size_t mutant_number(const char* name, size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<size_t>(std::strtoull(value, nullptr, 10));
}

const ExplainedSurvivor* explanation_of(const MutantSubject& subject, const Mutant& mutant,
                                        const std::string& source) {
  if (subject.explained == nullptr) return nullptr;
  for (const ExplainedSurvivor& one : *subject.explained) {
    if (mutant.kind.find(one.change) != std::string::npos &&
        mutant.instruction.find(one.instruction) != std::string::npos &&
        contains_in_order(source, one.source)) {
      return &one;
    }
  }
  return nullptr;
}

std::string opcode_of(const Mutant& mutant) {
  return mutant.instruction.substr(0, mutant.instruction.find_first_of(" \t;"));
}

void write_fate(const std::string& path, const MutantSubject& subject, const Mutant& mutant,
                const std::string& place, const std::string& source, const MutantFate& fate,
                const char* why) {
  const nlohmann::json row = {{"kernel", subject.name},
                              {"line", mutant.line},
                              {"opcode", opcode_of(mutant)},
                              {"change", mutant.kind},
                              {"instruction", mutant.instruction},
                              {"place", place},
                              {"source", source},
                              {"fate", fate.name()},
                              {"codes", fate.codes},
                              {"noticed_by", fate.noticed_by},
                              {"why", why}};
  std::ofstream(path, std::ios::app) << row.dump() << "\n";
}

// "[3 of 27]" for each mutant: which of the instructions with its opcode it changes.
std::vector<std::string> numbers_of(const std::vector<Mutant>& mutants) {
  std::map<std::string, std::vector<size_t>> lines;
  for (const Mutant& mutant : mutants) {
    std::vector<size_t>& of_opcode = lines[opcode_of(mutant)];
    if (of_opcode.empty() || of_opcode.back() != mutant.line) of_opcode.push_back(mutant.line);
  }
  std::vector<std::string> numbers;
  for (const Mutant& mutant : mutants) {
    const std::vector<size_t>& of_opcode = lines[opcode_of(mutant)];
    const auto at = std::ranges::find(of_opcode, mutant.line);
    numbers.push_back(fmt::format("[{} of {}]", at - of_opcode.begin() + 1, of_opcode.size()));
  }
  return numbers;
}

// Clean under every schedule, and the same bits.
FamilyRun::Result run_unchanged(const MutantSubject& subject) {
  std::optional<FamilyRun::Result> right;
  for (const MachineOptions& options : schedules_of(subject)) {
    FamilyRun::Result result = subject.run(subject.ptx, options);
    std::string texts;
    for (const Report& report : result.reports) {
      if (report.level == Level::Error) texts += report.code + ": " + report.text + "\n";
    }
    EXPECT_TRUE(result.finished && texts.empty()) << texts;
    if (!right) {
      right = std::move(result);
      continue;
    }
    EXPECT_TRUE(result.bytes == right->bytes) << policy_text(options);
  }
  return *right;
}

}  // namespace

MutantCount count_mutants(const MutantSubject& subject) {
  const char* const asked = std::getenv("FA4_MUTANTS");
  const char* const log = std::getenv("FA4_MUTANTS_LOG");
  const bool all = asked != nullptr && std::string_view(asked) == "all";
  const size_t step = all ? 1 : mutant_number("FA4_MUTANTS", subject.usual_step);
  const FamilyRun::Result right = run_unchanged(subject);
  const std::vector<Mutant> mutants = mutants_of(subject.ptx);
  const std::vector<std::string> numbers = numbers_of(mutants);
  const PtxPlaces places(subject.ptx);
  std::map<std::string, MutantCount> by_kind;
  MutantCount total;
  std::string survivors;
  for (size_t i = mutant_number("FA4_MUTANTS_FROM", 0) % step; i < mutants.size(); i += step) {
    const Mutant& mutant = mutants[i];
    const std::string place = text_of(places.at(mutant.line));
    const std::string source =
        fmt::format("{}: {}{}", subject.name, source_of(places.at(mutant.line)), numbers[i]);
    const MutantFate fate = fate_of(subject, text_of(subject.ptx, mutant), right);
    total.add(fate);
    by_kind[fmt::format("{}: {}", opcode_of(mutant), mutant.kind)].add(fate);
    const bool survives = std::string_view(fate.name()) == "neither";
    const ExplainedSurvivor* known = survives ? explanation_of(subject, mutant, source) : nullptr;
    if (survives) {
      survivors += fmt::format("- line {}, {}: `{}`, {}\n", mutant.line, mutant.kind,
                               mutant.instruction, place);
      EXPECT_TRUE(subject.explained == nullptr || known != nullptr)
          << "nothing notices line " << mutant.line << ", " << mutant.kind << ": "
          << mutant.instruction << "\n  in " << place << "\n  " << source;
    }
    if (log != nullptr) {
      write_fate(log, subject, mutant, place, source, fate, known == nullptr ? "" : known->why);
    }
    EXPECT_EQ(fate.refused, "") << "line " << mutant.line << ", " << mutant.kind << ": "
                                << mutant.replacement;
  }
  if (asked != nullptr && log == nullptr) {
    fmt::print(
        "\n## {}\n\n| instruction: change | mutants | report | wrong result | neither |\n|---|---|---|---|---|\n",
        subject.name);
    for (const auto& [kind, count] : by_kind) {
      fmt::print("| `{}` | {} | {} | {} | {} |\n", kind, count.all(), count.report, count.wrong,
                 count.neither);
    }
    fmt::print("| all | {} | {} | {} | {} |\n\nNeither:\n\n{}", total.all(), total.report,
               total.wrong, total.neither, survivors);
  }
  return total;
}

void expect_noticed(const MutantCount& count) {
  EXPECT_GT(count.all(), 0u);
  EXPECT_GE(3 * (count.report + count.wrong), count.all());
}

}  // namespace fa4::emu::test
