// SPDX-License-Identifier: Apache-2.0
// Core's problem: where sequences lie, which keys a row sees, and what bad lengths are told.
#include "core/problem.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace fa4 {
namespace {

VectorView int32_view(std::vector<int32_t>& values) {
  return {.data = values.data(), .dtype = Dtype::Int32};
}

Problem dense(int64_t batch, int64_t seq_q, int64_t seq_k) {
  Problem problem;
  problem.batch = batch;
  problem.heads = problem.kv_heads = problem.head_dim = problem.value_dim = 1;
  problem.seq_q = seq_q;
  problem.seq_k = seq_k;
  problem.total_q = batch * seq_q;
  problem.total_k = batch * seq_k;
  return problem;
}

TEST(Sequence, DenseIsTheBatchIndex) {
  const Sequence sequence = sequence_of(dense(3, 5, 7), 2);
  EXPECT_EQ(sequence.q_batch, 2);
  EXPECT_EQ(sequence.q_begin, 0);
  EXPECT_EQ(sequence.q_length, 5);
  EXPECT_EQ(sequence.k_batch, 2);
  EXPECT_EQ(sequence.k_length, 7);
}

TEST(Sequence, LengthsShorten) {
  std::vector<int32_t> q_lengths{5, 0}, k_lengths{2, 7};
  Problem problem = dense(2, 5, 7);
  problem.has_query_lengths = problem.has_key_lengths = true;
  problem.query_lengths = int32_view(q_lengths);
  problem.key_lengths = int32_view(k_lengths);
  ASSERT_TRUE(check_sequences(problem).ok());
  EXPECT_EQ(sequence_of(problem, 0).q_length, 5);
  EXPECT_EQ(sequence_of(problem, 0).k_length, 2);
  EXPECT_EQ(sequence_of(problem, 1).q_length, 0);
  k_lengths[1] = 8;
  EXPECT_EQ(check_sequences(problem).message,
            "key_lengths[1] is 8; it must lie between 0 and 7, the length of the sequence");
  k_lengths[1] = 0;
  q_lengths[0] = -1;
  EXPECT_EQ(check_sequences(problem).message,
            "query_lengths[0] is -1; it must lie between 0 and 5, the length of the sequence");
}

TEST(Sequence, PackedIsASpanOfRows) {
  std::vector<int32_t> q_starts{1, 4, 4}, k_starts{0, 2, 6};
  Problem problem = dense(2, 3, 4);
  problem.packed_q = problem.packed_k = true;
  problem.cu_seqlens_q = int32_view(q_starts);
  problem.cu_seqlens_k = int32_view(k_starts);
  problem.total_q = 5;
  problem.total_k = 6;
  ASSERT_TRUE(check_sequences(problem).ok());
  const Sequence first = sequence_of(problem, 0), second = sequence_of(problem, 1);
  EXPECT_EQ(first.q_batch, 0);
  EXPECT_EQ(first.q_begin, 1);
  EXPECT_EQ(first.q_length, 3);
  EXPECT_EQ(second.q_length, 0);
  EXPECT_EQ(second.k_batch, 0);
  EXPECT_EQ(second.k_begin, 2);
  EXPECT_EQ(second.k_length, 4);

  k_starts[2] = 7;
  EXPECT_EQ(
      check_sequences(problem).message,
      "cu_seqlens_k[1..2] is 2, 7; it must not decrease and must stay within 0 and 6, the rows of "
      "the packed tensor");
  k_starts = {0, 2, 1};
  EXPECT_EQ(check_sequences(problem).code, FA4_ERROR_INVALID_ARGUMENT);
  k_starts = {-1, 2, 6};
  EXPECT_EQ(check_sequences(problem).code, FA4_ERROR_INVALID_ARGUMENT);
  k_starts = {0, 5, 6};
  EXPECT_EQ(check_sequences(problem).message, "sequence 0 has 5 key rows, more than max_seq_k = 4");
}

TEST(Sequence, PagesAreCheckedAsFarAsTheLengthReaches) {
  std::vector<int32_t> table{2, 0, 99, 1, 99, 99}, lengths{5, 4};
  Problem problem = dense(2, 1, 12);
  problem.paged = problem.has_key_lengths = true;
  problem.page_table = int32_view(table);
  problem.page_table_stride = problem.page_table_columns = 3;
  problem.page_size = 4;
  problem.num_pages = 3;
  problem.key_lengths = int32_view(lengths);
  problem.k.row_stride = 1;
  problem.k.batch_stride = 4;
  std::array<float, 12> rows{};
  problem.k.data = rows.data();
  ASSERT_TRUE(check_sequences(problem).ok());
  const auto row = [&](int64_t batch, int64_t key) {
    char* address = key_row(problem, problem.k, batch, sequence_of(problem, batch), key, 0);
    return reinterpret_cast<float*>(address) - rows.data();
  };
  EXPECT_EQ(row(0, 0), 8);
  EXPECT_EQ(row(0, 3), 11);
  EXPECT_EQ(row(0, 4), 0);
  EXPECT_EQ(row(1, 2), 6);
  lengths[1] = 5;
  EXPECT_EQ(check_sequences(problem).message,
            "page_table[1, 1] is 99; it must lie between 0 and 2, the last page of k");
}

// The definition, key by key: i+Sk-Sq-left <= j <= i+Sk-Sq+right.
TEST(VisibleKeys, AreThoseOfTheDefinition) {
  for (const int64_t seq_q : {0, 1, 3, 8}) {
    for (const int64_t seq_k : {0, 1, 4, 9}) {
      for (const int64_t left : {-1, 0, 1, 5, 100}) {
        for (const int64_t right : {-1, 0, 2, 100}) {
          Problem problem = dense(1, seq_q, seq_k);
          problem.window_left = left;
          problem.window_right = right;
          const Sequence sequence = sequence_of(problem, 0);
          for (int64_t i = 0; i < seq_q; ++i) {
            const KeyRange range = visible_keys(problem, sequence, i);
            ASSERT_LE(range.begin, range.end);
            for (int64_t j = -2; j < seq_k + 2; ++j) {
              const int64_t diagonal = i + seq_k - seq_q;
              const bool visible = j >= 0 && j < seq_k && (left < 0 || j >= diagonal - left) &&
                                   (right < 0 || j <= diagonal + right);
              ASSERT_EQ(visible, j >= range.begin && j < range.end)
                  << seq_q << " " << seq_k << " " << left << " " << right << " " << i << " " << j;
            }
          }
        }
      }
    }
  }
}

TEST(VisiblePairs, AreCounted) {
  Problem problem = dense(2, 3, 5);
  problem.heads = 4;
  EXPECT_EQ(visible_pairs(problem), 8 * 15);
  problem.window_right = 0;  // 3 + 4 + 5
  EXPECT_EQ(visible_pairs(problem), 8 * 12);
  problem.window_left = 1;  // 2 + 2 + 2
  EXPECT_EQ(visible_pairs(problem), 8 * 6);
}

}  // namespace
}  // namespace fa4
