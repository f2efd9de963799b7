// SPDX-License-Identifier: Apache-2.0
// How the workspace of a plan is laid out: scratch for each thread, then what threads share. On a null
// base only the size is computed, from the problem's bounds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/kernel.h"
#include "cpu/schedule.h"

namespace fa4::cpu {

// Groups of the backward whose dQ is under way at once. Tasks are taken in order, so that each thread is
// in one group.
inline int64_t num_slots(const Problem& problem, int32_t threads) {
  return std::clamp<int64_t>(threads + 1, 1,
                             std::max<int64_t>(1, problem.batch * problem.kv_heads));
}

struct ForwardWorkspace {
  ForwardWorkspace(const Problem& problem, const Kernel& kernel, int32_t threads, void* base)
      : arena(base),
        scratch_bytes(
            kernel.forward_scratch_bytes(problem, panels_per_task(problem, kernel.panel_rows))),
        scratch(arena.take<std::byte>(static_cast<int64_t>(scratch_bytes) * threads)) {
    const int64_t slots = max_partials(problem);
    partials.row_max = arena.take<float>(slots);
    partials.row_sum = arena.take<float>(slots);
    partials.out = arena.take<float>(slots * problem.value_dim);
  }
  Arena of_thread(int thread) const {
    return Arena(scratch + static_cast<size_t>(thread) * scratch_bytes);
  }

  Arena arena;
  size_t scratch_bytes;
  std::byte* scratch;
  PartialResults partials;
};

struct BackwardWorkspace {
  BackwardWorkspace(const Problem& problem, const Kernel& kernel, int32_t threads, void* base)
      : arena(base),
        scratch_bytes(kernel.backward_scratch_bytes(problem, backward_chunk_keys(problem))),
        scratch(arena.take<std::byte>(static_cast<int64_t>(scratch_bytes) * threads)),
        lse(arena.take<float>(problem.total_q * problem.heads)),
        delta(arena.take<float>(problem.total_q * problem.heads)),
        max_panels((problem.seq_q * problem.group() + kernel.panel_rows - 1) / kernel.panel_rows),
        slot_floats(max_panels * ((problem.head_dim + 3) / 4 * 4) * kernel.panel_rows),
        query_gradients(arena.take<float>(num_slots(problem, threads) * slot_floats)) {}
  Arena of_thread(int thread) const {
    return Arena(scratch + static_cast<size_t>(thread) * scratch_bytes);
  }

  Arena arena;
  size_t scratch_bytes;
  std::byte* scratch;
  float* lse;
  float* delta;
  int64_t max_panels;
  int64_t slot_floats;
  float* query_gradients;  // [slot][panel][head_dim, padded][panel_rows]
};

}  // namespace fa4::cpu
