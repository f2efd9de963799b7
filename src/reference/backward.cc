// SPDX-License-Identifier: Apache-2.0
// dq, dk, dv and dsink from dout, dlse and what the forward gave, in the order of the formula. One
// thread owns a key/value head of a sequence and adds its rows up in order. Tested in tests/unit.
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
struct TaskScratch {
  Real* key_columns;    // [head_dim, k_length]
  Real* value_columns;  // [value_dim, k_length]
  Real* keys;           // [k_length, head_dim]
  Real* dkeys;          // [k_length, head_dim]
  Real* dvalues;        // [k_length, value_dim]
  Real* query;
  Real* dquery;
  Real* out;
  Real* dout;
  Real* scores;  // of one query row; then the gradient dS
  Real* probabilities;
  Real* dprobabilities;

  TaskScratch(const Problem& problem, Arena* arena)
      : key_columns(arena->take<Real>(problem.seq_k * problem.head_dim)),
        value_columns(arena->take<Real>(problem.seq_k * problem.value_dim)),
        keys(arena->take<Real>(problem.seq_k * problem.head_dim)),
        dkeys(arena->take<Real>(problem.seq_k * problem.head_dim)),
        dvalues(arena->take<Real>(problem.seq_k * problem.value_dim)),
        query(arena->take<Real>(problem.head_dim)),
        dquery(arena->take<Real>(problem.head_dim)),
        out(arena->take<Real>(problem.value_dim)),
        dout(arena->take<Real>(problem.value_dim)),
        scores(arena->take<Real>(problem.seq_k)),
        probabilities(arena->take<Real>(problem.seq_k)),
        dprobabilities(arena->take<Real>(problem.seq_k)) {}
};

template <class Real>
struct BackwardScratch {
  std::vector<TaskScratch<Real>> tasks;
  Real* dsink;  // [batch, heads]

  BackwardScratch(const Problem& problem, int threads, Arena* arena) {
    for (int i = 0; i < threads; ++i) tasks.emplace_back(problem, arena);
    dsink = arena->take<Real>(problem.batch * problem.heads);
  }
};

void clear_rows(const RowsView& view, int64_t batches, int64_t rows, int64_t heads, int64_t dim) {
  for (int64_t b = 0; b < batches; ++b) fa4::clear_rows(view, b, 0, rows, heads, dim);
}

// What a row gets that takes part in nothing.
void clear(const Problem& problem, const BackwardTensors& tensors) {
  const int64_t q_batches = problem.packed_q ? 1 : problem.batch;
  const int64_t q_rows = problem.packed_q ? problem.total_q : problem.seq_q;
  const int64_t k_batches = problem.packed_k ? 1 : problem.batch;
  const int64_t k_rows = problem.packed_k ? problem.total_k : problem.seq_k;
  clear_rows(tensors.dq, q_batches, q_rows, problem.heads, problem.head_dim);
  clear_rows(tensors.dk, k_batches, k_rows, problem.kv_heads, problem.head_dim);
  clear_rows(tensors.dv, k_batches, k_rows, problem.kv_heads, problem.value_dim);
}

// dS, in place of the scores: P * (dP - D), times the derivative of the softcap, times the scale.
template <class Number, class Real = typename Number::Real>
void score_gradient(const Problem& problem, KeyRange range, Real row_delta,
                    const TaskScratch<Real>& task) {
  const Real scale = static_cast<Real>(problem.scale);
  const Real softcap = static_cast<Real>(problem.softcap);
  for (int64_t j = range.begin; j < range.end; ++j) {
    Real gradient = Number::round(task.probabilities[j] * (task.dprobabilities[j] - row_delta));
    if (softcap > 0) {
      const Real tanh = task.scores[j] / softcap;
      gradient = Number::round(gradient * (1 - tanh * tanh));
    }
    task.scores[j] = Number::round(scale * gradient);
  }
}

