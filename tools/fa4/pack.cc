// SPDX-License-Identifier: Apache-2.0
// fa4 pack: GPU kernels ahead of time.
#include <cstdio>
#include <deque>
#include <filesystem>

#include "cases.h"
#include "timing.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

void print_progress(void*, size_t done, size_t total, const char* kernel) {
  std::fprintf(stderr, "fa4 pack: %zu of %zu: %s\n", done, total, kernel);
}

// A case and the problem over its tensors, which stay where they are.
struct PackedCase {
  Options options;
  Inputs inputs;
  std::optional<BoundProblem> problem;
};

}  // namespace

Exit pack(const PackArguments& arguments) {
  const std::vector<std::string> archs = split(arguments.archs);
  if (archs.empty()) bad_input("--arch is empty; it must name architectures, as sm_80,sm_90a");
  const std::vector<CaseArguments> cases =
      arguments.cases == "standard" ? standard_cases() : read_cases(arguments.cases, {});
  std::deque<PackedCase> packed;
  std::vector<const fa4_problem*> problems;
  std::vector<fa4_pass> passes;
  for (const CaseArguments& item : cases) {
    PackedCase& one = packed.emplace_back();
    one.inputs = make_case_inputs_without_data(item, &one.options);
    one.problem.emplace(one.inputs, one.options);
    problems.push_back(one.problem->get());
    const bool backward = parse_passes(item.pass, false) == Passes::Backward;
    passes.push_back(backward ? FA4_PASS_BACKWARD : FA4_PASS_FORWARD);
  }
  std::vector<const char*> arch_names;
  for (const std::string& arch : archs) arch_names.push_back(arch.c_str());
  fa4_pack_options options{};
  options.struct_size = sizeof(options);
  options.path = arguments.output.c_str();
  options.problems = problems.data();
  options.passes = passes.data();
  options.num_problems = problems.size();
  options.archs = arch_names.data();
  options.num_archs = arch_names.size();
  options.num_threads = arguments.threads;
  options.progress = print_progress;
  const Stopwatch watch;
  check(fa4_pack_create(&options));
  fmt::print("{}: {} cases for {}, {:.1f} MB, {:.0f} s\n", arguments.output, cases.size(),
             arguments.archs,
             static_cast<double>(std::filesystem::file_size(arguments.output)) / (1 << 20),
             watch.seconds());
  return Exit::Right;
}

}  // namespace fa4::cli
