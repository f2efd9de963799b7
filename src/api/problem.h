// SPDX-License-Identifier: Apache-2.0
// fa4_problem -> core Problem, with every check that needs no element of a tensor.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "api/tensors.h"
#include "plan/plan.h"

namespace fa4::api {

struct CheckedProblem {
  Problem problem;
  plan::Request request;
  std::vector<Tensor> tensors;  // all inputs, q first
};

Status check_problem(const fa4_problem* source, Pass pass, Use use, CheckedProblem* checked);

// What a plan depends on, by name: two problems with equal facts may share a plan.
struct Fact {
  const char* name;
  std::variant<int64_t, double, const char*> value;
  bool at_least = false;  // a run may have more than the plan was made for

  bool operator==(const Fact& other) const { return value == other.value; }
};
std::vector<Fact> facts_of(const CheckedProblem& checked);

// The first fact in which a problem differs from the one that the plan was made for, as a sentence.
Status require_same_facts(const std::vector<Fact>& planned, const std::vector<Fact>& now);

}  // namespace fa4::api
