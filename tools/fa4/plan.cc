// SPDX-License-Identifier: Apache-2.0
// fa4 plan: what would run a problem, and why the others do not.
#include <cstdio>

#include "files.h"
#include "json.h"
#include "options.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

std::string tiles_text(const Json& tiles) {
  std::string text;
  for (const auto& [name, size] : tiles.items()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, size.dump());
  }
  return text;
}

// A kernel that was not compiled has no registers and no origin.
void print_kernel(const Json& kernel) {
  fmt::print("compiled:  {}, {} threads, {} bytes of shared memory", kernel.value("entry", ""),
             kernel.value("threads", 0), kernel.value("smem_bytes", 0));
  if (kernel.contains("origin")) {
    fmt::print(", {} registers, {} bytes spilled, {}", kernel.value("registers", 0),
               kernel.value("spill_bytes", 0), kernel.value("origin", ""));
  }
  fmt::print("\n");
}

// "roofline:  mma 1024, exponential 1024, … cycles an SM for 128 x 128; mma and exponential bound"
void print_roofline(const Json& roofline) {
  std::string units, bound;
  const Json all = roofline.value("cycles", Json::object());
  for (const auto& [unit, cycles] : all.items()) {
    units += fmt::format("{}{} {:.0f}", units.empty() ? "" : ", ", unit, cycles.get<double>());
  }
  for (const Json& unit : roofline.value("bound", Json::array())) {
    bound += (bound.empty() ? "" : " and ") + unit.get<std::string>();
  }
  fmt::print("roofline:  {} cycles of an SM for {} queries and {} keys; bound by {}", units,
             roofline.value("query_rows", 0), roofline.value("key_rows", 0), bound);
  const double share = roofline.value("fma_share", 0.0);
  if (share > 0) fmt::print(", with {:.4g} % of the exponentials on the FMA units", share * 100);
  fmt::print("\n");
}

void print_table(const Plan& plan, const std::string& name, const std::string& pass) {
  const Json facts = Json::parse(fa4_plan_describe(plan.get()));
  const Json work = facts.value("work", Json::object());
  fmt::print("case:      {}, {}\n", name, pass);
  fmt::print("backend:   {}\nkernel:    {}\nwhy:       {}\n", plan.backend(), plan.kernel(),
             plan.why());
  fmt::print("tiles:     {}\n", tiles_text(facts.value("tiles", Json::object())));
  const bool host = facts.value("device", "cpu") == "cpu" && !is_emulated(plan.backend());
  fmt::print("device:    {}\n", facts.value("device", ""));
  fmt::print("grid:      {} {} {} threads\n", facts.value("grid", int64_t{0}),
             host ? "tasks on" : "blocks of", plan.threads());
  for (const Json& kernel : facts.value("kernels", Json::array())) print_kernel(kernel);
  fmt::print("workspace: {} bytes\n", plan.workspace_bytes());
  fmt::print("work:      {:.4g} visible pairs, {:.4g} GFLOP\n", work.value("visible_pairs", 0.0),
             work.value("flops", 0.0) * 1e-9);
  if (facts.contains("roofline")) print_roofline(facts["roofline"]);
  const Json declined = facts.value("declined", Json::array());
  if (!declined.empty()) fmt::print("declined:\n");
  for (const Json& item : declined) {
    fmt::print("  {:<24} {}\n", item.value("backend", "") + "/" + item.value("kernel", ""),
               item.value("reason", ""));
  }
}

}  // namespace

Exit plan(const PlanArguments& arguments) {
  if (arguments.shared.shape.empty()) bad_input("plan needs --shape B,H,Hk,Sq,Sk,D[,Dv]");
  const DenseShape shape = parse_shape(arguments.shared.shape);
  const ElementType type =
      parse_dtype(arguments.shared.dtype.empty() ? "fp32" : arguments.shared.dtype);
  const bool backward = parse_passes(arguments.pass, false) == Passes::Backward;
  const Options options = to_options(arguments.shared);
  use_machine_options(arguments.shared);
  const Inputs inputs = make_dense_inputs_without_data(shape, type);
  const BoundProblem problem(inputs, options);
  const Plan plan(problem, backward ? FA4_PASS_BACKWARD : FA4_PASS_FORWARD);
  if (arguments.json.empty()) {
    print_table(plan, case_name(shape, type, options), arguments.pass);
  } else if (arguments.json == "-") {
    fmt::print("{}\n", fa4_plan_describe(plan.get()));
  } else {
    OutputFile file(arguments.json);
    file.write(std::string(fa4_plan_describe(plan.get())) + "\n");
    file.commit();
  }
  return Exit::Right;
}

}  // namespace fa4::cli
