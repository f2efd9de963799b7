// SPDX-License-Identifier: Apache-2.0
#include "support/judge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace fa4::test {
namespace {

struct Error {
  double max = 0, rms = 0;
};

Error error_between(const std::vector<double>& a, const std::vector<double>& b) {
  Error error;
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(a[i] - b[i]);
    error.max = difference > error.max || std::isnan(difference) ? difference : error.max;
    squares += difference * difference;
  }
  if (!a.empty()) error.rms = std::sqrt(squares / static_cast<double>(a.size()));
  return error;
}

std::string index_text(const std::vector<int64_t>& shape, int64_t element) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = element % shape[i];
    element /= shape[i];
  }
  return fmt::format("[{}]", fmt::join(index, ", "));
}

// The element and up to two neighbours on each side.
std::string neighbours(const std::vector<int64_t>& shape, const std::vector<double>& actual,
                       const std::vector<double>& reference, int64_t element) {
  std::string text;
  const auto size = static_cast<int64_t>(actual.size());
  for (int64_t i = std::max<int64_t>(element - 2, 0); i < std::min(element + 3, size); ++i) {
    text +=
        fmt::format("\n  {} {}: {:.9g}, reference {:.9g}, error {:.3g}", i == element ? ">" : " ",
                    index_text(shape, i), actual[i], reference[i], actual[i] - reference[i]);
  }
  return text;
}

// The first element whose error is not within the bound, or else the one with the largest.
int64_t first_bad(const Judged& judged, double bound) {
  int64_t worst = 0;
  for (size_t i = 0; i < judged.actual.size(); ++i) {
    const double error = std::fabs(judged.actual[i] - judged.reference[i]);
    if (!(error <= bound)) return static_cast<int64_t>(i);
    if (error > std::fabs(judged.actual[worst] - judged.reference[worst])) {
      worst = static_cast<int64_t>(i);
    }
  }
  return worst;
}

}  // namespace

double ulp_of(Dtype dtype) {
  return dtype == Dtype::BFloat16 ? 0x1p-8 : dtype == Dtype::Float16 ? 0x1p-11 : 0x1p-22;
}

testing::AssertionResult judge(const Judged& judged) {
  if (judged.actual.size() != judged.reference.size() ||
      judged.low.size() != judged.reference.size()) {
    return testing::AssertionFailure()
           << fmt::format("{}: {} elements, the reference has {} and plain has {}", judged.name,
                          judged.actual.size(), judged.reference.size(), judged.low.size());
  }
  const std::vector<double> zeros(judged.reference.size(), 0);
  const Error error = error_between(judged.actual, judged.reference);
  const Error low = error_between(judged.low, judged.reference);
  const Error size = error_between(judged.reference, zeros);
  const double ulp = ulp_of(judged.dtype);
  const double max_bound = 2 * low.max + ulp * size.max + judged.allowance;
  const double rms_bound = 1.5 * low.rms + ulp * size.rms + judged.allowance;
  if (std::isfinite(max_bound) && error.max <= max_bound && error.rms <= rms_bound) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << fmt::format(
                "{}: max error {:.3g}, allowed {:.3g}; rms error {:.3g}, allowed {:.3g} (plain {}: "
                "max {:.3g}, rms {:.3g}; reference: max {:.3g}, rms {:.3g})",
                judged.name, error.max, max_bound, error.rms, rms_bound, fa4::name_of(judged.dtype),
                low.max, low.rms, size.max, size.rms)
         << neighbours(judged.shape, judged.actual, judged.reference, first_bad(judged, max_bound));
}

testing::AssertionResult judge_lse(const std::vector<int64_t>& shape,
                                   const std::vector<double>& actual,
                                   const std::vector<double>& reference, double tolerance) {
  if (actual.size() != reference.size()) {
    return testing::AssertionFailure() << fmt::format("lse: {} elements, the reference has {}",
                                                      actual.size(), reference.size());
  }
  for (size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] == reference[i]) continue;
    const double allowed = tolerance * std::max(1.0, std::fabs(reference[i]));
    if (std::isfinite(allowed) && std::fabs(actual[i] - reference[i]) <= allowed) continue;
    return testing::AssertionFailure()
           << fmt::format("lse: error {:.3g}, allowed {:.3g}", actual[i] - reference[i], allowed)
           << neighbours(shape, actual, reference, static_cast<int64_t>(i));
  }
  return testing::AssertionSuccess();
}

}  // namespace fa4::test
