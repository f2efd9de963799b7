// SPDX-License-Identifier: Apache-2.0
// fa4 bench: time, throughput and memory of cases, for people and for scripts.
#include <algorithm>
#include <cstdio>
#include <string>

#include "cases.h"
#include "files.h"
#include "json.h"
#include "memory.h"
#include "options.h"
#include "timing.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

struct Measured {
  std::string name, pass;
  std::string backend, kernel;
  int threads = 0;
  Times times;
  double flops = 0;
  double peak = 0;   // MB of the process while the case ran
  double extra = 0;  // MB beyond inputs and outputs

  double tflops() const { return flops / times.median() * 1e-9; }
};

// The first run also pays for page faults and caches, and decides how many follow.
template <class Work>
Times measure(const Work& work, double min_time) {
  constexpr int kLeastRuns = 3, kMostRuns = 10000;
  constexpr double kSlow = 5;  // seconds: then once more is enough
  const Stopwatch first;
  work();
  const bool slow = first.seconds() > kSlow;
  return time_runs(work, min_time, slow ? 1 : kLeastRuns, kMostRuns);
}

// On a device a sample is several runs in a row, so that launches hide behind work.
Times measure_on_device(const PassRun& run, DLDevice device, double min_time) {
  constexpr double kSampleMs = 5;
  constexpr int kLeastSamples = 5, kMostSamples = 2000, kMostRuns = 1000;
  const DeviceTimer timer(device);
  timer.milliseconds(run, 3);
  const double one = timer.milliseconds(run, 3);
  const int runs = std::clamp(static_cast<int>(kSampleMs / std::max(one, 1e-3)), 1, kMostRuns);
  return time_samples([&] { return timer.milliseconds(run, runs); }, min_time, kLeastSamples,
                      kMostSamples);
}

Measured run_case(const CaseArguments& arguments, double min_time) {
  if (arguments.shared.shape.empty())
    bad_input("bench needs --shape B,H,Hk,Sq,Sk,D[,Dv] or --cases FILE");
  if (arguments.packed || arguments.page_size > 0) {
    bad_input("--packed and --page-size belong to pack and dump; bench runs dense cases");
  }
  const DenseShape shape = parse_shape(arguments.shared.shape);
  const ElementType type =
      parse_dtype(arguments.shared.dtype.empty() ? "fp32" : arguments.shared.dtype);
  const bool with_backward = parse_passes(arguments.pass, false) == Passes::Backward;
  const fa4_pass pass = with_backward ? FA4_PASS_BACKWARD : FA4_PASS_FORWARD;
  const Options options = to_options(arguments.shared);
  use_machine_options(arguments.shared);
  {
    const Inputs sizes_only = make_dense_inputs_without_data(shape, type);
    const BoundProblem problem(sizes_only, options);
    const Plan refused_early(problem, pass);
  }
  const Inputs inputs = make_dense_inputs(shape, type, with_backward, 1);
  const BoundProblem problem(inputs, options);
  const Plan plan(problem, pass);
  Results results = make_forward_results(inputs);
  results.out.fill(0);
  results.lse.fill(0);
  if (with_backward) {
    const Plan forward(problem, FA4_PASS_FORWARD);
    run_forward(forward, problem, results);
    add_gradients(inputs, {}, &results);
    for (Tensor* tensor : {&*results.dq, &*results.dk, &*results.dv}) tensor->fill(0);
  }
  Measured measured;
  measured.name = case_name(shape, type, options);
  measured.pass = arguments.pass;
  measured.backend = plan.backend();
  measured.kernel = plan.kernel();
  measured.threads = plan.threads();
  measured.flops = flops_of(inputs, options, pass);
  std::optional<PassRun> run;
  if (with_backward) {
    run.emplace(plan, problem, inputs, results);
  } else {
    run.emplace(plan, problem, results);
  }
  if (problem.on_device()) {
    constexpr double kMb = 1 << 20;
    measured.times = measure_on_device(*run, problem.mirror().device(), min_time);
    measured.extra = static_cast<double>(run->workspace_bytes()) / kMb;
    measured.peak = static_cast<double>(problem.mirror().bytes()) / kMb + measured.extra;
    run->fetch();
    return measured;
  }
  reset_peak();
  const double before = resident_mb();
  measured.times = measure(*run, min_time);
  measured.peak = peak_mb();
  measured.extra = measured.peak - before;
  return measured;
}

Json to_json(const Measured& measured) {
  const Times& times = measured.times;
  return {{"case", measured.name},
          {"backend", measured.backend},
          {"kernel", measured.kernel},
          {"pass", measured.pass},
          {"median_ms", times.median()},
          {"min_ms", times.min()},
          {"max_ms", times.max()},
          {"spread", times.median() > 0 ? (times.max() - times.min()) / times.median() : 0},
          {"iterations", times.milliseconds.size()},
          {"tflops", measured.tflops()},
          {"flops", measured.flops},
          {"peak_mb", measured.peak},
          {"extra_mb", measured.extra},
          {"threads", measured.threads}};
}

void print_heading(std::FILE* to) {
  fmt::print(to, "{:<44} {:<9} {:<18} {:>11} {:>9} {:>7} {:>9} {:>9}\n", "case", "pass", "kernel",
             "median ms", "GFLOP/s", "spread", "peak MB", "extra MB");
}

void print_row(std::FILE* to, const Measured& measured) {
  const Times& times = measured.times;
  fmt::print(to, "{:<44} {:<9} {:<18} {:>11.3f} {:>9.1f} {:>6.1f}% {:>9.1f} {:>9.1f}\n",
             measured.name, measured.pass, measured.backend + "/" + measured.kernel, times.median(),
             measured.tflops() * 1e3, 100 * (times.max() - times.min()) / times.median(),
             measured.peak, measured.extra);
  std::fflush(to);
}

}  // namespace

Exit bench(const BenchArguments& arguments) {
  if (!(arguments.min_time >= 0 && arguments.min_time <= 3600)) {
    bad_input("--min-time is {}; it must lie between 0 and 3600 seconds", arguments.min_time);
  }
  if (!arguments.cases.empty() && !arguments.single.shared.shape.empty()) {
    bad_input("--cases and --shape exclude each other");
  }
  const std::vector<CaseArguments> cases = arguments.cases.empty()
                                               ? std::vector{arguments.single}
                                               : read_cases(arguments.cases, arguments.single);
  const bool json_on_stdout = arguments.json == "-";
  std::optional<OutputFile> file;
  if (!arguments.json.empty() && !json_on_stdout) file.emplace(arguments.json);
  std::FILE* const table = json_on_stdout ? stderr : stdout;
  print_heading(table);
  for (const CaseArguments& item : cases) {
    const Measured measured = run_case(item, arguments.min_time);
    print_row(table, measured);
    const std::string line = to_json(measured).dump() + "\n";
    if (file) file->write(line);
    if (json_on_stdout) {
      fmt::print("{}", line);
      std::fflush(stdout);
    }
  }
  if (file) file->commit();
  return Exit::Right;
}

}  // namespace fa4::cli
