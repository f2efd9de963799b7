// SPDX-License-Identifier: Apache-2.0
// Results judged against the backends "reference" and "plain", and the table that says so.
#pragma once

#include <vector>

#include "judge.h"

namespace fa4::cli {

// Computes both for the inputs, and appends the samples.
void add_checked_samples(const Inputs& inputs, const Results& results, const Options& options,
                         std::vector<Sample>* samples);

// Whether all are right.
bool print_verdicts(const std::vector<Sample>& samples, ElementType type);

}  // namespace fa4::cli
