// SPDX-License-Identifier: Apache-2.0
#include "checked.h"

#include <fmt/format.h>

namespace fa4::cli {

void add_checked_samples(const Inputs& inputs, const Results& results, const Options& options,
                         std::vector<Sample>* samples) {
  Options judge_options = options;
  judge_options.kernel = "auto";
  judge_options.device.clear();
  judge_options.backend = "reference";
  const Results reference = compute(convert(inputs, ElementType::Float64), judge_options);
  judge_options.backend = "plain";
  const Results low = inputs.q.type() == ElementType::Float64 ? compute(inputs, options)
                                                              : compute(inputs, judge_options);
  add_samples(results, reference, low, samples);
}

bool print_verdicts(const std::vector<Sample>& samples, ElementType type) {
  bool passed = true;
  fmt::print("{:<8} {:>12} {:>12} {:>12} {:>12}  {}\n", "tensor", "max error", "allowed",
             "rms error", "allowed", "verdict");
  for (const Sample& sample : samples) {
    const Judgement judgement = judge(sample, type);
    passed = passed && judgement.passed;
    fmt::print("{:<8} {:>12.4g} {:>12.4g} {:>12.4g} {:>12.4g}  {}\n", sample.name,
               judgement.max_error, judgement.max_allowed, judgement.rms_error,
               judgement.rms_allowed, judgement.passed ? "right" : "WRONG");
  }
  fmt::print(
      "allowed: 2 times the maximum and 1.5 times the rms error of the plain algorithm in {}, "
      "plus one ulp; lse: of max(1, |lse|)\n",
      name_of(type));
  return passed;
}

}  // namespace fa4::cli
