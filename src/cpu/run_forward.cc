// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "cpu/parallel.h"
#include "cpu/run.h"
#include "cpu/workspace.h"

namespace fa4::cpu {
namespace {

void clear_lse(const std::vector<UnusedRows>& unused, const LseView& view, int64_t heads) {
  for (const UnusedRows& rows : unused) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      for (int64_t head = 0; head < heads; ++head) {
        store_element(view.at(rows.batch, head, row), view.dtype, -INFINITY);
      }
    }
  }
}

}  // namespace

void run_forward(const Problem& problem, const Kernel& kernel, const ForwardTensors& tensors,
                 int32_t threads, void* base) {
  const ForwardWorkspace workspace(problem, kernel, threads, base);
  const ForwardSchedule schedule = schedule_forward(problem, kernel.panel_rows);
  const ForwardContext context{&problem, &tensors, workspace.partials};
  const std::vector<UnusedRows> unused = unused_query_rows(problem);
  clear_rows(unused, tensors.out, problem.heads, problem.value_dim);
  if (tensors.has_lse) clear_lse(unused, tensors.lse, problem.heads);
  parallel_tasks(static_cast<int64_t>(schedule.tasks.size()), threads, [&](int64_t i, int thread) {
    const ForwardTask& task = schedule.tasks[static_cast<size_t>(i)];
    const int64_t num_rows = sequence_of(problem, task.batch).q_length * problem.group();
    const auto forward = num_rows <= kFewRows ? kernel.forward_rows : kernel.forward_tile;
    forward(context, task, workspace.of_thread(thread));
  });
  constexpr size_t kWorthThreads = 64;  // fewer rows take less time than waking a thread
  const int32_t combine_threads = schedule.combines.size() < kWorthThreads ? 1 : threads;
  parallel_tasks(static_cast<int64_t>(schedule.combines.size()), combine_threads,
                 [&](int64_t i, int thread) {
                   kernel.combine(context, schedule.combines[static_cast<size_t>(i)],
                                  workspace.of_thread(thread));
                 });
}

}  // namespace fa4::cpu
