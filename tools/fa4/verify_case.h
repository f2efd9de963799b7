// SPDX-License-Identifier: Apache-2.0
// One case of verify: run by the candidate backend, then by reference and plain, and judged.
#pragma once

#include <string>

#include "random_case.h"

namespace fa4::cli {

struct Outcome {
  bool passed = true;
  bool redrawn =
      false;  // the yardstick was measured over further values, because this one was lucky
  bool outvoted = false;  // near the limit here, right on further values
  std::string report;     // of a failure, one or more lines
  std::string backend, kernel;
};

Outcome verify_case(const Case& item, const Inputs& inputs);

}  // namespace fa4::cli
