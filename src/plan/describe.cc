// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "plan/plan.h"

namespace fa4::plan {
namespace {

using Json = nlohmann::ordered_json;

Json describe_problem(const Problem& problem) {
  return {{"dtype", name_of(problem.q.dtype)},
          {"batch", problem.batch},
          {"heads", problem.heads},
          {"kv_heads", problem.kv_heads},
          {"seq_q", problem.seq_q},
          {"seq_k", problem.seq_k},
          {"head_dim", problem.head_dim},
          {"value_dim", problem.value_dim},
          {"packed_q", problem.packed_q},
          {"packed_k", problem.packed_k},
          {"page_size", problem.page_size},
          {"query_lengths", problem.has_query_lengths},
          {"key_lengths", problem.has_key_lengths},
          {"sink", problem.has_sink},
          {"scale", problem.scale},
          {"softcap", problem.softcap},
          {"window_left", problem.window_left},
          {"window_right", problem.window_right},
          {"num_splits", problem.num_splits},
          {"deterministic", problem.deterministic},
          {"batch_invariant", problem.batch_invariant}};
}

Json describe_kernels(const Blueprint& blueprint) {
  Json list = Json::array();
  for (const CompiledKernel& kernel : blueprint.compiled) {
    Json item = {
        {"entry", kernel.entry}, {"threads", kernel.threads}, {"smem_bytes", kernel.smem_bytes}};
    if (!kernel.origin.empty()) {
      item["registers"] = kernel.registers;
      item["spill_bytes"] = kernel.spill_bytes;
      item["origin"] = kernel.origin;
    }
    list.push_back(std::move(item));
  }
  return list;
}

Json describe_roofline(const Roofline& roofline) {
  Json cycles = Json::object();
  for (const auto& [unit, count] : roofline.cycles) cycles[unit] = count;
  return {{"query_rows", roofline.query_rows},
          {"key_rows", roofline.key_rows},
          {"fma_share", roofline.fma_share},
          {"cycles", cycles},
          {"bound", roofline.bound}};
}

}  // namespace

std::string describe(const Problem& problem, Pass pass, const Request& request, const Plan& plan) {
  Json tiles = Json::object();
  for (const auto& [name, size] : plan.blueprint.tiles) tiles[name] = size;
  Json declined = Json::array();
  for (const Declined& item : plan.declined) {
    declined.push_back(
        {{"backend", item.backend}, {"kernel", item.kernel}, {"reason", item.reason}});
  }
  Json text = {{"pass", name_of(pass)},
               {"device", name_of(problem.place)},
               {"backend", plan.backend->name()},
               {"kernel", plan.blueprint.kernel},
               {"why", plan.why},
               {"requested", {{"backend", request.backend}, {"kernel", request.kernel}}},
               {"problem", describe_problem(problem)},
               {"tiles", tiles},
               {"grid", plan.blueprint.grid},
               {"kernels", describe_kernels(plan.blueprint)},
               {"threads", plan.blueprint.threads},
               {"workspace_bytes", plan.blueprint.workspace_bytes},
               {"work", {{"visible_pairs", plan.work.visible_pairs}, {"flops", plan.work.flops}}}};
  if (plan.blueprint.roofline) text["roofline"] = describe_roofline(*plan.blueprint.roofline);
  text["declined"] = declined;
  return text.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fa4::plan
