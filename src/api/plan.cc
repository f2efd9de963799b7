// SPDX-License-Identifier: Apache-2.0
#include "api/plan.h"

#include "api/backends.h"
#include "api/error.h"

namespace fa4::api {
namespace {

Status plan_problem(const fa4_problem* source, fa4_pass pass_code, Ready ready,
                    std::unique_ptr<fa4_plan>* plan) {
  Pass pass = Pass::Forward;
  FA4_RETURN_IF_ERROR(read_pass(pass_code, &pass));
  CheckedProblem checked;
  FA4_RETURN_IF_ERROR(check_problem(source, pass, Use::Plan, &checked));
  return make_plan(checked, pass, ready, plan);
}

Status find_artifact(const fa4_plan& plan, size_t kernel, const char* kind,
                     const std::string** bytes) {
  const std::lock_guard lock(plan.artifacts_mutex);
  const std::pair<size_t, std::string> name(kernel, kind);
  auto found = plan.artifacts.find(name);
  if (found == plan.artifacts.end()) {
    std::string made;
    FA4_RETURN_IF_ERROR(
        plan.plan.backend->artifact(plan.problem, plan.plan.blueprint, kernel, kind, &made));
    found = plan.artifacts.emplace(name, std::move(made)).first;
  }
  *bytes = &found->second;
  return {};
}

}  // namespace

Status read_pass(fa4_pass pass, Pass* result) {
  if (pass != FA4_PASS_FORWARD && pass != FA4_PASS_BACKWARD) {
    return invalid_argument("pass is {}; it must be FA4_PASS_FORWARD or FA4_PASS_BACKWARD",
                            static_cast<int>(pass));
  }
  *result = pass == FA4_PASS_FORWARD ? Pass::Forward : Pass::Backward;
  return {};
}

Status make_plan(const CheckedProblem& checked, Pass pass, Ready ready,
                 std::unique_ptr<fa4_plan>* result) {
  auto made = std::make_unique<fa4_plan>();
  made->pass = pass;
  made->request = checked.request;
  made->problem = checked.problem;
  FA4_RETURN_IF_ERROR(
      plan::choose(checked.problem, pass, checked.request, backends(), &made->plan));
  if (ready == Ready::Yes) {
    FA4_RETURN_IF_ERROR(made->plan.backend->load(checked.problem, &made->plan.blueprint));
  }
  made->facts = facts_of(checked);
  made->description = plan::describe(checked.problem, pass, checked.request, made->plan);
  *result = std::move(made);
  return {};
}

}  // namespace fa4::api

extern "C" {

fa4_status fa4_supports(const fa4_problem* problem, fa4_pass pass) {
  return fa4::api::guarded([&] {
    std::unique_ptr<fa4_plan> plan;
    return fa4::api::plan_problem(problem, pass, fa4::api::Ready::No, &plan);
  });
}

fa4_status fa4_plan_create(const fa4_problem* problem, fa4_pass pass, fa4_plan** plan) {
  return fa4::api::guarded([&]() -> fa4::Status {
    if (plan == nullptr)
      return fa4::invalid_argument("plan is null; it must point to where the plan goes");
    *plan = nullptr;
    std::unique_ptr<fa4_plan> made;
    FA4_RETURN_IF_ERROR(fa4::api::plan_problem(problem, pass, fa4::api::Ready::Yes, &made));
    *plan = made.release();
    return {};
  });
}

void fa4_plan_destroy(fa4_plan* plan) { delete plan; }

const char* fa4_plan_describe(const fa4_plan* plan) {
  return plan == nullptr ? nullptr : plan->description.c_str();
}

fa4_status fa4_plan_artifact(const fa4_plan* plan, size_t kernel, const char* kind,
                             const void** data, size_t* size) {
  return fa4::api::guarded([&]() -> fa4::Status {
    if (plan == nullptr) return fa4::invalid_argument("plan is null");
    if (kind == nullptr || data == nullptr || size == nullptr) {
      return fa4::invalid_argument("kind, data and size must not be null");
    }
    const std::string* bytes = nullptr;
    FA4_RETURN_IF_ERROR(fa4::api::find_artifact(*plan, kernel, kind, &bytes));
    *data = bytes->data();
    *size = bytes->size();
    return {};
  });
}

size_t fa4_plan_workspace_size(const fa4_plan* plan) {
  return plan == nullptr ? 0 : plan->plan.blueprint.workspace_bytes;
}

}  // extern "C"