// Adds what row `i` of the sequence, for one query head, gives to dkeys and dvalues, and stores its dq.
// The result is what it gives to dsink.
template <class Number, class Real = typename Number::Real>
Real backward_row(const Problem& problem, const Sequence& sequence, int64_t i, int64_t head,
                  const BackwardTensors& tensors, const TaskScratch<Real>& task) {
  const int64_t head_dim = problem.head_dim;
  const int64_t value_dim = problem.value_dim;
  const int64_t length = sequence.k_length;
  const KeyRange range = visible_keys(problem, sequence, i);
  const int64_t batch = sequence.q_batch;
  const int64_t q_row = sequence.q_begin + i;

  load_row(problem.q.at(batch, q_row, head), problem.q.dtype, head_dim, task.query);
  load_row(tensors.out.at(batch, q_row, head), tensors.out.dtype, value_dim, task.out);
  load_row(tensors.dout.at(batch, q_row, head), tensors.dout.dtype, value_dim, task.dout);
  const auto lse =
      static_cast<Real>(load_element(tensors.lse.at(batch, head, q_row), tensors.lse.dtype));
  Real row_delta = reversed_dot(task.dout, task.out, value_dim);
  if (tensors.has_dlse) {
    row_delta -=
        static_cast<Real>(load_element(tensors.dlse.at(batch, head, q_row), tensors.dlse.dtype));
  }

  score_row<Number>(problem, task.query, task.key_columns, length, range, task.scores);
  for (int64_t j = range.begin; j < range.end; ++j) {
    task.probabilities[j] = Number::round(std::exp(task.scores[j] - lse));
  }
  multiply_columns<Number>(task.dout, task.value_columns, value_dim, length, range,
                           task.dprobabilities);
  score_gradient<Number>(problem, range, row_delta, task);

  std::fill_n(task.dquery, head_dim, Real(0));
  for (int64_t j = range.begin; j < range.end; ++j) {
    add_scaled(task.probabilities[j], task.dout, value_dim, task.dvalues + j * value_dim);
    add_scaled(task.scores[j], task.query, head_dim, task.dkeys + j * head_dim);
    add_scaled(task.scores[j], task.keys + j * head_dim, head_dim, task.dquery);
  }
  store_row(task.dquery, head_dim, tensors.dq.dtype, tensors.dq.at(batch, q_row, head));

  if (!problem.has_sink) return 0;
  const auto sink = static_cast<Real>(problem.sink.real(head));
  if (sink == -std::numeric_limits<Real>::infinity()) return 0;  // as if there were none
  return -std::exp(sink - lse) * row_delta;
}

template <class Number, class Real = typename Number::Real>
void backward_task(const Problem& problem, int64_t batch, int64_t kv_head,
                   const BackwardTensors& tensors, const TaskScratch<Real>& task, Real* dsink) {
  const int64_t head_dim = problem.head_dim;
  const int64_t value_dim = problem.value_dim;
  const Sequence sequence = sequence_of(problem, batch);
  load_columns(problem, problem.k, batch, sequence, kv_head, head_dim, task.key_columns);
  load_columns(problem, problem.v, batch, sequence, kv_head, value_dim, task.value_columns);
  load_rows(problem, problem.k, batch, sequence, kv_head, head_dim, task.keys);
  std::fill_n(task.dkeys, sequence.k_length * head_dim, Real(0));
  std::fill_n(task.dvalues, sequence.k_length * value_dim, Real(0));

  for (int64_t g = 0; g < problem.group(); ++g) {
    const int64_t head = kv_head * problem.group() + g;
    Real sum = 0;
    for (int64_t i = 0; i < sequence.q_length; ++i) {
      sum += backward_row<Number>(problem, sequence, i, head, tensors, task);
    }
    dsink[batch * problem.heads + head] = sum;
  }

  for (int64_t j = 0; j < sequence.k_length; ++j) {
    store_row(task.dkeys + j * head_dim, head_dim, tensors.dk.dtype,
              key_row(problem, tensors.dk, batch, sequence, j, kv_head));
    store_row(task.dvalues + j * value_dim, value_dim, tensors.dv.dtype,
              key_row(problem, tensors.dv, batch, sequence, j, kv_head));
  }
}

int task_threads(const Problem& problem, int threads) {
  return static_cast<int>(std::clamp<int64_t>(num_tasks(problem), 1, threads));
}

}  // namespace

template <class Number>
size_t backward_workspace_bytes(const Problem& problem, int threads) {
  Arena arena(nullptr);
  BackwardScratch<typename Number::Real>(problem, task_threads(problem, threads), &arena);
  return arena.used();
}

template <class Number>
void backward(const Problem& problem, const BackwardTensors& tensors, int num_threads,
              void* workspace) {
  clear(problem, tensors);
  const int threads = task_threads(problem, num_threads);
  Arena arena(workspace);
  const BackwardScratch<typename Number::Real> scratch(problem, threads, &arena);

#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (int64_t t = 0; t < num_tasks(problem); ++t) {
    backward_task<Number>(problem, t / problem.kv_heads, t % problem.kv_heads, tensors,
                          scratch.tasks[omp_get_thread_num()], scratch.dsink);
  }

  for (int64_t h = 0; tensors.has_dsink && h < problem.heads; ++h) {
    typename Number::Real sum = 0;
    for (int64_t b = 0; b < problem.batch; ++b) sum += scratch.dsink[b * problem.heads + h];
    store_element(tensors.dsink.at(h), tensors.dsink.dtype, static_cast<double>(sum));
  }
}

#define FA4_INSTANTIATE(Number)                                                  \
  template size_t backward_workspace_bytes<Number>(const Problem&, int threads); \
  template void backward<Number>(const Problem&, const BackwardTensors&, int, void*);
FA4_INSTANTIATE(Exact)
FA4_INSTANTIATE(Rounded<Dtype::Float32>)
FA4_INSTANTIATE(Rounded<Dtype::BFloat16>)
FA4_INSTANTIATE(Rounded<Dtype::Float16>)
#undef FA4_INSTANTIATE

}  // namespace fa4::reference
