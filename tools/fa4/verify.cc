// SPDX-License-Identifier: Apache-2.0
// fa4 verify: problems judged against double precision.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "device_case.h"
#include "options.h"
#include "timing.h"
#include "verbs.h"
#include "verify_case.h"

namespace fa4::cli {
namespace {

// How often each feature and each pair of features occurred.
class FeatureCounts {
 public:
  void add(const Features& features) {
    for (size_t i = 0; i < kNumFeatures; ++i) {
      for (size_t j = 0; j < kNumFeatures && features[i]; ++j) counts_[i][j] += features[j];
    }
  }

  void print(uint64_t cases) const {
    fmt::print("\nfeature                                       cases      %\n");
    for (size_t i = 0; i < kNumFeatures; ++i) {
      fmt::print("{:<4}{:<40} {:>6} {:>6.1f}\n", kFeatureNames[i].code, kFeatureNames[i].text,
                 counts_[i][i],
                 100.0 * static_cast<double>(counts_[i][i]) / static_cast<double>(cases));
    }
    fmt::print("\npairs\n    ");
    for (const FeatureName& name : kFeatureNames) fmt::print("{:>5}", name.code);
    fmt::print("\n");
    for (size_t i = 0; i < kNumFeatures; ++i) {
      fmt::print("{:<4}", kFeatureNames[i].code);
      for (size_t j = 0; j <= i; ++j) fmt::print("{:>5}", counts_[i][j]);
      fmt::print("\n");
    }
  }

 private:
  std::array<std::array<uint64_t, kNumFeatures>, kNumFeatures> counts_{};
};

class Progress {
 public:
  explicit Progress(uint64_t total) : total_(total) {}

  void tell(uint64_t done, uint64_t failed) {
    constexpr double kInterval = 10;
    const double now = watch_.seconds();
    if (now < next_) return;
    next_ = now + kInterval;
    const double per_case = now / static_cast<double>(done);
    fmt::print(stderr, "fa4 verify: {} of {} cases, {} failed, {:.3f} s a case, {:.1f} min left\n",
               done, total_, failed, per_case, per_case * static_cast<double>(total_ - done) / 60);
  }
  double seconds() const { return watch_.seconds(); }

