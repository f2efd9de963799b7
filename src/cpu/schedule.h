// SPDX-License-Identifier: Apache-2.0
// What is done in which order: tasks from a problem. Depends on shapes and the kernel's panel, never on
// the number of threads, so results do not either.
#pragma once

#include <cstdint>
#include <vector>

#include "core/problem.h"
#include "cpu/kernel.h"

namespace fa4::cpu {

struct ForwardSchedule {
  std::vector<ForwardTask> tasks;     // longest first
  std::vector<CombineTask> combines;  // rows whose keys were split
  int64_t num_partials = 0;
};

// Panels per task: several read each block of keys once, while there are tasks enough.
int64_t panels_per_task(const Problem& problem, int64_t panel_rows);

ForwardSchedule schedule_forward(const Problem& problem, int64_t panel_rows);

// What schedule_forward needs at most for any lengths within the problem's bounds.
int64_t max_partials(const Problem& problem);
int64_t max_forward_tasks(const Problem& problem, int64_t panel_rows);

// Keys per backward task: what fits the cache beside its gradients, and less while tasks are few.
int64_t backward_chunk_keys(const Problem& problem);

// Groups by falling cost; chunks of a group follow each other.
std::vector<Group> backward_groups(const Problem& problem);

// Rows [begin, end) of a packed or padded tensor that belong to no sequence.
struct UnusedRows {
  int64_t batch;
  int64_t begin, end;
};
std::vector<UnusedRows> unused_query_rows(const Problem& problem);
std::vector<UnusedRows> unused_key_rows(const Problem& problem);

// Those rows of an output become 0.
void clear_rows(const std::vector<UnusedRows>& unused, const RowsView& view, int64_t heads,
                int64_t dim);

}  // namespace fa4::cpu
