// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <thread>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/run.h"
#include "cpu/workspace.h"

namespace fa4::cpu {
namespace {

// The backward's tasks: chunks of groups, in the order in which they are claimed. A task waits only for
// tasks before it, so it cannot wait for ever.
class BackwardRun {
 public:
  BackwardRun(const Problem& problem, const Kernel& kernel, const BackwardTensors& tensors,
              int32_t threads, void* base)
      : problem_(problem),
        kernel_(kernel),
        tensors_(tensors),
        threads_(threads),
        workspace_(problem, kernel, threads, base),
        context_{&problem, &tensors, workspace_.lse, workspace_.delta,
                 backward_chunk_keys(problem)},
        groups_(backward_groups(problem)),
        chunks_added_(groups_.size() * static_cast<size_t>(workspace_.max_panels)),
        chunks_done_(groups_.size()) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      const int64_t keys = groups_[g].sequence.k_length;
      const int64_t chunks = (keys + context_.chunk_keys - 1) / context_.chunk_keys;
      num_chunks_.push_back(chunks);
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        tasks_.push_back({static_cast<int64_t>(g), chunk});
      }
      for (int64_t row = 0; row < groups_[g].num_rows; row += kernel.panel_rows) {
        panels_.push_back({static_cast<int64_t>(g), row});
      }
    }
  }

  void run() {
    clear_rows(unused_query_rows(problem_), tensors_.dq, problem_.heads, problem_.head_dim);
    const std::vector<UnusedRows> keys = unused_key_rows(problem_);
    clear_rows(keys, tensors_.dk, problem_.kv_heads, problem_.head_dim);
    clear_rows(keys, tensors_.dv, problem_.kv_heads, problem_.value_dim);
    parallel_tasks(static_cast<int64_t>(panels_.size()), threads_, [this](int64_t i, int thread) {
      const GroupPart& part = panels_[static_cast<size_t>(i)];
      kernel_.prepare_panel(context_, groups_[static_cast<size_t>(part.group)], part.index,
                            workspace_.of_thread(thread));
    });
    parallel_tasks(static_cast<int64_t>(tasks_.size()), threads_, [this](int64_t i, int thread) {
      run_chunk(tasks_[static_cast<size_t>(i)], thread);
    });
    if (tensors_.has_dsink) sink_gradient();
  }

 private:
  struct GroupPart {
    int64_t group;
    int64_t index;  // chunk, or first row
  };

  void run_chunk(const GroupPart& task, int thread) {
    const auto g = static_cast<size_t>(task.group);
    const auto slots = static_cast<size_t>(num_slots(problem_, threads_));
    if (g >= slots) await(chunks_done_[g - slots], num_chunks_[g - slots]);
    const QueryGradient dq{
        workspace_.query_gradients + static_cast<int64_t>(g % slots) * workspace_.slot_floats,
        chunks_added_.data() + g * static_cast<size_t>(workspace_.max_panels)};
    kernel_.backward_chunk(context_, groups_[g], task.index, dq, workspace_.of_thread(thread));
    chunks_done_[g].fetch_add(1, std::memory_order_release);
  }

  static void await(const std::atomic<int64_t>& counter, int64_t value) {
    while (counter.load(std::memory_order_acquire) != value) std::this_thread::yield();
  }

  // The sink is a key with logit s and value 0: ds = sum over rows of exp(s - lse) * (0 - delta).
  void sink_gradient() {
    std::vector<double> sums(static_cast<size_t>(problem_.heads));
    for (int64_t b = 0; b < problem_.batch; ++b) {
      for (const Group& group : groups_) {
        if (group.batch == b) add_sink_gradient(group, &sums);
      }
    }
    for (int64_t head = 0; head < problem_.heads; ++head) {
      store_element(tensors_.dsink.at(head), tensors_.dsink.dtype, sums[static_cast<size_t>(head)]);
    }
  }
  void add_sink_gradient(const Group& group, std::vector<double>* sums) const {
    for (int64_t row = 0; row < group.num_rows; ++row) {
      const int64_t head = problem_.head_of(row, group.kv_head);
      const int64_t query = group.sequence.q_begin + problem_.query_of(row);
      const double lse =
          load_element(tensors_.lse.at(group.sequence.q_batch, head, query), tensors_.lse.dtype);
      (*sums)[static_cast<size_t>(head)] -=
          std::exp(problem_.sink.real(head) - lse) *
          static_cast<double>(workspace_.delta[group.first_row + row]);
    }
  }

  const Problem& problem_;
  const Kernel& kernel_;
  const BackwardTensors& tensors_;
  int32_t threads_;
  BackwardWorkspace workspace_;
  BackwardContext context_;
  std::vector<Group> groups_;
  std::vector<std::atomic<int32_t>> chunks_added_;  // [group][panel]
  std::vector<std::atomic<int64_t>> chunks_done_;   // [group]
  std::vector<int64_t> num_chunks_;
  std::vector<GroupPart> tasks_, panels_;
};

}  // namespace

void run_backward(const Problem& problem, const Kernel& kernel, const BackwardTensors& tensors,
                  int32_t threads, void* workspace) {
  BackwardRun(problem, kernel, tensors, threads, workspace).run();
}

}  // namespace fa4::cpu
