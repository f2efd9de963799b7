// SPDX-License-Identifier: Apache-2.0
#include "cpu/schedule.h"

#include <algorithm>
#include <numeric>

namespace fa4::cpu {
namespace {

int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// Keys per split of a sequence. Its own lengths decide, so that a row's result does not depend on the
// rest of the batch.
int64_t split_keys(const Problem& problem, int64_t num_rows, int64_t num_keys) {
  const bool few_rows = num_rows <= kFewRows;
  if (problem.num_splits > 0) {
    const int64_t keys = ceil_div(num_keys, problem.num_splits);
    return few_rows ? std::clamp<int64_t>(keys, 1, kFewRowsKeys)
                    : ceil_div(std::max<int64_t>(keys, 1), kForwardKeys) * kForwardKeys;
  }
  if (few_rows) return kFewRowsKeys;
  return num_rows <= kFewPanelRows ? kFewPanelKeys : std::max<int64_t>(num_keys, 1);
}

// Visible pairs of rows [begin, end) of a group with keys [key_begin, key_end), estimated from the first
// and the last query.
double task_cost(const Problem& problem, const Sequence& sequence, const ForwardTask& task) {
  const int64_t group = problem.group();
  const auto keys_of = [&](int64_t row) {
    const KeyRange keys = visible_keys(problem, sequence, row / group);
    return static_cast<double>(std::max<int64_t>(
        0, std::min(keys.end, task.key_end) - std::max(keys.begin, task.key_begin)));
  };
  return static_cast<double>(task.row_end - task.row_begin) *
         (keys_of(task.row_begin) + keys_of(task.row_end - 1)) / 2;
}

class ForwardScheduler {
 public:
  ForwardScheduler(const Problem& problem, int64_t panel_rows)
      : problem_(problem), tile_rows_(panel_rows * panels_per_task(problem, panel_rows)) {}

  ForwardSchedule run() {
    for (int64_t b = 0; b < problem_.batch; ++b) {
      const Sequence sequence = sequence_of(problem_, b);
      if (sequence.q_length == 0) continue;
      for (int64_t h = 0; h < problem_.kv_heads; ++h) add_group(b, h, sequence);
    }
    // Longest first; among equals heads stay together, which read the same K and V.
    std::stable_sort(schedule_.tasks.begin(), schedule_.tasks.end(),
                     [](const ForwardTask& a, const ForwardTask& b) { return a.cost > b.cost; });
    return std::move(schedule_);
  }

 private:
  void add_group(int64_t batch, int64_t kv_head, const Sequence& sequence) {
    const int64_t num_rows = sequence.q_length * problem_.group();
    const int64_t keys_per_split = split_keys(problem_, num_rows, sequence.k_length);
    const int64_t num_splits = std::max<int64_t>(1, ceil_div(sequence.k_length, keys_per_split));
    const int64_t first_partial = num_splits > 1 ? schedule_.num_partials : -1;
    for (int64_t split = 0; split < num_splits; ++split) {
      for (int64_t row = 0; row < num_rows; row += tile_rows_) {
        ForwardTask task{.batch = batch,
                         .kv_head = kv_head,
                         .row_begin = row,
                         .row_end = std::min(row + tile_rows_, num_rows),
                         .key_begin = split * keys_per_split,
                         .key_end = std::min((split + 1) * keys_per_split, sequence.k_length),
                         .partial = num_splits > 1 ? first_partial + split * num_rows + row : -1,
                         .cost = 0};
        task.cost = task_cost(problem_, sequence, task);
        schedule_.tasks.push_back(task);
      }
    }
    if (num_splits == 1) return;
    schedule_.num_partials += num_splits * num_rows;
    for (int64_t row = 0; row < num_rows; ++row) {
      schedule_.combines.push_back({.batch = batch,
                                    .kv_head = kv_head,
                                    .row = row,
                                    .first_partial = first_partial + row,
                                    .partial_stride = num_rows,
                                    .num_partials = num_splits});
    }
  }

