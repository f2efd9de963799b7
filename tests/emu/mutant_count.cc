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

struct MutantSchedule {
  Policy policy;
  uint64_t seed;
};

constexpr MutantSchedule kMutantSchedules[] = {
    {Policy::Eager, 0}, {Policy::Lazy, 0},   {Policy::Reverse, 0}, {Policy::Torn, 1},
    {Policy::Torn, 2},  {Policy::Random, 1}, {Policy::Random, 2}};

MachineOptions options_of(const MutantSubject& subject, const MutantSchedule& schedule) {
  return {.arch = subject.arch,
          .policy = schedule.policy,
          .seed = schedule.seed,
          .numerics = Numerics::Fast,
          .threads = 1};
}

MutantFate fate_of(const MutantSubject& subject, const std::string& text,
                   const FamilyRun::Result& right) {
  MutantFate fate;
  for (const MutantSchedule& schedule : kMutantSchedules) {
    MachineOptions options = options_of(subject, schedule);
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
      fate.noticed_by = fmt::format("{} {}", name_of(schedule.policy), schedule.seed);
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
                                        const std::string& place) {
  if (subject.explained == nullptr) return nullptr;
  for (const ExplainedSurvivor& one : *subject.explained) {
    if (mutant.kind.find(one.change) != std::string::npos &&
        mutant.instruction.find(one.instruction) != std::string::npos &&
        place.find(one.place) != std::string::npos) {
      return &one;
    }
  }
  return nullptr;
}

std::string opcode_of(const Mutant& mutant) {
  return mutant.instruction.substr(0, mutant.instruction.find_first_of(" \t;"));
}

void write_fate(const std::string& path, const MutantSubject& subject, const Mutant& mutant,
                const std::string& place, const MutantFate& fate, const char* why) {
  const nlohmann::json row = {{"kernel", subject.name},
                              {"line", mutant.line},
                              {"opcode", opcode_of(mutant)},
                              {"change", mutant.kind},
                              {"instruction", mutant.instruction},
                              {"place", place},
                              {"fate", fate.name()},
                              {"codes", fate.codes},
                              {"noticed_by", fate.noticed_by},
                              {"why", why}};
  std::ofstream(path, std::ios::app) << row.dump() << "\n";
}

// Clean under every schedule, and the same bits.
FamilyRun::Result run_unchanged(const MutantSubject& subject) {
  std::optional<FamilyRun::Result> right;
  for (const MutantSchedule& schedule : kMutantSchedules) {
    FamilyRun::Result result = subject.run(subject.ptx, options_of(subject, schedule));
    std::string texts;
    for (const Report& report : result.reports) {
      if (report.level == Level::Error) texts += report.code + ": " + report.text + "\n";
    }
    EXPECT_TRUE(result.finished && texts.empty()) << texts;
    if (!right) {
      right = std::move(result);
      continue;
    }
    EXPECT_TRUE(result.bytes == right->bytes) << name_of(schedule.policy);
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
  const PtxPlaces places(subject.ptx);
  std::map<std::string, MutantCount> by_kind;
  MutantCount total;
  std::string survivors;
  for (size_t i = mutant_number("FA4_MUTANTS_FROM", 0) % step; i < mutants.size(); i += step) {
    const Mutant& mutant = mutants[i];
    const std::string place = text_of(places.at(mutant.line));
    const MutantFate fate = fate_of(subject, text_of(subject.ptx, mutant), right);
    total.add(fate);
    by_kind[fmt::format("{}: {}", opcode_of(mutant), mutant.kind)].add(fate);
    const bool survives = std::string_view(fate.name()) == "neither";
    const ExplainedSurvivor* known = survives ? explanation_of(subject, mutant, place) : nullptr;
    if (survives) {
      survivors += fmt::format("- line {}, {}: `{}`, {}\n", mutant.line, mutant.kind,
                               mutant.instruction, place);
      EXPECT_TRUE(subject.explained == nullptr || known != nullptr)
          << "nothing notices line " << mutant.line << ", " << mutant.kind << ": "
          << mutant.instruction << "\n  in " << place;
    }
    if (log != nullptr) {
      write_fate(log, subject, mutant, place, fate, known == nullptr ? "" : known->why);
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
