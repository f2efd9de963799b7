// SPDX-License-Identifier: Apache-2.0
// What a backend made of one case, judged: the accuracy rule, and what is added to it where the plain
// algorithm is no measure.
#pragma once

#include <functional>

#include "verify_case.h"

namespace fa4::cli {

// The backend under test on other values of the same case, compact results.
using Rerun = std::function<Results(Inputs&)>;

// Adds to the outcome what is wrong with `results`, if anything.
void judge_case(const Case& item, const Inputs& inputs, const Results& results, const Rerun& rerun,
                Outcome* outcome);

}  // namespace fa4::cli
