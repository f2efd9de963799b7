// SPDX-License-Identifier: Apache-2.0
// out and lse, one query row at a time, in the order of the formula. Tested in tests/unit.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/loops.h"
#include "reference/scalar.h"
#include "reference/scores.h"
#include "reference/scratch.h"

namespace fa4::reference {
namespace {

template <class Real>
struct KeyScratch {
  Real* key_columns;  // [head_dim, k_length]
  Real* values;       // [k_length, value_dim]

  KeyScratch(const Problem& problem, Arena* arena)
      : key_columns(arena->take<Real>(problem.seq_k * problem.head_dim)),
        values(arena->take<Real>(problem.seq_k * problem.value_dim)) {}
};

template <class Real>
struct RowScratch {
  Real* query;
  Real* scores;  // then probabilities
  Real* out;

  RowScratch(const Problem& problem, Arena* arena)
      : query(arena->take<Real>(problem.head_dim)),
        scores(arena->take<Real>(problem.seq_k)),
        out(arena->take<Real>(problem.value_dim)) {}
};

template <class Real>
struct ForwardScratch {
  std::vector<KeyScratch<Real>> tasks;
  std::vector<RowScratch<Real>> rows;

  ForwardScratch(const Problem& problem, const Threads& threads, Arena* arena) {
    for (int i = 0; i < threads.tasks; ++i) tasks.emplace_back(problem, arena);
    for (int i = 0; i < threads.tasks * threads.rows; ++i) rows.emplace_back(problem, arena);
  }
};

// What every row gets that nothing else is said of: out 0, lse -inf.
void clear(const Problem& problem, const ForwardTensors& tensors) {
  const int64_t batches = problem.packed_q ? 1 : problem.batch;
  const int64_t rows = problem.packed_q ? problem.total_q : problem.seq_q;
  for (int64_t b = 0; b < batches; ++b) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t h = 0; h < problem.heads; ++h) {
        std::memset(tensors.out.at(b, i, h), 0, problem.value_dim * size_of(tensors.out.dtype));
        if (tensors.has_lse) {
          store_element(tensors.lse.at(b, h, i), tensors.lse.dtype,
                        -std::numeric_limits<double>::infinity());
        }
      }
    }
  }
}

// Turns scores into probabilities; the result is the logarithm of the denominator.
template <class Number, class Real = typename Number::Real>
Real softmax(KeyRange range, Real sink, Real* scores) {
  if (range.begin == range.end) return sink;
  Real row_max = sink;
  for (int64_t j = range.begin; j < range.end; ++j) row_max = std::max(row_max, scores[j]);

  Real row_sum = std::exp(sink - row_max);
  for (int64_t j = range.begin; j < range.end; ++j) {
    scores[j] = std::exp(scores[j] - row_max);
    row_sum += scores[j];
  }
  for (int64_t j = range.begin; j < range.end; ++j) scores[j] = Number::round(scores[j] / row_sum);
  return row_max + std::log(row_sum);
}

// Row `i` of the sequence, for one query head.
template <class Number, class Real = typename Number::Real>
void forward_row(const Problem& problem, const Sequence& sequence, int64_t i, int64_t head,
                 const KeyScratch<Real>& task, const RowScratch<Real>& row,
                 const ForwardTensors& tensors) {
  const KeyRange range = visible_keys(problem, sequence, i);
  const int64_t q_row = sequence.q_begin + i;
  load_row(problem.q.at(sequence.q_batch, q_row, head), problem.q.dtype, problem.head_dim,
           row.query);
  score_row<Number>(problem, row.query, task.key_columns, sequence.k_length, range, row.scores);

  const Real sink = problem.has_sink ? static_cast<Real>(problem.sink.real(head))
                                     : -std::numeric_limits<Real>::infinity();
  const Real lse = softmax<Number>(range, sink, row.scores);

  std::fill_n(row.out, problem.value_dim, Real(0));
  for (int64_t j = range.begin; j < range.end; ++j) {
    add_scaled(row.scores[j], task.values + j * problem.value_dim, problem.value_dim, row.out);
  }
  store_row(row.out, problem.value_dim, tensors.out.dtype,
            tensors.out.at(sequence.q_batch, q_row, head));
  if (tensors.has_lse) {
    store_element(tensors.lse.at(sequence.q_batch, head, q_row), tensors.lse.dtype,
                  static_cast<double>(lse));
  }
}

}  // namespace

template <class Number>
size_t forward_workspace_bytes(const Problem& problem, int threads) {
  Arena arena(nullptr);
  ForwardScratch<typename Number::Real>(problem, Threads(num_tasks(problem), threads), &arena);
  return arena.used();
}

template <class Number>
void forward(const Problem& problem, const ForwardTensors& tensors, int num_threads,
             void* workspace) {
  clear(problem, tensors);
  const Threads threads(num_tasks(problem), num_threads);
  Arena arena(workspace);
  const ForwardScratch<typename Number::Real> scratch(problem, threads, &arena);

#pragma omp parallel for num_threads(threads.tasks) schedule(dynamic)
  for (int64_t t = 0; t < num_tasks(problem); ++t) {
    const int64_t batch = t / problem.kv_heads;
    const int64_t kv_head = t % problem.kv_heads;
    const Sequence sequence = sequence_of(problem, batch);
    const int task_thread = omp_get_thread_num();
    const auto& task = scratch.tasks[task_thread];
    load_columns(problem, problem.k, batch, sequence, kv_head, problem.head_dim, task.key_columns);
    load_rows(problem, problem.v, batch, sequence, kv_head, problem.value_dim, task.values);

    const int64_t num_rows = problem.group() * sequence.q_length;
#pragma omp parallel for num_threads(threads.rows) schedule(dynamic, 16)
    for (int64_t r = 0; r < num_rows; ++r) {
      const auto& row = scratch.rows[task_thread * threads.rows + omp_get_thread_num()];
      const int64_t head = kv_head * problem.group() + r / sequence.q_length;
      forward_row<Number>(problem, sequence, r % sequence.q_length, head, task, row, tensors);
    }
  }
}

#define FA4_INSTANTIATE(Number)                                                 \
  template size_t forward_workspace_bytes<Number>(const Problem&, int threads); \
  template void forward<Number>(const Problem&, const ForwardTensors&, int, void*);
FA4_INSTANTIATE(Exact)
FA4_INSTANTIATE(Rounded<Dtype::Float32>)
FA4_INSTANTIATE(Rounded<Dtype::BFloat16>)
FA4_INSTANTIATE(Rounded<Dtype::Float16>)
#undef FA4_INSTANTIATE

}  // namespace fa4::reference
