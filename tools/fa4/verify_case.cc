// SPDX-License-Identifier: Apache-2.0
#include "verify_case.h"

#include <algorithm>

#include "error.h"
#include "judge_case.h"
#include "random.h"

namespace fa4::cli {
namespace {

constexpr int64_t kWorkspaceAlignment = 256;

// What the candidate left behind: its results as compact copies, and what it did that it must not do.
struct Candidate {
  Results results;
  std::string backend, kernel;
  std::string trespass;  // empty: none
};

using Bytes = std::vector<std::byte>;

std::vector<std::pair<std::string, Tensor*>> tensors_of(Inputs& inputs) {
  std::vector<std::pair<std::string, Tensor*>> tensors = {
      {"q", &inputs.q}, {"k", &inputs.k}, {"v", &inputs.v}};
  const std::pair<const char*, std::optional<Tensor>*> optional[] = {
      {"cu_seqlens_q", &inputs.cu_seqlens_q},
      {"cu_seqlens_k", &inputs.cu_seqlens_k},
      {"query_lengths", &inputs.query_lengths},
      {"key_lengths", &inputs.key_lengths},
      {"page_table", &inputs.page_table},
      {"sink", &inputs.sink},
      {"dout", &inputs.dout},
      {"dlse", &inputs.dlse}};
  for (const auto& [name, tensor] : optional) {
    if (tensor->has_value()) tensors.emplace_back(name, &tensor->value());
  }
  return tensors;
}

std::vector<std::pair<std::string, Tensor*>> tensors_of(Results& results) {
  std::vector<std::pair<std::string, Tensor*>> tensors = {{"out", &results.out},
                                                          {"lse", &results.lse}};
  const std::pair<const char*, std::optional<Tensor>*> optional[] = {
      {"dq", &results.dq}, {"dk", &results.dk}, {"dv", &results.dv}, {"dsink", &results.dsink}};
  for (const auto& [name, tensor] : optional) {
    if (tensor->has_value()) tensors.emplace_back(name, &tensor->value());
  }
  return tensors;
}

// Bytes of all inputs, to see afterwards that nobody wrote to them or around them.
class InputGuard {
 public:
  explicit InputGuard(Inputs& inputs) : tensors_(tensors_of(inputs)) {
    for (const auto& [name, tensor] : tensors_) {
      copies_.emplace_back(tensor->storage().begin(), tensor->storage().end());
    }
  }
  std::string trespass() const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const auto now = tensors_[i].second->storage();
      if (!std::equal(now.begin(), now.end(), copies_[i].begin())) {
        return fmt::format("{}, an input, or memory around it was written to", tensors_[i].first);
      }
    }
    return "";
  }

 private:
  std::vector<std::pair<std::string, Tensor*>> tensors_;
  std::vector<Bytes> copies_;
};

// A workspace full of NaN, between guards.
class Workspace {
 public:
  Workspace(bool own, const Plan& plan) {
    if (!own) return;
    bytes_ = static_cast<int64_t>(plan.workspace_bytes());
    tensor_ = Tensor(ElementType::Float32, {(bytes_ + 2 * kWorkspaceAlignment) / 4 + 64});
    tensor_.poison();
    before_.assign(tensor_.storage().begin(), tensor_.storage().end());
    const auto address = reinterpret_cast<uintptr_t>(tensor_.storage().data());
    begin_ = kWorkspaceAlignment - static_cast<int64_t>(address % kWorkspaceAlignment);
  }
  std::span<std::byte> span() {
    if (bytes_ == 0) return {};
    return tensor_.storage().subspan(static_cast<size_t>(begin_), static_cast<size_t>(bytes_));
  }
  bool guards_are_intact() const {
    const auto now = tensor_.storage();
    const auto end = static_cast<size_t>(begin_ + bytes_);
    return std::equal(now.begin(), now.begin() + begin_, before_.begin()) &&
           std::equal(now.begin() + static_cast<int64_t>(end), now.end(),
                      before_.begin() + static_cast<int64_t>(end));
  }

 private:
  int64_t bytes_ = 0, begin_ = 0;
  Tensor tensor_{ElementType::Float32, {0}};
  Bytes before_;
};

void poison_dead_rows(const Inputs& inputs, Results* results) {
  const std::vector<bool> live = live_query_rows(inputs);
  const int64_t heads = sizes_of(inputs).heads;
  Tensor& out = results->out;
  for (int64_t r = 0; r < out.num_rows(); ++r) {
    if (live[static_cast<size_t>(r / heads)]) continue;
    for (int64_t i = 0; i < out.row_length(); ++i) {
      store_poison(out.row(r) + i * size_of(out.type()), out.type(), i);
    }
  }
  Tensor& lse = results->lse;
  const int64_t length = lse.row_length();
  for (int64_t r = 0; r < lse.num_rows(); ++r) {
    for (int64_t i = 0; i < length; ++i) {
      if (live[static_cast<size_t>(r / heads * length + i)]) continue;
      store_poison(lse.row(r) + i * size_of(lse.type()), lse.type(), i);
    }
  }
}

