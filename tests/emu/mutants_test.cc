// SPDX-License-Identifier: Apache-2.0
// How many mutants of our kernels the machine notices: by a report, or by another result under some policy. A sample,
// unless FA4_MUTANTS is "all" (make soak), which then prints the table and the survivors; FA4_MUTANTS=N takes every
// N-th, FA4_MUTANTS_FROM the first.
#include "emu/mutants.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "emu/gemm_machine.h"
#include "emu/portable.h"

namespace fa4::emu::test {
namespace {

struct MutantSchedule {
  Policy policy;
  uint64_t seed;
};

constexpr MutantSchedule kMutantSchedules[] = {
    {Policy::Eager, 0}, {Policy::Lazy, 0},   {Policy::Reverse, 0}, {Policy::Torn, 1},
    {Policy::Torn, 2},  {Policy::Random, 1}, {Policy::Random, 2}};

// What became of one mutant, over all schedules.
struct MutantFate {
  std::set<std::string> codes;  // of reports
  bool wrong = false;
  std::string refused;  // the machine does not take it

  const char* name() const {
    return !refused.empty() ? "refused" : !codes.empty() ? "report" : wrong ? "wrong" : "neither";
  }
};

struct MutantCount {
  size_t report = 0, wrong = 0, neither = 0, refused = 0;
  void add(const MutantFate& fate) {
    ++(!fate.refused.empty() ? refused
       : !fate.codes.empty() ? report
       : fate.wrong          ? wrong
                             : neither);
  }
  size_t all() const { return report + wrong + neither + refused; }
  MutantCount& operator+=(const MutantCount& other) {
    report += other.report;
    wrong += other.wrong;
    neither += other.neither;
    refused += other.refused;
    return *this;
  }
};

template <class Run>  // Run(ptx, options) -> PortableRun::Result
MutantFate fate_of(const std::string& text, const std::vector<std::byte>& right,
                   uint64_t most_instructions, uint32_t arch, const Run& run) {
  MutantFate fate;
  for (const MutantSchedule& schedule : kMutantSchedules) {
    const MachineOptions options{.arch = arch,
                                 .policy = schedule.policy,
                                 .seed = schedule.seed,
                                 .numerics = Numerics::Fast,
                                 .threads = 1,
                                 .most_instructions = most_instructions};
    try {
      const PortableRun::Result result = run(text, options);
      for (const Report& report : result.reports) {
        if (report.level == Level::Error) fate.codes.insert(report.code);
      }
      fate.wrong = fate.wrong || !result.finished || result.bytes != right;
    } catch (const std::exception& refused) {
      fate.refused = refused.what();
    }
    if (!fate.codes.empty() || !fate.refused.empty()) break;
  }
  return fate;
}

size_t mutant_number(const char* name, size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<size_t>(std::strtoull(value, nullptr, 10));
}

// Runs a sample of the mutants of one PTX and prints what FA4_MUTANTS asks for.
template <class Run>
MutantCount count_mutants(const std::string& name, const std::string& ptx, uint32_t arch,
                          const Run& run, size_t usual_step) {
  const bool all = std::getenv("FA4_MUTANTS") != nullptr &&
                   std::string_view(std::getenv("FA4_MUTANTS")) == "all";
  const size_t step = all ? 1 : mutant_number("FA4_MUTANTS", usual_step);
  const MachineOptions clean{.arch = arch, .numerics = Numerics::Fast, .threads = 1};
  const PortableRun::Result right = run(ptx, clean);
  std::string texts;
  for (const Report& report : right.reports) texts += report.code + ": " + report.text + "\n";
  EXPECT_TRUE(right.finished && right.reports.empty()) << texts;
  for (const MutantSchedule& schedule : kMutantSchedules) {
    MachineOptions options = clean;
    options.policy = schedule.policy;
    options.seed = schedule.seed;
    EXPECT_EQ(run(ptx, options).bytes == right.bytes, true) << name_of(schedule.policy);
  }
  const std::vector<Mutant> mutants = mutants_of(ptx);
  std::map<std::string, MutantCount> by_kind;
  MutantCount total;
  std::string survivors;
  for (size_t i = mutant_number("FA4_MUTANTS_FROM", 0) % step; i < mutants.size(); i += step) {
    const Mutant& mutant = mutants[i];
    const std::string opcode =
        mutant.instruction.substr(0, mutant.instruction.find_first_of(" \t;"));
    const MutantFate fate =
        fate_of(text_of(ptx, mutant), right.bytes, 30 * right.warp_instructions, arch, run);
    total.add(fate);
    by_kind[fmt::format("{}: {}", opcode, mutant.kind)].add(fate);
    if (std::string_view(fate.name()) == "neither") {
      survivors +=
          fmt::format("- line {}, {}: `{}`\n", mutant.line, mutant.kind, mutant.instruction);
    }
    EXPECT_EQ(fate.refused, "") << "line " << mutant.line << ", " << mutant.kind << ": "
                                << mutant.replacement;
  }
  if (std::getenv("FA4_MUTANTS") != nullptr) {
    fmt::print(
        "\n## {}\n\n| instruction: change | mutants | report | wrong result | neither |\n|---|---|---|---|---|\n",
        name);
    for (const auto& [kind, count] : by_kind) {
      fmt::print("| `{}` | {} | {} | {} | {} |\n", kind, count.all(), count.report, count.wrong,
                 count.neither);
    }
    fmt::print("| all | {} | {} | {} | {} |\n\nNeither:\n\n{}", total.all(), total.report,
               total.wrong, total.neither, survivors);
  }
  return total;
}

// Most of what synchronises is needed; a machine that looks away misses nearly all.
void expect_noticed(const MutantCount& count) {
  EXPECT_GT(count.all(), 0u);
  EXPECT_GE(3 * (count.report + count.wrong), count.all());
}

void count_portable(Pass pass, size_t usual_step) {
  FA4_NEEDS_GEMM_COMPILER();
  PortableRun portable(pass);
  MutantCount total;
  for (size_t kernel = 0; kernel < portable.ptx().size(); ++kernel) {
    const auto run = [&](const std::string& text, const MachineOptions& options) {
      std::vector<std::string> ptx = portable.ptx();
      ptx[kernel] = text;
      return portable.run(ptx, options);
    };
    total += count_mutants(portable.entry(kernel), portable.ptx()[kernel], 80, run, usual_step);
  }
  expect_noticed(total);
}

void count_gemm(const fa4::test::GemmKernel& kernel, fa4::test::GemmProblem problem,
                size_t usual_step) {
  const auto run = [&](const std::string& text, const MachineOptions& options) {
    RunReport report = gemm_on_machine(kernel, text, problem, 1, options);
    const auto* bytes = reinterpret_cast<const std::byte*>(problem.c.bits.data());
    return PortableRun::Result{std::move(report.reports),
                               report.finished,
                               report.warp_instructions,
                               {bytes, bytes + problem.c.bytes()}};
  };
  expect_noticed(
      count_mutants(kernel.spec.entry, fa4::test::gemm_ptx(kernel), kernel.arch, run, usual_step));
}

// Two CTAs that share B walk over two tiles each, and the ring over its slots two and a half times.
TEST(Mutants, OfTheHopperGemmAreNoticed) {
  FA4_NEEDS_GEMM_COMPILER();
  count_gemm(fa4::test::sm90_gemm_kernels()[1], {256, 512, 320, 5}, 8);
}

// A pair walks over three tiles, so that each half of TMEM and each slot of the ring is used again.
TEST(Mutants, OfTheBlackwellGemmAreNoticed) {
  FA4_NEEDS_GEMM_COMPILER();
  count_gemm(fa4::test::sm100_gemm_kernels()[3], {256, 768, 192, 5}, 8);
}

TEST(Mutants, OfThePortableForwardAreNoticed) { count_portable(Pass::Forward, 1); }
TEST(Mutants, OfThePortableBackwardAreNoticed) { count_portable(Pass::Backward, 2); }

}  // namespace
}  // namespace fa4::emu::test
