// SPDX-License-Identifier: Apache-2.0
// fa4 run: attention on the tensors of a file, or on generated ones.
#include <fmt/ranges.h>

#include <array>
#include <cstdio>

#include "checked.h"
#include "memory.h"
#include "options.h"
#include "safetensors.h"
#include "timing.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

struct PassReport {
  std::string pass, backend, kernel, why;
  int threads = 0;
  Times times;
  double flops = 0;
};

Tensor take(Archive* archive, const std::string& name) {
  Tensor* found = archive->find(name);
  if (!found) bad_input("there is no tensor {}; run needs q, k and v", name);
  return std::move(*found);
}

std::optional<Tensor> take_optional(Archive* archive, const std::string& name) {
  Tensor* found = archive->find(name);
  if (!found) return std::nullopt;
  return std::move(*found);
}

constexpr std::array kInputNames = {"q",
                                    "k",
                                    "v",
                                    "dout",
                                    "dlse",
                                    "sink",
                                    "cu_seqlens_q",
                                    "cu_seqlens_k",
                                    "query_lengths",
                                    "key_lengths",
                                    "page_table"};

bool is_input_name(const std::string& name) {
  return std::find(kInputNames.begin(), kInputNames.end(), name) != kInputNames.end();
}

void report_unused(const Archive& archive) {
  std::vector<std::string> unused;
  for (const NamedTensor& item : archive.tensors) {
    if (!is_input_name(item.name)) unused.push_back(printable(item.name));
  }
  for (const ForeignTensor& item : archive.foreign) {
    if (is_input_name(item.name)) {
      bad_input(
          "tensor {} has dtype {}; served are F32, BF16, F16 and, in the backend reference, F64",
          item.name, item.type);
    }
    unused.push_back(printable(item.name));
  }
  if (!unused.empty()) fmt::print("not used: {}\n", fmt::join(unused, ", "));
}

Inputs read_inputs(const std::string& path) {
  Archive archive = read_safetensors_file(path);
  report_unused(archive);
  Inputs inputs;
  inputs.q = take(&archive, "q");
  inputs.k = take(&archive, "k");
  inputs.v = take(&archive, "v");
  inputs.dout = take_optional(&archive, "dout");
  inputs.dlse = take_optional(&archive, "dlse");
  inputs.sink = take_optional(&archive, "sink");
  inputs.cu_seqlens_q = take_optional(&archive, "cu_seqlens_q");
  inputs.cu_seqlens_k = take_optional(&archive, "cu_seqlens_k");
  inputs.query_lengths = take_optional(&archive, "query_lengths");
  inputs.key_lengths = take_optional(&archive, "key_lengths");
  inputs.page_table = take_optional(&archive, "page_table");
  if (inputs.dlse && !inputs.dout)
    bad_input("there is a tensor dlse but no dout, which the backward needs");
  return inputs;
}

// What the options say of the input must agree with the file: nothing is converted.
void check_agreement(const SharedOptions& shared, const Inputs& inputs) {
  if (!shared.dtype.empty()) {
    const ElementType type = parse_dtype(shared.dtype);
    if (type != inputs.q.type()) {
      bad_input(
          "--dtype is {}, but q in the file is {}; run uses the file's type and converts nothing",
          shared.dtype, name_of(inputs.q.type()));
    }
  }
  if (shared.shape.empty()) return;
  const DenseShape shape = parse_shape(shared.shape);
  const Shape q{shape.batch, shape.seq_q, shape.heads, shape.head_dim};
  const Shape k{shape.batch, shape.seq_k, shape.kv_heads, shape.head_dim};
  const Shape v{shape.batch, shape.seq_k, shape.kv_heads, shape.value_dim};
  if (inputs.q.shape() != q || inputs.k.shape() != k || inputs.v.shape() != v) {
    bad_input("--shape {} does not agree with the file: q {}, k {}, v {}", shared.shape,
              shape_text(inputs.q.shape()), shape_text(inputs.k.shape()),
              shape_text(inputs.v.shape()));
  }
}