 private:
  uint64_t total_;
  Stopwatch watch_;
  double next_ = 10;
};

// What a case owes to the command line: everything else comes from (seed, index).
std::string repeat_options(const VerifyArguments& arguments) {
  const SharedOptions& shared = arguments.shared;
  std::string text;
  if (shared.backend != "auto") text += " --backend " + shared.backend;
  if (shared.kernel != "auto") text += " --kernel " + shared.kernel;
  if (!shared.device.empty()) text += " --device " + shared.device;
  if (!shared.dtype.empty()) text += " --dtype " + shared.dtype;
  if (shared.threads != 0) text += fmt::format(" --threads {}", shared.threads);
  if (!shared.policy.empty()) text += " --policy " + shared.policy;
  if (!shared.schedule_seed.empty()) text += " --schedule-seed " + shared.schedule_seed;
  if (!shared.schedule.empty()) text += " --schedule " + shared.schedule;
  if (!shared.numerics.empty()) text += " --numerics " + shared.numerics;
  if (arguments.pass != "both") text += " --pass " + arguments.pass;
  if (arguments.check_threads) text += " --thread-check";
  return text;
}

std::string repeat_shape_options(const VerifyArguments& arguments) {
  const SharedOptions& shared = arguments.shared;
  std::string text = " --shape " + shared.shape + repeat_options(arguments);
  if (shared.causal) text += " --causal";
  if (!shared.window.empty()) text += " --window " + shared.window;
  if (shared.softcap != 0) text += fmt::format(" --softcap {}", shared.softcap);
  if (!std::isnan(shared.scale)) text += fmt::format(" --scale {}", shared.scale);
  return text + fmt::format(" --seed {}", arguments.seed);
}

Outcome verify_or_report(const Case& item, const Inputs& inputs) {
  try {
    return verify_case(item, inputs);
  } catch (const Failure& failure) {  // a random case is meant to be served
    Outcome outcome;
    outcome.passed = false;
    outcome.report = fmt::format("  refused or failed: {}\n", failure.what());
    return outcome;
  }
}

Case make_case(const VerifyArguments& arguments, uint64_t index) {
  Case item = random_case(arguments.seed, index);
  item.options.backend = arguments.shared.backend;
  item.options.kernel = arguments.shared.kernel;
  item.options.device = arguments.shared.device;
  item.options.num_threads = arguments.shared.threads;
  if (!arguments.shared.dtype.empty()) item.type = parse_dtype(arguments.shared.dtype);
  if (parse_passes(arguments.pass, true) == Passes::Forward) item.backward = item.dlse = false;
  if (arguments.check_threads) item.check_threads = true;
  if (device_of(item.options).device_type != kDLCPU || is_emulated(item.options.backend)) {
    fit_to_device(&item);
    const std::string& backend = item.options.backend;
    if (backend.starts_with("emulated:sm_10") || item.options.kernel == "sm100") {
      fit_to_blackwell(&item);
    }
  }
  const bool splits_keys =
      arguments.shared.backend != "reference" && arguments.shared.backend != "plain";
  if (!splits_keys) item.options.num_splits = 0;
  return item;
}

std::string feature_list(const Features& features) {
  std::vector<std::string_view> texts;
  for (size_t i = 0; i < kNumFeatures; ++i) {
    if (features[i]) texts.push_back(kFeatureNames[i].text);
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

void print_failure(const Case& item, const Inputs& inputs, const Outcome& outcome,
                   const std::string& repeat) {
  fmt::print("FAILED: {} ({}; {})\n{}  repeat: fa4 verify{}\n",
             case_name(item.shape, item.type, item.options), name_of(item.values),
             feature_list(features_of(item, inputs)), outcome.report, repeat);
  std::fflush(stdout);
}

// "sm100 (21), sm80 (19)"
std::string counts_text(const std::map<std::string, uint64_t>& kernels) {
  std::string text;
  for (const auto& [kernel, cases] : kernels) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", kernel, cases);
  }
  return text.empty() ? "nothing" : text;
}

Exit verify_random(const VerifyArguments& arguments) {
  constexpr uint64_t kMostFailures = 20;
  FeatureCounts counts;
  Progress progress(arguments.random);
  uint64_t failed = 0, redrawn = 0, outvoted = 0, done = 0;
  std::string backend;
  std::map<std::string, uint64_t> kernels;  // of the forward
  while (done < arguments.random && failed < kMostFailures) {
    const uint64_t index = arguments.start + done;
    const Case item = make_case(arguments, index);
    const Inputs inputs = make_inputs(item, 0);
    counts.add(features_of(item, inputs));
    const Outcome outcome = verify_or_report(item, inputs);
    if (backend.empty()) backend = outcome.backend;
    if (!outcome.kernel.empty()) ++kernels[outcome.kernel];
    redrawn += outcome.redrawn;
    outvoted += outcome.outvoted;
    ++done;
    if (!outcome.passed) {
      ++failed;
      print_failure(item, inputs, outcome,
                    fmt::format(" --random 1 --seed {} --start {}{}", arguments.seed, index,
                                repeat_options(arguments)));
    }
    progress.tell(done, failed);
  }
  counts.print(done);
  fmt::print(
      "\nbackend: {}; the forward ran on {}\n{} cases of seed {} from {} on, {} failed{}; {:.3f} s a case; the yardstick of {} was "
      "measured over further values, and {} were judged on those\n",
      backend, counts_text(kernels), done, arguments.seed, arguments.start, failed,
      failed == kMostFailures ? " (stopped there)" : "",
      progress.seconds() / static_cast<double>(done), redrawn, outvoted);
  return failed == 0 ? Exit::Right : Exit::CheckFailed;
}

Exit verify_shape(const VerifyArguments& arguments) {
  const SharedOptions& shared = arguments.shared;
  const DenseShape shape = parse_shape(shared.shape);
  const ElementType type = parse_dtype(shared.dtype.empty() ? "fp32" : shared.dtype);
  const bool backward = parse_passes(arguments.pass, true) != Passes::Forward;
  Case item = dense_case(shape, type, to_options(shared), backward, arguments.seed);
  item.check_threads = arguments.check_threads;
  const Inputs inputs = make_inputs(item, 0);
  const Outcome outcome = verify_case(item, inputs);
  if (!outcome.passed) print_failure(item, inputs, outcome, repeat_shape_options(arguments));
  fmt::print("{:<44} {}/{}: {}\n", case_name(shape, type, item.options), outcome.backend,
             outcome.kernel, outcome.passed ? "right" : "WRONG");
  return outcome.passed ? Exit::Right : Exit::CheckFailed;
}

}  // namespace

Exit verify(const VerifyArguments& arguments) {
  use_machine_options(arguments.shared);
  if (arguments.random == 0) {
    if (arguments.shared.shape.empty())
      bad_input("verify needs --shape B,H,Hk,Sq,Sk,D[,Dv] or --random N");
    return verify_shape(arguments);
  }
  const SharedOptions& shared = arguments.shared;
  if (!shared.shape.empty() || shared.causal || !shared.window.empty() || shared.softcap != 0 ||
      !std::isnan(shared.scale)) {
    bad_input("--random draws shapes, masks, softcap and scale itself: leave those options out");
  }
  return verify_random(arguments);
}

}  // namespace fa4::cli
