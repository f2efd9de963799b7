// SPDX-License-Identifier: Apache-2.0
// Problem -> Plan: which backend and kernel run it, and why the others do not. Pure functions, no data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/backend.h"

namespace fa4::plan {

// What the caller asked for; "auto" leaves the choice to the planner.
struct Request {
  std::string backend = "auto";
  std::string kernel = "auto";
};

struct Candidate {
  const Backend* backend = nullptr;
  bool judge = false;  // there to be compared with: chosen only by name
  bool emulated =
      false;  // chosen only by its own name, and otherwise not spoken of; behind all others
};

struct Declined {
  std::string backend, kernel, reason;
};

struct Work {
  double visible_pairs = 0;  // of queries and keys, over all heads
  double flops = 0;          // of the matrix products
};

struct Plan {
  const Backend* backend = nullptr;
  Blueprint blueprint;
  std::string why;
  Work work;
  std::vector<Declined> declined;
};

Work work_of(const Problem& problem, Pass pass);

// Candidates in order of preference, and so are a backend's kernels. A name that is known but cannot run
// is refused with the reason; nothing takes its place.
Status choose(const Problem& problem, Pass pass, const Request& request,
              std::span<const Candidate> candidates, Plan* plan);

// The plan as JSON text.
std::string describe(const Problem& problem, Pass pass, const Request& request, const Plan& plan);

}  // namespace fa4::plan
