// SPDX-License-Identifier: Apache-2.0
#include "core/problem.h"

#include <cstring>

namespace fa4 {

std::string text_of(const Place& place) {
  switch (place.kind) {
    case Place::Kind::Host:
      return "host memory";
    case Place::Kind::Cuda:
      return fmt::format("CUDA device {}", place.index);
    case Place::Kind::Model:
      return place.arch + ", which is not here";
  }
  return "";
}

std::string name_of(const Place& place) {
  switch (place.kind) {
    case Place::Kind::Host:
      return "cpu";
    case Place::Kind::Cuda:
      return fmt::format("cuda:{}", place.index);
    case Place::Kind::Model:
      return place.arch;
  }
  return "";
}

namespace {

struct Span {
  int64_t begin, length;
};

// One side (query or key) of a sequence.
Status find_span(const VectorView& cu_seqlens, bool packed, const VectorView& lengths,
                 bool has_lengths, const char* side, int64_t batch, int64_t bound, int64_t total,
                 Span* span) {
  *span = {0, bound};
  if (packed) {
    const int64_t begin = cu_seqlens.integer(batch);
    const int64_t end = cu_seqlens.integer(batch + 1);
    const char letter = side[0] == 'q' ? 'q' : 'k';
    if (begin < 0 || end < begin || end > total) {
      return invalid_argument(
          "cu_seqlens_{}[{}..{}] is {}, {}; it must not decrease and must stay within 0 and {}, "
          "the rows of the packed tensor",
          letter, batch, batch + 1, begin, end, total);
    }
    if (end - begin > bound) {
      return invalid_argument("sequence {} has {} {} rows, more than max_seq_{} = {}", batch,
                              end - begin, side, letter, bound);
    }
    *span = {begin, end - begin};
  }
  if (has_lengths) {
    const int64_t length = lengths.integer(batch);
    if (length < 0 || length > span->length) {
      return invalid_argument(
          "{}_lengths[{}] is {}; it must lie between 0 and {}, the length of the sequence", side,
          batch, length, span->length);
    }
    span->length = length;
  }
  return {};
}

Status find_lengths(const Problem& problem, int64_t batch, Sequence* sequence) {
  Span q, k;
  FA4_RETURN_IF_ERROR(find_span(problem.cu_seqlens_q, problem.packed_q, problem.query_lengths,
                                problem.has_query_lengths, "query", batch, problem.seq_q,
                                problem.total_q, &q));
  FA4_RETURN_IF_ERROR(find_span(problem.cu_seqlens_k, problem.packed_k, problem.key_lengths,
                                problem.has_key_lengths, "key", batch, problem.seq_k,
                                problem.total_k, &k));
  *sequence = {.q_batch = problem.packed_q ? 0 : batch,
               .q_begin = q.begin,
               .q_length = q.length,
               .k_batch = problem.packed_k ? 0 : batch,
               .k_begin = k.begin,
               .k_length = k.length};
  return {};
}

Status check_pages(const Problem& problem, int64_t batch, int64_t k_length) {
  for (int64_t column = 0; column * problem.page_size < k_length; ++column) {
    const int64_t page = problem.page_table.integer(batch * problem.page_table_stride + column);
    if (page < 0 || page >= problem.num_pages) {
      return invalid_argument(
          "page_table[{}, {}] is {}; it must lie between 0 and {}, the last page of k", batch,
          column, page, problem.num_pages - 1);
    }
  }
  return {};
}

}  // namespace

Status find_sequence(const Problem& problem, int64_t batch, Sequence* sequence) {
  FA4_RETURN_IF_ERROR(find_lengths(problem, batch, sequence));
  return problem.paged ? check_pages(problem, batch, sequence->k_length) : Status{};
}

Status check_sequences(const Problem& problem) {
  Sequence sequence;
  for (int64_t b = 0; b < problem.batch; ++b) {
    FA4_RETURN_IF_ERROR(find_sequence(problem, b, &sequence));
  }
  return {};
}

Sequence sequence_of(const Problem& problem, int64_t batch) {
  Sequence sequence;
  (void)find_lengths(problem, batch, &sequence);
  return sequence;
}

void clear_rows(const RowsView& view, int64_t batch, int64_t begin, int64_t end, int64_t heads,
                int64_t dim) {
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t head = 0; head < heads; ++head) {
      std::memset(view.at(batch, row, head), 0, static_cast<size_t>(dim * size_of(view.dtype)));
    }
  }
}

namespace {

__extension__ using Wide = __int128;  // pairs of a problem with 2^32 rows on each side fit

// sum over x from 0 to n-1 of min(x, most), for n of any sign
Wide clipped_triangle(Wide n, Wide most) {
  if (n <= 0) return 0;
  if (n <= most + 1) return n * (n - 1) / 2;
  return most * (most + 1) / 2 + (n - 1 - most) * most;
}

// sum over i from 0 to rows-1 of clamp(i + shift, 0, most)
Wide clipped_sum(Wide shift, Wide rows, Wide most) {
  return clipped_triangle(shift + rows, most) - clipped_triangle(shift, most);
}

// Pairs of one head and one sequence: query i sees clamp(end_i) - clamp(begin_i) keys, both of which move
// by one key per query.
double visible_pairs_of_one(const Problem& problem) {
  const Wide rows = problem.seq_q, keys = problem.seq_k;
  Wide pairs = rows * keys;
  if (problem.window_right != kOpen) {
    pairs = clipped_sum(keys - rows + problem.window_right + 1, rows, keys);
  }
  if (problem.window_left != kOpen)
    pairs -= clipped_sum(keys - rows - problem.window_left, rows, keys);
  return static_cast<double>(pairs);
}

// How many sequences of the greatest length the rows of a packed tensor can hold.
double full_sequences(const Problem& problem) {
  auto count = static_cast<double>(problem.batch);
  if (problem.packed_q && problem.seq_q > 0) {
    count =
        std::min(count, static_cast<double>(problem.total_q) / static_cast<double>(problem.seq_q));
  }
  if (problem.packed_k && problem.seq_k > 0) {
    count =
        std::min(count, static_cast<double>(problem.total_k) / static_cast<double>(problem.seq_k));
  }
  return count;
}

}  // namespace

double visible_pairs(const Problem& problem) {
  return visible_pairs_of_one(problem) * full_sequences(problem) *
         static_cast<double>(problem.heads);
}

}  // namespace fa4
