// SPDX-License-Identifier: Apache-2.0
// The tensors of a case: where its sequences lie, and what stands in their rows.
#include <algorithm>
#include <functional>
#include <numeric>

#include "support/case.h"
#include "support/random.h"

namespace fa4::test {
namespace {

// One side, query or key, of all sequences: row i of sequence b is row begin[b] + i of the tensor.
struct Side {
  std::vector<int64_t> begin, length;
  int64_t rows = 0;
};

int64_t draw_length(int64_t longest, Random* random) {
  switch (random->between(0, 3)) {
    case 0:
      return 0;
    case 1:
      return longest;
    default:
      return random->between(0, longest);
  }
}

std::vector<int64_t> draw_lengths(const std::vector<int64_t>& longest, Random* random) {
  std::vector<int64_t> lengths;
  for (const int64_t length : longest) lengths.push_back(draw_length(length, random));
  return lengths;
}

Tensor int32_tensor(const std::vector<int64_t>& values) {
  Tensor tensor(Dtype::Int32, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) {
    tensor.set(static_cast<int64_t>(i), static_cast<double>(values[i]));
  }
  return tensor;
}

constexpr int64_t kRowsBefore = 1, kRowsAfter = 2;  // of a packed tensor, in no sequence

Side make_side(const Case& c, bool packed, int64_t seq, const std::vector<int64_t>& given,
               bool has_lengths, Random* random, Tensor* cu_seqlens, Tensor* lengths) {
  const std::vector<int64_t> full(c.batch, seq);
  Side side;
  side.length = full;
  side.begin.resize(c.batch);
  side.rows = c.batch * seq;
  for (int64_t b = 0; b < c.batch; ++b) side.begin[b] = b * seq;
  if (packed) {
    side.length = given.empty() ? draw_lengths(full, random) : given;
    std::vector<int64_t> cumulative{kRowsBefore};
    for (int64_t b = 0; b < c.batch; ++b) {
      side.begin[b] = cumulative.back();
      cumulative.push_back(cumulative.back() + side.length[b]);
    }
    side.rows = cumulative.back() + kRowsAfter;
    *cu_seqlens = int32_tensor(cumulative);
  }
  if (has_lengths) {
    const bool drawn = packed || given.empty();
    side.length = drawn ? draw_lengths(side.length, random) : given;
    *lengths = int32_tensor(side.length);
  }
  return side;
}

std::vector<int64_t> positions(const Side& side) {
  std::vector<int64_t> position(side.rows, -1);
  for (size_t b = 0; b < side.length.size(); ++b) {
    for (int64_t i = 0; i < side.length[b]; ++i) position[side.begin[b] + i] = i;
  }
  return position;
}

std::vector<int64_t> count_visible(const Case& c, const Side& q, const Side& k) {
  std::vector<int64_t> counts(q.rows, 0);
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t i = 0; i < q.length[b]; ++i) {
      const int64_t diagonal = i + k.length[b] - q.length[b];
      const int64_t right = c.causal ? 0 : c.window_right;
      const int64_t first = c.window_left < 0 ? 0 : std::max<int64_t>(0, diagonal - c.window_left);
      const int64_t last =
          right < 0 ? k.length[b] - 1 : std::min(k.length[b] - 1, diagonal + right);
      counts[q.begin[b] + i] = std::max<int64_t>(0, last - first + 1);
    }
  }
  return counts;
}

