// SPDX-License-Identifier: Apache-2.0
// Cases of the Blackwell forward and the schedules that they run under, through the library.
#pragma once

#include <stdlib.h>

#include <string>

#include "support/case.h"

namespace fa4::test {

// Of one test: the machine reads them at every launch.
class ForwardSchedule {
 public:
  ForwardSchedule(const std::string& policy, int seed) {
    ::setenv("FA4_EMU_POLICY", policy.c_str(), 1);
    ::setenv("FA4_EMU_SEED", std::to_string(seed).c_str(), 1);
  }
  ~ForwardSchedule() {
    ::unsetenv("FA4_EMU_POLICY");
    ::unsetenv("FA4_EMU_SEED");
  }
  ForwardSchedule(const ForwardSchedule&) = delete;
  ForwardSchedule& operator=(const ForwardSchedule&) = delete;
};

// 16 of a row's 128 exponentials are a polynomial.
inline Case blackwell(Case c) {
  if (c.dtype == Dtype::Float32) c.dtype = Dtype::BFloat16;
  c.backward = false;
  c.lse_tolerance = kLseToleranceDegree3;
  return c;
}

}  // namespace fa4::test
