// SPDX-License-Identifier: Apache-2.0
// The seam between the schedule (compiled once) and the kernels (compiled once per instruction set):
// tasks, what they work on, and a table of functions for each kernel.
//
// Queries are the lanes of the vectors. The H / Hk query heads that share a key/value head form a group,
// and row r of a group is query r / group, head r % group: one panel of rows reads K and V once for all
// of them, and the causal diagonal stays narrow.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/problem.h"
#include "cpu/arena.h"

namespace fa4::cpu {

// Rows that a panel may have on any target: 4 vectors of 16 lanes.
constexpr int64_t kMaxPanelRows = 64;

// A new maximum is taken, and what was accumulated rescaled, only when it exceeds the old one by this
// much: until then P is at most 2^8 and loses nothing. In natural units, log(2^8).
constexpr float kRescaleThreshold = 5.545177444f;

// ---- forward ----

// Up to this many rows of a group are taken one by one (decode) and not as lanes of a panel, in splits of
// so many keys: enough tasks for many threads, and few enough partial results.
constexpr int64_t kFewRows = 16;
constexpr int64_t kFewRowsKeys = 512;
// Few panels are split as well, into multiples of kForwardKeys.
constexpr int64_t kFewPanelRows = 256;
constexpr int64_t kFewPanelKeys = 2048;

constexpr int64_t kForwardKeys = 256;  // keys per block: K, V and the scores of a block stay in L2

// Rows [row_begin, row_end) of a group against keys [key_begin, key_end). With `partial` >= 0 the result
// goes to that slot of the partial results (row by row) and is combined later.
struct ForwardTask {
  int64_t batch;
  int64_t kv_head;
  int64_t row_begin, row_end;
  int64_t key_begin, key_end;
  int64_t partial;
  double cost;
};

// Partial results: slot s holds a row's maximum score, its sum and its output, both relative
// to that maximum.
struct PartialResults {
  float* row_max = nullptr;  // kNoKeys: nothing was visible
  float* row_sum = nullptr;
  float* out = nullptr;  // [slot][value_dim]
};

constexpr float kNoKeys = -3.402823466e38f;  // the maximum before any key: below every finite score

struct ForwardContext {
  const Problem* problem;
  const ForwardTensors* tensors;
  PartialResults partials;
};

// The results of one row's key splits, in key order, become its output.
struct CombineTask {
  int64_t batch;
  int64_t kv_head;
  int64_t row;
  int64_t first_partial;
  int64_t partial_stride;
  int64_t num_partials;
};

// ---- backward ----

constexpr int64_t kBackwardKeys = 128;  // keys per block inside a chunk

// One (batch, kv head): its rows, and where its per-row values begin.
struct Group {
  int64_t batch;
  int64_t kv_head;
  Sequence sequence;
  int64_t num_rows;   // q_length * group
  int64_t first_row;  // of this group in the arrays over all rows
};

struct BackwardContext {
  const Problem* problem;
  const BackwardTensors* tensors;
  float* lse;          // [rows of all groups], 0 where nothing is visible
  float* delta;        // rowsum(dout * out) - dlse
  int64_t chunk_keys;  // keys per task
};

// dQ of one group, accumulated in fp32, chunk by chunk in chunk order, so that its bits do not depend on
// who computes what when. A panel is [head_dim, padded to 4][panel_rows].
struct QueryGradient {
  float* panels;
  std::atomic<int32_t>* chunks_added;  // [panel]
};

// ---- a kernel ----

struct Kernel {
  const char* name;
  const char* summary;
  int64_t target;     // Highway's bit
  bool bfloat16_dot;  // needs the bf16 dot product, and serves bfloat16 only
  int64_t panel_rows;

  void (*forward_tile)(const ForwardContext&, const ForwardTask&, Arena scratch);
  void (*forward_rows)(const ForwardContext&, const ForwardTask&, Arena scratch);
  void (*combine)(const ForwardContext&, const CombineTask&, Arena scratch);
  // Bytes that the three need at most, for tiles of `panels` panels.
  size_t (*forward_scratch_bytes)(const Problem&, int64_t panels);

  void (*prepare_panel)(const BackwardContext&, const Group&, int64_t first_row, Arena scratch);
  void (*backward_chunk)(const BackwardContext&, const Group&, int64_t chunk_idx,
                         const QueryGradient& dq, Arena scratch);
  size_t (*backward_scratch_bytes)(const Problem&, int64_t chunk_keys);
};

// What was compiled, best first.
std::span<const Kernel> compiled_kernels();

}  // namespace fa4::cpu