Inputs generate_inputs(const RunArguments& arguments) {
  if (arguments.shared.shape.empty()) {
    bad_input("run needs a file IN.safetensors, or --shape to generate input");
  }
  const std::string dtype = arguments.shared.dtype.empty() ? "fp32" : arguments.shared.dtype;
  return make_dense_inputs(parse_shape(arguments.shared.shape), parse_dtype(dtype),
                           arguments.backward, arguments.seed);
}

std::string describe(const Inputs& inputs) {
  std::string text = fmt::format("q {}, k {}, v {}", inputs.q.describe(),
                                 shape_text(inputs.k.shape()), shape_text(inputs.v.shape()));
  const std::pair<const char*, bool> extras[] = {
      {"dout", inputs.dout.has_value()},
      {"dlse", inputs.dlse.has_value()},
      {"sink", inputs.sink.has_value()},
      {"cu_seqlens_q", inputs.cu_seqlens_q.has_value()},
      {"cu_seqlens_k", inputs.cu_seqlens_k.has_value()},
      {"query_lengths", inputs.query_lengths.has_value()},
      {"key_lengths", inputs.key_lengths.has_value()},
      {"page_table", inputs.page_table.has_value()}};
  for (const auto& [name, present] : extras) {
    if (present) text += fmt::format(", {}", name);
  }
  return text;
}

PassReport time_pass(const char* name, const Plan& plan, const BoundProblem& problem,
                     const PassRun& work) {
  constexpr double kSeconds = 0.5;
  constexpr int kMostRuns = 20;
  PassReport report{name, plan.backend(), plan.kernel(), plan.why(), plan.threads(), {}, 0};
  if (problem.on_device()) {
    const DeviceTimer timer(problem.mirror().device());
    report.times =
        time_samples([&] { return timer.milliseconds(work, 1); }, kSeconds, 1, kMostRuns);
  } else {
    report.times = time_runs(work, kSeconds, 1, kMostRuns);
  }
  work.fetch();
  return report;
}

Results run_passes(const Inputs& inputs, const Options& options, std::vector<PassReport>* reports) {
  const BoundProblem problem(inputs, options);
  const Plan forward(problem, FA4_PASS_FORWARD);
  std::optional<Plan> backward;
  if (inputs.dout) backward.emplace(problem, FA4_PASS_BACKWARD);  // refused before work is done
  Results results = make_forward_results(inputs);
  results.lse_limit = forward.lse_limit();
  {
    const PassRun run(forward, problem, results);
    reports->push_back(time_pass("forward", forward, problem, run));
  }
  if (backward) {
    add_gradients(inputs, {}, &results);
    const PassRun run(*backward, problem, inputs, results);
    reports->push_back(time_pass("backward", *backward, problem, run));
  }
  reports->front().flops = flops_of(inputs, options, FA4_PASS_FORWARD);
  if (backward) reports->back().flops = flops_of(inputs, options, FA4_PASS_BACKWARD);
  return results;
}

void print_plan(const std::vector<PassReport>& reports) {
  const PassReport& first = reports.front();
  const PassReport& last = reports.back();
  fmt::print("backend: {}\nkernel: {}\nwhy: {}\n", first.backend, first.kernel, first.why);
  if (last.backend != first.backend || last.kernel != first.kernel) {
    fmt::print("backend of the backward: {}\nkernel of the backward: {}\nwhy: {}\n", last.backend,
               last.kernel, last.why);
  }
  fmt::print("threads: {}\n", first.threads);
}

void print_times(const std::vector<PassReport>& reports, double peak) {
  fmt::print("\n{:<10} {:>12} {:>12} {:>6} {:>10}\n", "pass", "median ms", "best ms", "runs",
             "GFLOP/s");
  for (const PassReport& report : reports) {
    fmt::print("{:<10} {:>12.3f} {:>12.3f} {:>6} {:>10.1f}\n", report.pass, report.times.median(),
               report.times.min(), report.times.milliseconds.size(),
               report.flops / report.times.median() * 1e-6);
  }
  fmt::print("peak memory: {:.1f} MB (the whole process)\n", peak);
}

