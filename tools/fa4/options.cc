// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "random.h"

namespace fa4::cli {
namespace {

// Comma-separated integers; nothing else.
std::vector<int64_t> parse_integers(const std::string& option, const std::string& text,
                                    const std::string& form) {
  std::vector<int64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int64_t number = 0;
    const auto [stopped, error] = std::from_chars(at, end, number);
    if (error != std::errc()) {
      bad_input("{} is {}; it must be {}, integers of 64 bits", option, printable(text), form);
    }
    numbers.push_back(number);
    if (stopped == end) return numbers;
    if (*stopped != ',') bad_input("{} is {}; it must be {}", option, printable(text), form);
    at = stopped + 1;
  }
}

void fill_normal(Tensor* tensor, Random* random) {
  for (int64_t r = 0; r < tensor->num_rows(); ++r) {
    std::byte* address = tensor->row(r);
    for (int64_t i = 0; i < tensor->row_length(); ++i, address += size_of(tensor->type())) {
      store_element(address, tensor->type(), random->normal());
    }
  }
}

Inputs make_inputs(const DenseShape& shape, ElementType type, const Layout& layout) {
  Inputs inputs;
  inputs.q = Tensor(type, {shape.batch, shape.seq_q, shape.heads, shape.head_dim}, layout);
  inputs.k = Tensor(type, {shape.batch, shape.seq_k, shape.kv_heads, shape.head_dim}, layout);
  inputs.v = Tensor(type, {shape.batch, shape.seq_k, shape.kv_heads, shape.value_dim}, layout);
  return inputs;
}

}  // namespace

DenseShape parse_shape(const std::string& text) {
  const std::string form = "B,H,Hk,Sq,Sk,D[,Dv]";
  const std::vector<int64_t> sizes = parse_integers("--shape", text, form);
  if (sizes.size() != 6 && sizes.size() != 7) {
    bad_input("--shape has {} numbers; it must be {}", sizes.size(), form);
  }
  for (const int64_t size : sizes) {
    if (size < 0) bad_input("--shape holds the size {}; sizes must not be negative", size);
  }
  return {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes.back()};
}

ElementType parse_dtype(const std::string& text) {
  for (const ElementTypeFacts& candidate : kElementTypes) {
    if (!candidate.option.empty() && candidate.option == text) return candidate.type;
  }
  bad_input("--dtype is {}; it must be fp32, bf16, fp16 or, for the backend reference, fp64",
            printable(text));
}

Options to_options(const SharedOptions& shared) {
  Options options;
  options.backend = shared.backend;
  options.kernel = shared.kernel;
  options.device = shared.device;
  options.scale = shared.scale;
  options.softcap = shared.softcap;
  options.causal = shared.causal;
  options.num_threads = shared.threads;
  if (!shared.window.empty()) {
    const auto bounds = parse_integers("--window", shared.window, "LEFT,RIGHT");
    if (bounds.size() != 2)
      bad_input("--window has {} numbers; it must be LEFT,RIGHT", bounds.size());
    options.window_left = bounds[0];
    options.window_right = bounds[1];
  }
  return options;
}

bool is_emulated(const std::string& backend) { return backend.starts_with("emulated:"); }

void use_machine_options(const SharedOptions& shared) {
  struct Row {
    const char *option, *variable;
    const std::string* value;
  };
  const Row rows[] = {{"--policy", "FA4_EMU_POLICY", &shared.policy},
                      {"--schedule-seed", "FA4_EMU_SEED", &shared.schedule_seed},
                      {"--schedule", "FA4_EMU_SCHEDULE", &shared.schedule},
                      {"--schedule-log", "FA4_EMU_SCHEDULE_LOG", &shared.schedule_log},
                      {"--numerics", "FA4_EMU_NUMERICS", &shared.numerics},
                      {"--machine-report", "FA4_EMU_REPORT", &shared.machine_report}};
  for (const Row& row : rows) {
    if (row.value->empty()) continue;
    if (!is_emulated(shared.backend)) {
      bad_input("{} is an option of the backends emulated:…, but --backend is {}", row.option,
                printable(shared.backend));
    }
    ::setenv(row.variable, row.value->c_str(), 1);
  }
}

Passes parse_passes(const std::string& text, bool both_allowed) {
  if (text == "forward") return Passes::Forward;
  if (text == "backward") return Passes::Backward;
  if (both_allowed && text == "both") return Passes::Both;
  bad_input("--pass is {}; it must be forward{} backward{}", printable(text),
            both_allowed ? "," : " or", both_allowed ? " or both" : "");
}

std::string shape_option(const DenseShape& shape) {
  return fmt::format("--shape {},{},{},{},{},{},{}", shape.batch, shape.heads, shape.kv_heads,
                     shape.seq_q, shape.seq_k, shape.head_dim, shape.value_dim);
}

std::string case_name(const DenseShape& shape, ElementType type, const Options& options) {
  std::string name = fmt::format("{}_d{}", facts(type).option, shape.head_dim);
  if (shape.value_dim != shape.head_dim) name += fmt::format("_dv{}", shape.value_dim);
  if (options.causal) name += "_causal";
  if (options.window_left >= 0 || options.window_right >= 0) {
    name += fmt::format("_window{}_{}", options.window_left, options.window_right);
  }
  if (options.softcap != 0) name += fmt::format("_softcap{}", options.softcap);
  if (!std::isnan(options.scale)) name += fmt::format("_scale{}", options.scale);
  return name + fmt::format("/b{}_h{}_kv{}_q{}_k{}", shape.batch, shape.heads, shape.kv_heads,
                            shape.seq_q, shape.seq_k);
}

Inputs make_dense_inputs(const DenseShape& shape, ElementType type, bool with_dout, uint64_t seed) {
  Inputs inputs = make_inputs(shape, type, {});
  Random random(seed);
  fill_normal(&inputs.q, &random);
  fill_normal(&inputs.k, &random);
  fill_normal(&inputs.v, &random);
  if (with_dout) {
    inputs.dout = Tensor(type, {shape.batch, shape.seq_q, shape.heads, shape.value_dim});
    fill_normal(&*inputs.dout, &random);
  }
  return inputs;
}

Inputs make_dense_inputs_without_data(const DenseShape& shape, ElementType type) {
  Layout layout;
  layout.no_data = true;
  return make_inputs(shape, type, layout);
}

}  // namespace fa4::cli
