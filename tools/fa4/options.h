// SPDX-License-Identifier: Apache-2.0
// The options that run, verify, plan and bench share.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attention.h"
#include "error.h"

namespace fa4::cli {

// B,H,Hk,Sq,Sk,D[,Dv]
struct DenseShape {
  int64_t batch = 0, heads = 0, kv_heads = 0, seq_q = 0, seq_k = 0, head_dim = 0, value_dim = 0;
};

struct SharedOptions {
  std::string backend = "auto";
  std::string kernel = "auto";
  std::string device;  // empty: not given
  std::string dtype;   // empty: not given
  std::string shape;   // empty: not given
  std::string window;  // empty: not given
  bool causal = false;
  double softcap = 0;
  double scale = std::numeric_limits<double>::quiet_NaN();
  int32_t threads = 0;
  // Of the PTX machine, with a backend emulated:…; empty: not given.
  std::string policy, schedule_seed, schedule, schedule_log, numerics, machine_report;
};

// These throw Failure with exit code 2 for text that is no shape, dtype or window.
DenseShape parse_shape(const std::string& text);
ElementType parse_dtype(const std::string& text);
Options to_options(const SharedOptions& shared);

bool is_emulated(const std::string& backend);
// Hands the machine's options to the library, which reads them from the environment at every launch.
void use_machine_options(const SharedOptions& shared);

enum class Passes { Forward, Backward, Both };
Passes parse_passes(const std::string& text, bool both_allowed);

// The command line's way to say the same again.
std::string shape_option(const DenseShape& shape);
// "bf16_d128_causal/b1_h8_kv8_q512_k512"
std::string case_name(const DenseShape& shape, ElementType type, const Options& options);

// q, k, v and, for a backward, dout: N(0, 1), or without data for planning.
Inputs make_dense_inputs(const DenseShape& shape, ElementType type, bool with_dout, uint64_t seed);
Inputs make_dense_inputs_without_data(const DenseShape& shape, ElementType type);

}  // namespace fa4::cli
