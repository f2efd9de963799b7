// SPDX-License-Identifier: Apache-2.0
// The one opaque handle of the API.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/problem.h"
#include "plan/plan.h"

struct fa4_plan {
  fa4::Pass pass;
  fa4::plan::Plan plan;
  fa4::plan::Request request;
  fa4::Problem problem;  // without data
  std::vector<fa4::api::Fact> facts;
  std::string description;

  mutable std::mutex artifacts_mutex;
  mutable std::map<std::pair<size_t, std::string>, std::string> artifacts;  // that were asked for
};

namespace fa4::api {

Status read_pass(fa4_pass pass, Pass* result);
// Whether a plan is to run: then its kernels are compiled and loaded.
enum class Ready : uint8_t { No, Yes };
Status make_plan(const CheckedProblem& checked, Pass pass, Ready ready,
                 std::unique_ptr<fa4_plan>* result);

}  // namespace fa4::api
