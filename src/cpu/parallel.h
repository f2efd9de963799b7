// SPDX-License-Identifier: Apache-2.0
// The parallel loop of this backend.
#pragma once

#include <omp.h>

#include <atomic>
#include <cstdint>

namespace fa4::cpu {

// Runs body(task, thread) for tasks 0 to count - 1, claimed in that order. A single task is run here: waking a
// thread takes longer than a small task. Otherwise always `threads`, since GNU's OpenMP ends the threads that
// a smaller team leaves out, and the next call would start them anew.
template <class Body>
void parallel_tasks(int64_t count, int32_t threads, const Body& body) {
  if (count <= 1 || threads <= 1) {
    for (int64_t task = 0; task < count; ++task) body(task, 0);
    return;
  }
  std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    for (int64_t task = next.fetch_add(1); task < count; task = next.fetch_add(1))
      body(task, thread);
  }
}

}  // namespace fa4::cpu