void check_surroundings(Results& results, const InputGuard& guard, const Workspace& workspace,
                        const char* pass, Candidate* candidate) {
  if (!candidate->trespass.empty()) return;
  std::string trespass = guard.trespass();
  for (const auto& [name, tensor] : tensors_of(results)) {
    if (trespass.empty() && !tensor->surroundings_are_poison()) {
      trespass = fmt::format("memory around {} was written to", name);
    }
  }
  if (trespass.empty() && !workspace.guards_are_intact()) {
    trespass = "memory around the workspace was written to";
  }
  if (!trespass.empty()) candidate->trespass = fmt::format("{}: {}", pass, trespass);
}

void check_choice(const Case& item, const Plan& plan) {
  const Options& options = item.options;
  const bool right = (options.backend == "auto" || options.backend == plan.backend()) &&
                     (options.kernel == "auto" || options.kernel == plan.kernel());
  if (!right) {
    fail(Exit::Internal, "{}/{} was asked for, but the plan is for {}/{}", options.backend,
         options.kernel, plan.backend(), plan.kernel());
  }
}

Candidate run_candidate(const Case& item, Inputs& inputs, const Options& options) {
  const InputGuard guard(inputs);
  const BoundProblem problem(inputs, options);
  const Plan forward(problem, FA4_PASS_FORWARD);
  check_choice(item, forward);
  Candidate candidate{{}, forward.backend(), forward.kernel(), ""};
  Results results = make_forward_results(inputs, item.results);
  for (const auto& [name, tensor] : tensors_of(results)) tensor->poison();
  Workspace forward_workspace(item.own_workspace, forward);
  run_forward(forward, problem, results, forward_workspace.span());
  check_surroundings(results, guard, forward_workspace, "forward", &candidate);
  candidate.results.out = compact_copy(results.out);
  candidate.results.lse = compact_copy(results.lse);
  candidate.results.lse_limit = forward.lse_limit();
  if (!item.backward) return candidate;

  const Plan backward(problem, FA4_PASS_BACKWARD);
  check_choice(item, backward);
  poison_dead_rows(inputs, &results);
  add_gradients(inputs, item.results, &results);
  for (const auto& [name, tensor] : tensors_of(results)) {
    if (name != "out" && name != "lse") tensor->poison();
  }
  Workspace backward_workspace(item.own_workspace, backward);
  run_backward(backward, problem, inputs, results, backward_workspace.span());
  check_surroundings(results, guard, backward_workspace, "backward", &candidate);
  candidate.results.dq = compact_copy(*results.dq);
  candidate.results.dk = compact_copy(*results.dk);
  candidate.results.dv = compact_copy(*results.dv);
  if (results.dsink) candidate.results.dsink = compact_copy(*results.dsink);
  return candidate;
}

// With one thread; on a device, simply again.
void check_second_run(const Case& item, Inputs& inputs, Candidate* candidate, Outcome* outcome) {
  Options options = item.options;
  options.num_threads = 1;
  Candidate again = run_candidate(item, inputs, options);
  const auto first = tensors_of(candidate->results), second = tensors_of(again.results);
  for (size_t i = 0; i < first.size(); ++i) {
    if (same_bits(*first[i].second, *second[i].second)) continue;
    outcome->passed = false;
    outcome->report += fmt::format(
        "  {}: a second run (on the host with one thread) gives other bits\n", first[i].first);
  }
}

}  // namespace

Outcome verify_case(const Case& item, const Inputs& inputs) {
  Outcome outcome;
  Inputs& guarded = const_cast<Inputs&>(inputs);  // only looked at, to see that nobody writes
  Candidate candidate = run_candidate(item, guarded, item.options);
  outcome.backend = candidate.backend;
  outcome.kernel = candidate.kernel;
  if (!candidate.trespass.empty()) {
    outcome.passed = false;
    outcome.report = "  " + candidate.trespass + "\n";
  }
  if (item.check_threads) check_second_run(item, guarded, &candidate, &outcome);
  const auto rerun = [&](Inputs& other) {
    return run_candidate(item, other, item.options).results;
  };
  judge_case(item, inputs, candidate.results, rerun, &outcome);
  return outcome;
}

}  // namespace fa4::cli
