// SPDX-License-Identifier: Apache-2.0
#include "judge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace fa4::cli {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void add_sample(const std::string& name, bool is_lse, const Tensor& candidate,
                const Tensor& reference, const Tensor& low, std::vector<Sample>* samples) {
  auto found = std::find_if(samples->begin(), samples->end(),
                            [&](const Sample& sample) { return sample.name == name; });
  if (found == samples->end()) {
    samples->emplace_back();
    found = samples->end() - 1;
    found->name = name;
    found->is_lse = is_lse;
    found->type = candidate.type();
  }
  const auto append = [](std::vector<double>* to, const std::vector<double>& values) {
    to->insert(to->end(), values.begin(), values.end());
  };
  append(&found->candidate, candidate.values());
  append(&found->reference, reference.values());
  append(&found->low, low.values());
}

struct Errors {
  double max_error = 0, sum_of_squares = 0;
  double max_reference = 0, sum_of_reference_squares = 0;
  size_t count = 0;

  void add(double error, double reference) {
    max_error = std::max(max_error, error);
    sum_of_squares += error * error;
    max_reference = std::max(max_reference, std::fabs(reference));
    sum_of_reference_squares += reference * reference;
    ++count;
  }
  double rms_error() const { return root_of_mean(sum_of_squares); }
  double rms_reference() const { return root_of_mean(sum_of_reference_squares); }

 private:
  double root_of_mean(double sum) const {
    return count == 0 ? 0 : std::sqrt(sum / static_cast<double>(count));
  }
};

double error_of(double value, double reference) {
  const double error = std::fabs(value - reference);
  return std::isfinite(error) ? error : kInfinity;
}

// Where the exact result is beyond the type, the candidate must be at its end or infinite.
bool overflows(double reference, ElementType type) {
  return std::fabs(reference) > largest_of(type);
}
bool overflows_too(double value, double reference, ElementType type) {
  return value * reference > 0 && std::fabs(value) >= 0.99 * largest_of(type);
}

// A yardstick that is itself infinite or NaN allows nothing.
Errors errors_of_low(const Sample& sample) {
  Errors errors;
  for (size_t i = 0; i < sample.low.size(); ++i) {
    if (overflows(sample.reference[i], sample.type)) continue;
    const double error = error_of(sample.low[i], sample.reference[i]);
    errors.add(std::isinf(error) ? 0 : error, sample.reference[i]);
  }
  return errors;
}

void raise_limits(const Sample& sample, double ulp, Judgement* judgement) {
  const Errors errors = errors_of_low(sample);
  const double floor = smallest_of(sample.type);
  judgement->max_allowed =
      std::max(judgement->max_allowed, 2 * errors.max_error + ulp * errors.max_reference + floor);
  judgement->rms_allowed = std::max(
      judgement->rms_allowed, 1.5 * errors.rms_error() + ulp * errors.rms_reference() + floor);
}

Judgement judge_lse(const Sample& sample) {
  Judgement judgement;
  judgement.max_allowed = sample.lse_limit;
  judgement.rms_allowed = sample.lse_limit;
  Errors errors;
  for (size_t i = 0; i < sample.reference.size(); ++i) {
    const double value = sample.candidate[i], reference = sample.reference[i];
    const double error = value == reference ? 0 : error_of(value, reference);
    const double relative =
        error / std::max(1.0, std::isinf(reference) ? 1.0 : std::fabs(reference));
    errors.add(relative, 0);
    if (relative > sample.lse_limit && judgement.first_bad < 0) {
      judgement.first_bad = static_cast<int64_t>(i);
    }
  }
  judgement.max_error = errors.max_error;
  judgement.rms_error = errors.rms_error();
  judgement.passed = judgement.first_bad < 0;
  return judgement;
}

}  // namespace

void add_samples(const Results& candidate, const Results& reference, const Results& low,
                 std::vector<Sample>* samples) {
  add_sample("out", false, candidate.out, reference.out, low.out, samples);
  add_sample("lse", true, candidate.lse, reference.lse, low.lse, samples);
  for (Sample& sample : *samples) sample.lse_limit = candidate.lse_limit;
  if (!candidate.dq) return;
  add_sample("dq", false, *candidate.dq, *reference.dq, *low.dq, samples);
  add_sample("dk", false, *candidate.dk, *reference.dk, *low.dk, samples);
  add_sample("dv", false, *candidate.dv, *reference.dv, *low.dv, samples);
  if (candidate.dsink) {
    add_sample("dsink", false, *candidate.dsink, *reference.dsink, *low.dsink, samples);
  }
}

void allow_cancellation(double terms, Sample* sample) {
  double largest = 0;
  for (const double value : sample->reference) largest = std::max(largest, std::fabs(value));
  if (largest <= 1e-12 * terms) sample->allowance = 0x1p-20 * terms;
}

Judgement judge(const Sample& sample, ElementType ulp_type, const std::vector<Sample>& draws) {
  if (sample.is_lse) return judge_lse(sample);
  const double ulp = ulp_of(ulp_type);
  Judgement judgement;
  raise_limits(sample, ulp, &judgement);
  for (const Sample& draw : draws) raise_limits(draw, ulp, &judgement);
  judgement.max_allowed += sample.allowance;
  judgement.rms_allowed += sample.allowance;
  Errors errors;
  int64_t worst = -1;
  for (size_t i = 0; i < sample.reference.size(); ++i) {
    const double value = sample.candidate[i], reference = sample.reference[i];
    double error = error_of(value, reference);
    if (overflows(reference, sample.type)) {
      error = overflows_too(value, reference, sample.type) ? 0 : kInfinity;
    }
    if (error > errors.max_error) worst = static_cast<int64_t>(i);
    errors.add(error, 0);
    if (error > judgement.max_allowed && judgement.first_bad < 0) {
      judgement.first_bad = static_cast<int64_t>(i);
    }
  }
  judgement.max_error = errors.max_error;
  judgement.rms_error = errors.rms_error();
  if (judgement.rms_error > judgement.rms_allowed && judgement.first_bad < 0)
    judgement.first_bad = worst;
  judgement.passed = judgement.first_bad < 0;
  return judgement;
}

std::string show_neighbours(const Sample& sample, const Shape& shape, int64_t element) {
  constexpr int64_t kReach = 2;
  const int64_t length = shape.empty() ? 1 : shape.back();
  const int64_t row = element / length * length;
  const int64_t begin = std::max(row, element - kReach);
  const int64_t end = std::min(row + length, element + kReach + 1);
  std::vector<int64_t> index(shape.size());
  for (int64_t i = static_cast<int64_t>(shape.size()) - 1, rest = element; i >= 0; --i) {
    index[static_cast<size_t>(i)] = rest % shape[static_cast<size_t>(i)];
    rest /= shape[static_cast<size_t>(i)];
  }
  std::string text = fmt::format("    {}[{}], elements {}..{} of its row\n", sample.name,
                                 fmt::join(index, ", "), begin - row, end - row - 1);
  const auto line = [&](const char* label, const std::vector<double>& values) {
    text += fmt::format("      {:<10}", label);
    for (int64_t i = begin; i < end; ++i) {
      text += fmt::format(" {:>14.7g}{}", values[static_cast<size_t>(i)], i == element ? "*" : " ");
    }
    text += "\n";
  };
  line("result", sample.candidate);
  line("reference", sample.reference);
  line("plain", sample.low);
  return text;
}

}  // namespace fa4::cli
