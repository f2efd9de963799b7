// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "plan/plan.h"

namespace fa4::plan {
namespace {

// Names that the command line and the API reserve for what is to come.
bool is_future_kernel(std::string_view name) { return name == "sm90"; }
bool is_future_backend(std::string_view name) { return name.starts_with("emulated:sm_10"); }

bool has_kernel(const Backend& backend, std::string_view name) {
  const auto kernels = backend.kernels();
  return std::any_of(kernels.begin(), kernels.end(),
                     [&](const KernelInfo& kernel) { return kernel.name == name; });
}

std::vector<std::string> kernel_names(std::span<const Candidate> candidates) {
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates) {
    for (const KernelInfo& kernel : candidate.backend->kernels()) names.push_back(kernel.name);
  }
  return names;
}

Status find_backend(const Request& request, std::span<const Candidate> all,
                    std::span<const Candidate>* found) {
  if (request.backend == "auto") {
    const auto end =
        std::find_if(all.begin(), all.end(), [](const Candidate& item) { return item.emulated; });
    *found = {all.begin(), end};
    return {};
  }
  std::vector<std::string_view> names;
  for (size_t i = 0; i < all.size(); ++i) {
    names.push_back(all[i].backend->name());
    if (names.back() == request.backend) {
      *found = all.subspan(i, 1);
      return {};
    }
  }
  if (is_future_backend(request.backend)) {
    return unsupported("backend \"{}\" is not in this version, which has {}", request.backend,
                       fmt::join(names, ", "));
  }
  return invalid_argument("backend \"{}\" is unknown; it must be auto or one of {}",
                          request.backend, fmt::join(names, ", "));
}

Status check_kernel_name(const Request& request, std::span<const Candidate> candidates) {
  if (request.kernel == "auto") return {};
  const bool known = std::any_of(
      candidates.begin(), candidates.end(),
      [&](const Candidate& candidate) { return has_kernel(*candidate.backend, request.kernel); });
  if (known) return {};
  if (is_future_kernel(request.kernel)) {
    return unsupported("kernel \"{}\" is a GPU kernel and not in this version, which has {}",
                       request.kernel, fmt::join(kernel_names(candidates), ", "));
  }
  return invalid_argument(
      "kernel \"{}\" is unknown{}; it must be auto or one of {}", request.kernel,
      request.backend == "auto" ? "" : " in backend \"" + request.backend + "\"",
      fmt::join(kernel_names(candidates), ", "));
}

// Why a kernel does not run the problem, or ok.
Status judge_kernel(const Problem& problem, Pass pass, const Request& request,
                    const Candidate& candidate, const KernelInfo& kernel) {
  if (request.kernel != "auto" && request.kernel != kernel.name) {
    return unsupported("kernel \"{}\" was asked for", request.kernel);
  }
  FA4_RETURN_IF_ERROR(candidate.backend->reaches(problem.place));
  FA4_RETURN_IF_ERROR(kernel.runs_here);
  FA4_RETURN_IF_ERROR(candidate.backend->supports(problem, pass, kernel.name));
  if (candidate.judge && request.backend == "auto" && request.kernel == "auto") {
    return unsupported(
        "it serves this problem, but is a judge, chosen only by name (backend \"{}\")",
        candidate.backend->name());
  }
  return {};
}

std::string reason_to_choose(const Request& request, const Backend& backend,
                             const KernelInfo& kernel, bool is_first) {
  const std::string what = fmt::format("{}/{}", backend.name(), kernel.name);
  if (request.kernel != "auto") return fmt::format("kernel \"{}\" was asked for", request.kernel);
  if (request.backend != "auto") {
    return fmt::format(
        "backend \"{}\" was asked for, and {} is the first of its kernels that runs here and serves the problem",
        request.backend, what);
  }
  return is_first ? fmt::format("{} is the fastest kernel of this version", what)
                  : fmt::format("{} is the fastest that runs here and serves the problem", what);
}

// One reason per line of thought: kernels that decline for the same reason are named together.
Status refuse(Pass pass, const Request& request, const std::vector<Declined>& declined) {
  std::vector<std::pair<std::string, std::string>> reasons;  // who, why
  for (const Declined& item : declined) {
    const bool left_aside = request.kernel != "auto" && item.kernel != request.kernel;
    if (left_aside) continue;
    const std::string who = item.backend + "/" + item.kernel;
    if (!reasons.empty() && reasons.back().second == item.reason) {
      reasons.back().first += ", " + who;
    } else {
      reasons.emplace_back(who, item.reason);
    }
  }
  std::string text;
  for (const auto& [who, why] : reasons) text += (text.empty() ? "" : "; ") + who + ": " + why;
  return unsupported("no kernel serves this {} problem: {}", name_of(pass), text);
}

}  // namespace

Work work_of(const Problem& problem, Pass pass) {
  const double pairs = visible_pairs(problem);
  const auto d = static_cast<double>(problem.head_dim), dv = static_cast<double>(problem.value_dim);
  // Forward: S and O. Backward: S, dQ, dK over D and dP, dV over Dv.
  return {pairs, pass == Pass::Forward ? pairs * 2 * (d + dv) : pairs * (6 * d + 4 * dv)};
}

Status choose(const Problem& problem, Pass pass, const Request& request,
              std::span<const Candidate> all, Plan* plan) {
  std::span<const Candidate> candidates;
  FA4_RETURN_IF_ERROR(find_backend(request, all, &candidates));
  FA4_RETURN_IF_ERROR(check_kernel_name(request, candidates));
  *plan = {};
  for (const Candidate& candidate : candidates) {
    const Backend& backend = *candidate.backend;
    for (const KernelInfo& kernel : backend.kernels()) {
      const Status status = judge_kernel(problem, pass, request, candidate, kernel);
      std::string reason = status.message;
      if (status.ok() && plan->backend == nullptr) {
        plan->backend = &backend;
        plan->why = reason_to_choose(request, backend, kernel, plan->declined.empty());
        plan->blueprint = backend.prepare(problem, pass, kernel.name);
        continue;
      }
      if (status.ok()) {
        reason =
            fmt::format("{}/{} comes before it", plan->backend->name(), plan->blueprint.kernel);
      }
      plan->declined.push_back({std::string(backend.name()), kernel.name, std::move(reason)});
    }
  }
  if (plan->backend == nullptr) return refuse(pass, request, plan->declined);
  plan->work = work_of(problem, pass);
  return {};
}

}  // namespace fa4::plan