void write_results(OutputFile& file, const Results& results) {
  std::vector<TensorToWrite> tensors = {{"out", &results.out}, {"lse", &results.lse}};
  const std::pair<const char*, const std::optional<Tensor>*> optional[] = {
      {"dq", &results.dq}, {"dk", &results.dk}, {"dv", &results.dv}, {"dsink", &results.dsink}};
  for (const auto& [name, tensor] : optional) {
    if (tensor->has_value()) tensors.push_back({name, &tensor->value()});
  }
  write_safetensors(file, std::move(tensors));
  file.commit();
}

// Key/value heads spread over all of them.
std::vector<int64_t> sampled_kv_heads(int64_t kv_heads, int64_t wanted) {
  std::vector<int64_t> sampled;
  const int64_t count = wanted <= 0 ? kv_heads : std::min(wanted, kv_heads);
  for (int64_t i = 0; i < count; ++i) sampled.push_back((2 * i + 1) * kv_heads / (2 * count));
  return sampled;
}

Exit check_results(const Inputs& inputs, const Results& results, const Options& options,
                   int64_t wanted_heads) {
  const Sizes sizes = sizes_of(inputs);
  const int64_t group = sizes.heads / sizes.kv_heads;
  const std::vector<int64_t> kv_heads = sampled_kv_heads(sizes.kv_heads, wanted_heads);
  const bool all = static_cast<int64_t>(kv_heads.size()) == sizes.kv_heads;
  std::vector<Sample> samples;
  if (all) {
    add_checked_samples(inputs, results, options, &samples);
    fmt::print("\nerror against double precision, all {} query heads\n", sizes.heads);
  } else {
    std::vector<std::string> names;
    for (const int64_t kv_head : kv_heads) {
      names.push_back(group == 1 ? fmt::format("{}", kv_head)
                                 : fmt::format("{}-{} (key/value head {})", kv_head * group,
                                               (kv_head + 1) * group - 1, kv_head));
      fmt::print(stderr, "fa4 run: checking query heads {}\n", names.back());
      add_checked_samples(slice_heads(inputs, kv_head, 1), slice_heads(inputs, results, kv_head, 1),
                          options, &samples);
    }
    fmt::print("\nerror against double precision on sampled query heads {} of {}\n",
               fmt::join(names, ", "), sizes.heads);
  }
  return print_verdicts(samples, inputs.q.type()) ? Exit::Right : Exit::CheckFailed;
}

}  // namespace

Exit run(const RunArguments& arguments) {
  const bool generated = arguments.input.empty();
  if (!generated && arguments.backward) {
    bad_input(
        "--backward belongs to generated input; a file's backward runs when the file has a dout");
  }
  Inputs inputs = generated ? generate_inputs(arguments) : read_inputs(arguments.input);
  const Options options = to_options(arguments.shared);
  use_machine_options(arguments.shared);
  if (!generated) check_agreement(arguments.shared, inputs);
  std::optional<OutputFile> output;
  if (!arguments.output.empty())
    output.emplace(arguments.output);  // unwritable: known before the work
  std::vector<PassReport> reports;
  const Results results = run_passes(inputs, options, &reports);
  const double peak = peak_mb();
  fmt::print("input: {}: {}\n",
             generated ? fmt::format("N(0, 1), seed {}", arguments.seed) : arguments.input,
             describe(inputs));
  print_plan(reports);
  print_times(reports, peak);
  if (output) {
    write_results(*output, results);
    fmt::print("output: {}\n", arguments.output);
  }
  std::fflush(stdout);
  if (!arguments.check && arguments.check_heads == 0) return Exit::Right;
  return check_results(inputs, results, options, arguments.check_heads);
}

}  // namespace fa4::cli
