// SPDX-License-Identifier: Apache-2.0
// Where the loops keep rows: slices of the caller's workspace, a set per thread. The same constructors
// count the bytes (over no memory) when a plan is made and hand out the slices when it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/problem.h"

namespace fa4::reference {

class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* take(int64_t count) {
    const size_t offset = used_;
    used_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return base_ ? reinterpret_cast<T*>(base_ + offset) : nullptr;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

// How threads share the work. A task is a key/value head of a sequence; when there are fewer tasks than
// threads, the forward's threads share the query rows of one task instead.
struct Threads {
  int tasks;  // threads over tasks
  int rows;   // threads over the rows of a task; one of the two is 1

  Threads(int64_t num_tasks, int threads)
      : tasks(num_tasks >= threads ? threads : 1), rows(num_tasks >= threads ? 1 : threads) {}
};

inline int64_t num_tasks(const Problem& problem) { return problem.batch * problem.kv_heads; }

}  // namespace fa4::reference
