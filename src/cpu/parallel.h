// SPDX-License-Identifier: Apache-2.0
// The parallel loop of this backend.
#pragma once

#include <omp.h>

#include <atomic>
#include <cstdint>

namespace fa4::cpu {

// Runs body(task, thread) for tasks 0 to count - 1, claimed in that order.
template <class Body>
void parallel_tasks(int64_t count, int32_t threads, const Body& body) {
  std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    for (int64_t task = next.fetch_add(1); task < count; task = next.fetch_add(1))
      body(task, thread);
  }
}

}  // namespace fa4::cpu
