// SPDX-License-Identifier: Apache-2.0
// One-shot calls: a plan per kind of problem, the latest kept.
#include <omp.h>

#include <list>
#include <mutex>

#include "api/error.h"
#include "api/run.h"

namespace fa4::api {
namespace {

struct Key {
  Pass pass = Pass::Forward;
  int threads;  // what "0 threads" means now
  std::string backend, kernel;
  std::vector<Fact> facts;

  bool operator==(const Key&) const = default;
};

class PlanCache {
 public:
  using Entry = std::shared_ptr<const fa4_plan>;

  // The latest plan is in front. A plan in use outlives its eviction.
  Entry find(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (!(it->first == key)) continue;
      entries_.splice(entries_.begin(), entries_, it);
      return it->second;
    }
    return nullptr;
  }

  void insert(Key key, Entry plan) {
    const std::lock_guard lock(mutex_);
    entries_.emplace_front(std::move(key), std::move(plan));
    if (entries_.size() > kCapacity) entries_.pop_back();
  }

 private:
  static constexpr size_t kCapacity = 32;
  std::mutex mutex_;
  std::list<std::pair<Key, Entry>> entries_;
};

PlanCache& plan_cache() {
  static PlanCache cache;
  return cache;
}

Status cached_plan(const CheckedProblem& checked, Pass pass, PlanCache::Entry* plan) {
  Key key{.pass = pass,
          .threads = omp_get_max_threads(),
          .backend = checked.request.backend,
          .kernel = checked.request.kernel,
          .facts = facts_of(checked)};
  *plan = plan_cache().find(key);
  if (*plan != nullptr) return {};
  std::unique_ptr<fa4_plan> made;
  FA4_RETURN_IF_ERROR(make_plan(checked, pass, Ready::Yes, &made));
  *plan = std::move(made);
  plan_cache().insert(std::move(key), *plan);
  return {};
}

template <class Tensors, class Run>
fa4_status one_shot(const fa4_problem* problem, const Tensors* tensors, void* stream, Pass pass,
                    Run run) {
  return guarded([&]() -> Status {
    CheckedProblem checked;
    FA4_RETURN_IF_ERROR(check_problem(problem, pass, Use::Run, &checked));
    PlanCache::Entry plan;
    FA4_RETURN_IF_ERROR(cached_plan(checked, pass, &plan));
    return run(*plan, checked, tensors, Workspace{.stream = stream, .one_shot = true});
  });
}

}  // namespace
}  // namespace fa4::api

extern "C" {

fa4_status fa4_attention_forward(const fa4_problem* problem, const fa4_forward_tensors* tensors,
                                 void* stream) {
  return fa4::api::one_shot(problem, tensors, stream, fa4::Pass::Forward, fa4::api::run_forward);
}

fa4_status fa4_attention_backward(const fa4_problem* problem, const fa4_backward_tensors* tensors,
                                  void* stream) {
  return fa4::api::one_shot(problem, tensors, stream, fa4::Pass::Backward, fa4::api::run_backward);
}

}  // extern "C"
