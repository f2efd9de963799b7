// SPDX-License-Identifier: Apache-2.0
// Runs the mutants of a kernel under several schedules and counts what notices them: a report, another result, or
// neither. FA4_MUTANTS chooses: "all", or N for every N-th, from FA4_MUTANTS_FROM on; then a table and the survivors are
// printed, and FA4_MUTANTS_LOG takes a line of JSON for each mutant (scripts/mutate-forward makes a page of them).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "emu/family_run.h"
#include "emu/mutants.h"

namespace fa4::emu::test {

// A mutant that nothing notices, and why. Each text is a part of what it stands for, or several in this order with a *
// between; "" is a part of all.
struct ExplainedSurvivor {
  const char* change;       // "no wait"
  const char* instruction;  // "tcgen05.fence"
  const char*
      source;  // "d192*load_q*kOutEmpty": of the kernel's name, source_of(frames), "[3 of 27]", which of
               // those with that opcode it is
  const char* why;  // "equivalent: …", "gap: …" of the machine, "needless: …" in the kernel
};

struct MutantSubject {
  std::string name;
  std::string ptx;
  uint32_t arch = 80;
  // On all problems, one after the other; it may leave out the rest when one has a report.
  std::function<FamilyRun::Result(const std::string& ptx, const MachineOptions& options)> run;
  size_t usual_step = 1;             // without FA4_MUTANTS every so many-th is run
  std::vector<std::string> roles{};  // each is starved, after the other schedules
  uint64_t most_times = 30;          // as many instructions as the kernel: then it is stopped
  bool stops_when_wrong = false;     // true: what is wrong once is not run again for a report
  const std::vector<ExplainedSurvivor>* explained = nullptr;  // null: any may survive
};

// What became of one mutant, over all schedules.
struct MutantFate {
  std::set<std::string> codes;  // of reports
  bool wrong = false;
  std::string refused;     // the machine does not take it
  std::string noticed_by;  // the first schedule: "torn 1"

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

MutantCount count_mutants(const MutantSubject& subject);

// Most of what synchronises is needed; a machine that looks away misses nearly all.
void expect_noticed(const MutantCount& count);

}  // namespace fa4::emu::test
