// SPDX-License-Identifier: Apache-2.0
// One configuration of a test, and everything that follows from it: tensors full of traps, the C problem,
// a run on a named backend, and the judgement of the run against the reference.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "fa4/fa4.h"
#include "support/judge.h"
#include "support/tensor.h"

namespace fa4::test {

enum class Input {
  Random,        // N(0,1)
  RisingMaxima,  // every key block raises the row maximum
  HugeLogits,    // scores in the hundreds
  OneHot,        // one key takes nearly all of a row
  EqualRows,     // all rows of q, k and v the same: uniform probabilities
  NegativeZero,  // half of the elements are -0
  Denormals,     // half of the elements are below the smallest normal number
  FallingMaxima  // RisingMaxima for who takes the keys from the last to the first
};

struct Case {
  Dtype dtype = Dtype::Float32;
  int64_t batch = 1, heads = 1, kv_heads = 1;
  int64_t seq_q = 1, seq_k = 1;  // packed: the longest that a sequence may be
  int64_t head_dim = 64;
  int64_t value_dim = 0;  // 0: head_dim
  bool causal = false;
  int64_t window_left = -1, window_right = -1;
  double softcap = 0;
  double scale = NAN;  // NaN: 1/sqrt(head_dim)
  bool sink = false;
  bool dlse = false;
  bool backward = true;  // not with pages: no backend serves it

  // Lengths are drawn from the seed, empty and full ones among them, or given. Packed: the lengths of the
  // sequences; then rows of no sequence lie before the first and after the last. Otherwise of
  // query_lengths and key_lengths, which a packed case may have as well (then always drawn).
  bool packed = false;
  bool query_lengths = false, key_lengths = false;
  std::vector<int64_t> lengths_q = {}, lengths_k = {};
  int64_t page_size = 0;  // > 0: paged k and v, with key_lengths

  Layout layout =
      Layout::Compact;  // of q, k, v, dout; the outputs take it too unless it is Broadcast
  Input input = Input::Random;
  int32_t num_threads = 0, num_splits = 0;
  bool deterministic = false, batch_invariant = false;
  double lse_tolerance = kLseTolerance;
  uint64_t seed = 1;
};

// Letters, digits and underscores: fits INSTANTIATE_TEST_SUITE_P.
std::string name_of(const Case& c);
struct CaseName {
  std::string operator()(const testing::TestParamInfo<Case>& info) const {
    return std::to_string(info.index) + "_" + name_of(info.param);
  }
};
void PrintTo(const Case& c, std::ostream* stream);

// The `fa4 verify` command nearest to the case.
std::string repeat_command(const Case& c, const std::string& backend, const std::string& kernel);

// The tensors of a case. Rows that no query or key stands in are poisoned.
struct Inputs {
  Tensor q, k, v, dout, dlse, sink;
  Tensor cu_seqlens_q, cu_seqlens_k, query_lengths, key_lengths, page_table;

  // For every row of q and k, in row-major order: its index in its sequence, or -1 when it is in none or at
  // or beyond the length.
  std::vector<int64_t> q_position, k_position;
  std::vector<int64_t> sees_keys;  // per row of q: how many keys it sees
  std::vector<int64_t>
      k_row_of_dense;  // paged: row of k for [batch, seq_k], -1 where there is none
};
Inputs make_inputs(const Case& c);

// lse and dlse: [batch, heads, seq_q], packed [heads, total_q]; float32, or float64 for float64 inputs.
std::vector<int64_t> lse_shape(const Case& c, const Inputs& inputs);
constexpr Dtype lse_dtype(Dtype dtype) {
  return dtype == Dtype::Float64 ? Dtype::Float64 : Dtype::Float32;
}

// Points into `inputs`, which must stay where it is.
fa4_problem make_problem(const Case& c, Inputs& inputs);

struct Outputs {
  Tensor out, lse, dq, dk, dv, dsink;
  std::string failure;  // "" when everything was as it should be, apart from the numbers
};

// Plans and runs the case. Fails when a call fails, when the plan's backend or kernel is not the one that
// was asked for ("auto" asks for none), when inputs or surroundings changed, or when the workspace was
// overrun.
Outputs run(const Case& c, Inputs& inputs, const std::string& backend,
            const std::string& kernel = "auto");

// Runs the case, then reference and plain, and judges every output.
testing::AssertionResult run_and_judge(const Case& c, const std::string& backend,
                                       const std::string& kernel = "auto");

}  // namespace fa4::test