// Moves the rows of dense keys to pages in a shuffled order; two pages are nobody's.
void make_pages(const Case& c, const Side& k, Random* random, Inputs* inputs) {
  const int64_t columns = (c.seq_k + c.page_size - 1) / c.page_size;
  const int64_t num_pages = c.batch * columns + 2;
  std::vector<int64_t> pages(num_pages);
  std::iota(pages.begin(), pages.end(), 0);
  for (int64_t i = num_pages - 1; i > 0; --i) std::swap(pages[i], pages[random->between(0, i)]);

  inputs->page_table = Tensor(Dtype::Int32, {c.batch, columns});
  inputs->k_position.assign(num_pages * c.page_size, -1);
  inputs->k_row_of_dense.assign(c.batch * c.seq_k, -1);
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t j = 0; j < k.length[b]; ++j) {
      const int64_t entry = b * columns + j / c.page_size;
      const int64_t row = pages[entry] * c.page_size + j % c.page_size;
      inputs->page_table.set(entry, static_cast<double>(pages[entry]));
      inputs->k_position[row] = j;
      inputs->k_row_of_dense[b * c.seq_k + j] = row;
    }
  }
}

using Generator = std::function<double(int64_t position, int64_t dim)>;

// Sets the rows that have a position; the others stay poisoned.
void fill_rows(Tensor* tensor, const std::vector<int64_t>& position, const Generator& generate) {
  const int64_t dims = tensor->shape().back();
  const int64_t heads = tensor->shape()[tensor->shape().size() - 2];
  for (size_t row = 0; row < position.size(); ++row) {
    if (position[row] < 0) continue;
    for (int64_t e = 0; e < heads * dims; ++e) {
      tensor->set(static_cast<int64_t>(row) * heads * dims + e, generate(position[row], e % dims));
    }
  }
}

double smallest_normal(Dtype dtype) { return dtype == Dtype::Float16 ? 0x1p-14 : 0x1p-126; }

enum class Role { Query, Key, Value };

Generator generator_of(const Case& c, Role role, Random* random) {
  const auto normal = [random](int64_t, int64_t) { return random->normal(); };
  const auto sometimes = [random](double special) {
    return random->between(0, 1) ? special : random->normal();
  };
  const double head_dim = static_cast<double>(c.head_dim);
  const double seq_k = static_cast<double>(std::max<int64_t>(c.seq_k, 1));
  const bool falls = c.input == Input::FallingMaxima;
  switch (c.input) {
    case Input::Random:
      return normal;
    case Input::RisingMaxima:  // scores rise by about 100 over the sequence, through dim 0
    case Input::FallingMaxima:
      if (role == Role::Query) {
        return [=](int64_t, int64_t d) { return d == 0 ? 1.0 : normal(0, 0); };
      }
      if (role == Role::Value) return normal;
      return [=](int64_t j, int64_t d) {
        const double at = static_cast<double>(j), steps = falls ? seq_k - 1 - at : at;
        return d == 0 ? 100 * std::sqrt(head_dim) * steps / seq_k : normal(0, 0);
      };
    case Input::HugeLogits:
      if (role == Role::Value) return normal;
      return [=](int64_t, int64_t) { return 8 * normal(0, 0); };
    case Input::OneHot:
      if (role == Role::Value) return normal;
      return [=](int64_t i, int64_t d) { return d == i % c.head_dim ? 30.0 : 0.0; };
    case Input::EqualRows:
      return [](int64_t, int64_t d) { return 1 - 0.125 * static_cast<double>(d % 11); };
    case Input::NegativeZero:
      return [=](int64_t, int64_t) { return sometimes(-0.0); };
    case Input::Denormals:
      return [=](int64_t, int64_t) {
        return sometimes(smallest_normal(c.dtype) * (random->uniform() - 0.5));
      };
  }
  return normal;
}

}  // namespace

std::vector<int64_t> lse_shape(const Case& c, const Inputs& inputs) {
  const auto rows = static_cast<int64_t>(inputs.q_position.size());
  if (c.packed) return {c.heads, rows};
  return {c.batch, c.heads, c.seq_q};
}