  const Problem& problem_;
  int64_t tile_rows_;
  ForwardSchedule schedule_;
};

std::vector<UnusedRows> unused_rows(int64_t batch, bool packed, bool has_lengths, int64_t bound,
                                    int64_t total, const VectorView& cu_seqlens,
                                    const VectorView& lengths) {
  std::vector<UnusedRows> unused;
  const auto add = [&](int64_t b, int64_t begin, int64_t end) {
    if (begin < end) unused.push_back({b, begin, end});
  };
  if (!packed) {
    for (int64_t b = 0; b < batch && has_lengths; ++b) add(b, lengths.integer(b), bound);
    return unused;
  }
  add(0, 0, cu_seqlens.integer(0));
  for (int64_t b = 0; b < batch && has_lengths; ++b) {
    add(0, cu_seqlens.integer(b) + lengths.integer(b), cu_seqlens.integer(b + 1));
  }
  add(0, cu_seqlens.integer(batch), total);
  return unused;
}

}  // namespace

int64_t panels_per_task(const Problem& problem, int64_t panel_rows) {
  constexpr int64_t kMaxPanels = 4;
  constexpr int64_t kEnoughTasks = 32;
  const int64_t rows = problem.total_q * problem.heads;
  return std::clamp<int64_t>(rows / (panel_rows * kEnoughTasks), 1, kMaxPanels);
}

ForwardSchedule schedule_forward(const Problem& problem, int64_t panel_rows) {
  return ForwardScheduler(problem, panel_rows).run();
}

int64_t max_partials(const Problem& problem) {
  // A sequence of r rows has r * splits slots; few rows have short splits, many rows long ones. A wanted
  // number of splits may be reached by a shorter sequence and not by the longest, hence the maximum.
  const auto slots = [&](int64_t rows) {
    const int64_t keys = split_keys(problem, rows, problem.seq_k);
    const int64_t splits = std::max<int64_t>(ceil_div(problem.seq_k, keys),
                                             std::min<int64_t>(problem.num_splits, problem.seq_k));
    return splits > 1 ? rows * splits : 0;
  };
  const int64_t rows = problem.seq_q * problem.group();
  return problem.batch * problem.kv_heads *
         std::max(
             {slots(std::min(rows, kFewRows)), slots(std::min(rows, kFewPanelRows)), slots(rows)});
}

int64_t max_forward_tasks(const Problem& problem, int64_t panel_rows) {
  const int64_t rows = problem.seq_q * problem.group();
  const int64_t tiles = ceil_div(rows, panel_rows * panels_per_task(problem, panel_rows));
  const int64_t splits = ceil_div(problem.seq_k, split_keys(problem, rows, problem.seq_k));
  return problem.batch * problem.kv_heads * tiles * std::max<int64_t>(1, splits);
}

int64_t backward_chunk_keys(const Problem& problem) {
  constexpr int64_t kEnoughTasks = 64;
  const int64_t dim = std::max(problem.head_dim, problem.value_dim);
  int64_t keys = dim <= 64 ? 512 : 256;
  const int64_t groups = std::max<int64_t>(1, problem.batch * problem.kv_heads);
  while (keys > kBackwardKeys && groups * ceil_div(problem.seq_k, keys) < kEnoughTasks) keys /= 2;
  return keys;
}

std::vector<Group> backward_groups(const Problem& problem) {
  std::vector<Group> groups;
  int64_t first_row = 0;
  for (int64_t b = 0; b < problem.batch; ++b) {
    const Sequence sequence = sequence_of(problem, b);
    for (int64_t h = 0; h < problem.kv_heads; ++h) {
      const int64_t num_rows = sequence.q_length * problem.group();
      groups.push_back({b, h, sequence, num_rows, first_row});
      first_row += num_rows;
    }
  }
  const auto cost = [](const Group& group) {
    return static_cast<double>(group.num_rows) * static_cast<double>(group.sequence.k_length);
  };
  std::stable_sort(groups.begin(), groups.end(),
                   [&](const Group& a, const Group& b) { return cost(a) > cost(b); });
  return groups;
}

std::vector<UnusedRows> unused_query_rows(const Problem& p) {
  return unused_rows(p.batch, p.packed_q, p.has_query_lengths, p.seq_q, p.total_q, p.cu_seqlens_q,
                     p.query_lengths);
}

std::vector<UnusedRows> unused_key_rows(const Problem& p) {
  return unused_rows(p.batch, p.packed_k, p.has_key_lengths, p.seq_k, p.total_k, p.cu_seqlens_k,
                     p.key_lengths);
}

void clear_rows(const std::vector<UnusedRows>& unused, const RowsView& view, int64_t heads,
                int64_t dim) {
  for (const UnusedRows& rows : unused) {
    fa4::clear_rows(view, rows.batch, rows.begin, rows.end, heads, dim);
  }
}

}  // namespace fa4::cpu
