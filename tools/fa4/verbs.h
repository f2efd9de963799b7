// SPDX-License-Identifier: Apache-2.0
// The verbs of the command, one file each, and what each is told.
#pragma once

#include <cstdint>
#include <string>

#include "compare.h"
#include "error.h"
#include "options.h"

namespace fa4::cli {

struct InfoArguments {
  bool as_json = false;
};

struct CaseArguments {
  SharedOptions shared;
  std::string pass = "forward";
  bool packed = false;    // of pack and dump: sequences of the shape behind one another
  int64_t page_size = 0;  // of pack and dump: keys in pages
};

struct PlanArguments {
  SharedOptions shared;
  std::string pass = "forward";
  std::string json;  // empty: a table; "-": standard output; otherwise a file
};

struct RunArguments {
  SharedOptions shared;
  std::string input, output;
  bool backward = false;  // of generated input
  uint64_t seed = 1;
  bool check = false;
  int64_t check_heads = 0;  // 0: all
};

struct VerifyArguments {
  SharedOptions shared;
  std::string pass = "both";
  uint64_t random = 0, seed = 1, start = 0;
  bool check_threads = false;
};

struct BenchArguments {
  CaseArguments single;
  std::string cases;  // a file; empty: the single case
  std::string json;   // empty: a table only; "-": standard output
  double min_time = 0.5;
};

struct CompareArguments {
  std::string a, b;
  Limits limits;
};

struct PackArguments {
  std::string archs, cases = "standard", output;
  int32_t threads = 0;
};

struct DumpArguments {
  CaseArguments single;
  std::string folder = ".";
};

struct TraceArguments {
  SharedOptions shared;
  std::string json, svg;  // files; empty: not wanted
  uint64_t seed = 1;
  bool check = false;
};

struct EmuArguments {
  std::string ptx, launch, output;
  std::string policy = "eager", numerics = "exact", arch = "sm_80";
  std::string schedule, schedule_log, trace;
  uint64_t seed = 0, max_instructions = 0;
  uint32_t threads = 0;
};

Exit info(const InfoArguments& arguments);
Exit plan(const PlanArguments& arguments);
Exit run(const RunArguments& arguments);
Exit verify(const VerifyArguments& arguments);
Exit bench(const BenchArguments& arguments);
Exit compare(const CompareArguments& arguments);
Exit pack(const PackArguments& arguments);
Exit dump(const DumpArguments& arguments);
Exit emu(const EmuArguments& arguments);
Exit trace(const TraceArguments& arguments);

}  // namespace fa4::cli