Inputs make_inputs(const Case& c) {
  Random random(c.seed);
  Inputs inputs;
  const int64_t value_dim = c.value_dim ? c.value_dim : c.head_dim;
  const Side q = make_side(c, c.packed, c.seq_q, c.lengths_q, c.query_lengths, &random,
                           &inputs.cu_seqlens_q, &inputs.query_lengths);
  const bool paged = c.page_size > 0;
  const Side k = make_side(c, c.packed && !paged, c.seq_k, c.lengths_k, c.key_lengths || paged,
                           &random, &inputs.cu_seqlens_k, &inputs.key_lengths);
  inputs.q_position = positions(q);
  inputs.k_position = positions(k);
  inputs.sees_keys = count_visible(c, q, k);
  if (paged) make_pages(c, k, &random, &inputs);

  const auto rows_tensor = [&](const Side& side, int64_t seq, int64_t heads, int64_t dim) {
    return c.packed ? Tensor(c.dtype, {side.rows, heads, dim}, c.layout)
                    : Tensor(c.dtype, {c.batch, seq, heads, dim}, c.layout);
  };
  inputs.q = rows_tensor(q, c.seq_q, c.heads, c.head_dim);
  inputs.dout = rows_tensor(q, c.seq_q, c.heads, value_dim);
  if (paged) {
    const int64_t num_pages = static_cast<int64_t>(inputs.k_position.size()) / c.page_size;
    inputs.k = Tensor(c.dtype, {num_pages, c.page_size, c.kv_heads, c.head_dim}, c.layout);
    inputs.v = Tensor(c.dtype, {num_pages, c.page_size, c.kv_heads, value_dim}, c.layout);
  } else {
    inputs.k = rows_tensor(k, c.seq_k, c.kv_heads, c.head_dim);
    inputs.v = rows_tensor(k, c.seq_k, c.kv_heads, value_dim);
  }
  fill_rows(&inputs.q, inputs.q_position, generator_of(c, Role::Query, &random));
  fill_rows(&inputs.k, inputs.k_position, generator_of(c, Role::Key, &random));
  fill_rows(&inputs.v, inputs.k_position, generator_of(c, Role::Value, &random));
  const auto normal = [&random](int64_t, int64_t) { return random.normal(); };
  fill_rows(&inputs.dout, inputs.q_position, normal);

  if (c.sink) {
    inputs.sink = Tensor(lse_dtype(c.dtype), {c.heads});
    for (int64_t h = 0; h < c.heads; ++h) inputs.sink.set(h, 2 * random.normal());
  }
  if (c.dlse) {  // [B,H,Sq] or [H,total_q]
    const int64_t batches = c.packed ? 1 : c.batch, rows = c.packed ? q.rows : c.seq_q;
    inputs.dlse = Tensor(lse_dtype(c.dtype), lse_shape(c, inputs));
    for (int64_t e = 0; e < batches * c.heads * rows; ++e) {
      const int64_t row = e / (c.heads * rows) * rows + e % rows;
      if (inputs.q_position[row] >= 0) inputs.dlse.set(e, random.normal());
    }
  }
  return inputs;
}

fa4_problem make_problem(const Case& c, Inputs& inputs) {
  fa4_problem problem;
  fa4_problem_init(&problem);
  problem.q = inputs.q.dl();
  problem.k = inputs.k.dl();
  problem.v = inputs.v.dl();
  problem.cu_seqlens_q = inputs.cu_seqlens_q.dl();
  problem.cu_seqlens_k = inputs.cu_seqlens_k.dl();
  problem.query_lengths = inputs.query_lengths.dl();
  problem.key_lengths = inputs.key_lengths.dl();
  problem.page_table = inputs.page_table.dl();
  problem.sink = inputs.sink.dl();
  problem.scale = c.scale;
  problem.softcap = c.softcap;
  problem.window_left = c.window_left;
  problem.window_right = c.window_right;
  problem.causal = c.causal ? 1 : 0;
  problem.num_threads = c.num_threads;
  problem.num_splits = c.num_splits;
  problem.deterministic = c.deterministic ? 1 : 0;
  problem.batch_invariant = c.batch_invariant ? 1 : 0;
  return problem;
}

}  // namespace fa4::test
