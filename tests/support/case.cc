// SPDX-License-Identifier: Apache-2.0
// What a case is called.
#include "support/case.h"

#include <fmt/format.h>

#include <ostream>

namespace fa4::test {
namespace {

const char* input_name(Input input) {
  static constexpr const char* kNames[] = {"random",    "rising_maxima", "huge_logits",
                                           "one_hot",   "equal_rows",    "negative_zero",
                                           "denormals", "falling_maxima"};
  return kNames[static_cast<int>(input)];
}

const char* short_name(Dtype dtype) {
  return dtype == Dtype::BFloat16  ? "bf16"
         : dtype == Dtype::Float16 ? "fp16"
         : dtype == Dtype::Float32 ? "fp32"
                                   : "fp64";
}

}  // namespace

std::string name_of(const Case& c) {
  std::string name = fmt::format("{}_d{}", short_name(c.dtype), c.head_dim);
  if (c.value_dim && c.value_dim != c.head_dim) name += fmt::format("_dv{}", c.value_dim);
  const auto bound = [](int64_t keys) { return keys < 0 ? "open" : std::to_string(keys); };
  if (c.causal) name += "_causal";
  if (c.window_left >= 0 || c.window_right >= 0) {
    name += fmt::format("_window_{}_{}", bound(c.window_left), bound(c.window_right));
  }
  if (c.softcap > 0) name += "_softcap";
  if (!std::isnan(c.scale))
    name += c.scale < 0 ? "_negative_scale" : c.scale > 0 ? "_scale" : "_scale0";
  if (c.sink) name += "_sink";
  if (c.dlse) name += "_dlse";
  if (c.packed) name += "_packed";
  if (c.query_lengths) name += "_qlengths";
  if (c.key_lengths) name += "_klengths";
  if (c.page_size > 0) name += fmt::format("_page{}", c.page_size);
  if (c.layout != Layout::Compact) name += fmt::format("_{}", name_of(c.layout));
  if (c.input != Input::Random) name += fmt::format("_{}", input_name(c.input));
  if (c.num_threads > 0) name += fmt::format("_threads{}", c.num_threads);
  if (c.num_splits > 0) name += fmt::format("_splits{}", c.num_splits);
  return name +
         fmt::format("_b{}_h{}_kv{}_q{}_k{}", c.batch, c.heads, c.kv_heads, c.seq_q, c.seq_k);
}

void PrintTo(const Case& c, std::ostream* stream) { *stream << name_of(c); }

std::string repeat_command(const Case& c, const std::string& backend, const std::string& kernel) {
  std::string command =
      fmt::format("fa4 verify --backend {} --kernel {} --dtype {} --shape {},{},{},{},{},{},{}",
                  backend, kernel, short_name(c.dtype), c.batch, c.heads, c.kv_heads, c.seq_q,
                  c.seq_k, c.head_dim, c.value_dim ? c.value_dim : c.head_dim);
  if (c.causal) command += " --causal";
  if (c.window_left >= 0 || c.window_right >= 0) {
    command += fmt::format(" --window {},{}", c.window_left, c.window_right);
  }
  if (c.softcap > 0) command += fmt::format(" --softcap {}", c.softcap);
  if (!std::isnan(c.scale)) command += fmt::format(" --scale {}", c.scale);
  return command + fmt::format(" --seed {}", c.seed);
}

}  // namespace fa4::test
