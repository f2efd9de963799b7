// SPDX-License-Identifier: Apache-2.0
// fa4 compare: two files of tensors, one against the other.
#include "compare.h"

#include <fmt/ranges.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "safetensors.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

// The distance of two elements; 0 for equal ones, NaN equal to NaN and infinities of one sign included.
double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double difference = std::fabs(a - b);
  return std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
}

void refuse_foreign(const Archive& archive, const std::string& path) {
  if (archive.foreign.empty()) return;
  const ForeignTensor& first = archive.foreign.front();
  bad_input(
      "{}: tensor {} has dtype {}, which cannot be compared; F64, F32, BF16, F16, I64 and I32 can",
      path, printable(first.name), first.type);
}

}  // namespace

Exit compare(const CompareArguments& arguments) {
  if (!(arguments.limits.rtol >= 0) || !(arguments.limits.atol >= 0)) {
    bad_input("--rtol and --atol must be 0 or more");
  }
  Archive a = read_safetensors_file(arguments.a);
  Archive b = read_safetensors_file(arguments.b);
  refuse_foreign(a, arguments.a);
  refuse_foreign(b, arguments.b);
  std::set<std::string> names;
  for (const Archive* archive : {&a, &b}) {
    for (const NamedTensor& item : archive->tensors) names.insert(item.name);
  }
  bool all_within = true;
  fmt::print("{:<20} {:>12} {:>12} {:>10}  {:<24} {}\n", "tensor", "max error", "rms error",
             "beyond", "worst index", "verdict");
  for (const std::string& name : names) {
    const Tensor *in_a = a.find(name), *in_b = b.find(name);
    const std::string label = printable(name);
    if (!in_a || !in_b) {
      all_within = false;
      fmt::print("{:<20} only in {}\n", label, in_a ? arguments.a : arguments.b);
      continue;
    }
    if (in_a->shape() != in_b->shape()) {
      all_within = false;
      fmt::print("{:<20} shapes differ: {} and {}\n", label, shape_text(in_a->shape()),
                 shape_text(in_b->shape()));
      continue;
    }
    const Difference difference = difference_of(*in_a, *in_b, arguments.limits);
    all_within = all_within && difference.beyond == 0;
    fmt::print("{:<20} {:>12.4g} {:>12.4g} {:>10}  {:<24} {}\n", label, difference.max_error,
               difference.rms_error, difference.beyond,
               difference.worst < 0 ? "-" : shape_text(in_a->index_of(difference.worst)),
               difference.beyond == 0 ? "within" : "BEYOND");
  }
  fmt::print("limit: |a - b| <= {} + {} |b|: {}\n", arguments.limits.atol, arguments.limits.rtol,
             all_within ? "held" : "NOT held");
  return all_within ? Exit::Right : Exit::CheckFailed;
}

Difference difference_of(const Tensor& a, const Tensor& b, const Limits& limits) {
  Difference result;
  double sum_of_squares = 0;
  const int64_t count = a.num_elements();
  for (int64_t i = 0; i < count; ++i) {
    const double value = a.value(i), other = b.value(i);
    const double error = distance(value, other);
    sum_of_squares += error * error;
    const double allowed = std::isfinite(other) ? limits.atol + limits.rtol * std::fabs(other) : 0;
    if (error > allowed) ++result.beyond;
    if (error > result.max_error) {
      result.max_error = error;
      result.worst = i;
    }
  }
  if (count > 0) result.rms_error = std::sqrt(sum_of_squares / static_cast<double>(count));
  return result;
}

}  // namespace fa4::cli
