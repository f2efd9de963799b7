// SPDX-License-Identifier: Apache-2.0
// The accuracy rule. Against double precision (the backend "reference"), with the backend "plain" as the
// yardstick `low`, each tensor must satisfy
//   max|x - ref| <= 2 max|low - ref| + ulp max|ref|   and   rms(x - ref) <= 1.5 rms(low - ref) + ulp rms(ref)
// and every lse |x - ref| <= 2e-5 * max(1, |ref|), or 2e-4 where part of the exponentials is a polynomial of degree 3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attention.h"

namespace fa4::cli {

// One tensor of the three computations, element by element.
struct Sample {
  std::string name;
  bool is_lse = false;
  ElementType type = ElementType::Float32;  // of the tensor
  std::vector<double> candidate, reference, low;
  double allowance = 0;     // added to the limits: see allow_cancellation
  double lse_limit = 2e-5;  // of max(1, |lse|)
};

// Samples of all results of `candidate`; called again, it appends the values of a further slice.
void add_samples(const Results& candidate, const Results& reference, const Results& low,
                 std::vector<Sample>* samples);

// Where the true gradient is zero because its terms cancel (one visible key, equal rows of v), all that a
// backend can give is the rounding of the terms: then 2^-20 of their size is allowed.
void allow_cancellation(double terms, Sample* sample);

struct Judgement {
  bool passed = true;
  double max_error = 0, max_allowed = 0;
  double rms_error = 0, rms_allowed = 0;
  int64_t first_bad = -1;  // the first element beyond the limit; the worst when only the rms is
};

// `ulp_type` is the type of q. `draws` are samples of the same tensor for other values of the same problem:
// the yardstick is then the largest over all of them.
Judgement judge(const Sample& sample, ElementType ulp_type, const std::vector<Sample>& draws = {});

// The elements around `element` in three lines.
std::string show_neighbours(const Sample& sample, const Shape& shape, int64_t element);

}  // namespace fa4::cli
