// SPDX-License-Identifier: Apache-2.0
// Tasks: every row meets every key once, longest first, within the bounds that the workspace was made for.
#include "cpu/schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

namespace fa4::cpu {
namespace {

Problem dense(int64_t batch, int64_t heads, int64_t kv_heads, int64_t seq_q, int64_t seq_k) {
  Problem p;
  p.batch = batch;
  p.heads = heads;
  p.kv_heads = kv_heads;
  p.seq_q = seq_q;
  p.seq_k = seq_k;
  p.total_q = batch * seq_q;
  p.total_k = batch * seq_k;
  p.head_dim = p.value_dim = 64;
  return p;
}

struct Shape {
  int64_t batch, heads, kv_heads, seq_q, seq_k;
  int32_t num_splits;
};
const Shape kShapes[] = {{1, 8, 8, 512, 512, 0}, {2, 8, 2, 1, 4096, 0},   {1, 4, 4, 16, 513, 0},
                         {1, 1, 1, 17, 2049, 0}, {3, 2, 1, 100, 9000, 0}, {1, 32, 8, 4096, 4096, 0},
                         {1, 2, 2, 64, 4000, 5}, {1, 1, 1, 2, 100, 1000}, {2, 3, 3, 300, 0, 0}};

TEST(ForwardSchedule, CoversEveryRowAndKeyOnce) {
  for (const Shape& s : kShapes) {
    Problem p = dense(s.batch, s.heads, s.kv_heads, s.seq_q, s.seq_k);
    p.num_splits = s.num_splits;
    for (const int64_t panel_rows : {4, 12, 24, 64}) {
      const ForwardSchedule schedule = schedule_forward(p, panel_rows);
      std::map<std::pair<int64_t, int64_t>, int64_t> pairs;  // of a group
      for (const ForwardTask& task : schedule.tasks) {
        pairs[{task.batch, task.kv_head}] +=
            (task.row_end - task.row_begin) * (task.key_end - task.key_begin);
      }
      for (const auto& [group, count] : pairs) EXPECT_EQ(count, s.seq_q * p.group() * s.seq_k);
      EXPECT_EQ(static_cast<int64_t>(pairs.size()), s.batch * s.kv_heads);
    }
  }
}

TEST(ForwardSchedule, StaysWithinItsBounds) {
  for (const Shape& s : kShapes) {
    Problem bound = dense(s.batch, s.heads, s.kv_heads, s.seq_q, s.seq_k);
    bound.num_splits = s.num_splits;
    // Any shorter lengths must fit as well: the workspace is made before they are known.
    for (const int64_t rows : {s.seq_q, std::min<int64_t>(s.seq_q, 16), int64_t{1}}) {
      std::vector<int32_t> lengths(static_cast<size_t>(s.batch), static_cast<int32_t>(rows));
      Problem p = bound;
      p.has_query_lengths = true;
      p.query_lengths.data = lengths.data();
      EXPECT_LE(schedule_forward(p, 64).num_partials, max_partials(bound));
    }
    const auto tasks = static_cast<int64_t>(schedule_forward(bound, 64).tasks.size());
    EXPECT_LE(tasks, max_forward_tasks(bound, 64));
  }
}

// Six keys in five splits are three of two keys, but five keys are five of one.
TEST(ForwardSchedule, StaysWithinItsBoundsWhenAShorterSequenceHasMoreSplits) {
  for (const int32_t num_splits : {1, 2, 3, 5, 8, 100}) {
    for (const int64_t seq_q : {1, 16, 40, 300}) {
      for (const int64_t seq_k : {1, 6, 7, 513, 1100, 5000}) {
        Problem bound = dense(1, 2, 1, seq_q, seq_k);
        bound.num_splits = num_splits;
        for (int64_t length = 0; length <= seq_k; length += seq_k > 1000 ? 37 : 1) {
          int32_t key_length = static_cast<int32_t>(length);
          Problem p = bound;
          p.has_key_lengths = true;
          p.key_lengths.data = &key_length;
          ASSERT_LE(schedule_forward(p, 64).num_partials, max_partials(bound))
              << num_splits << " splits, " << seq_q << " rows, " << length << " of " << seq_k;
        }
      }
    }
  }
}

TEST(ForwardSchedule, StartsWithTheLongestTask) {
  Problem p = dense(1, 4, 4, 2048, 2048);
  p.window_right = 0;
  const ForwardSchedule schedule = schedule_forward(p, 64);
  for (size_t i = 1; i < schedule.tasks.size(); ++i) {
    EXPECT_GE(schedule.tasks[i - 1].cost, schedule.tasks[i].cost);
  }
  EXPECT_EQ(schedule.tasks.front().row_end, 2048);
}

TEST(BackwardSchedule, MakesChunksSmallerWhenTasksAreFew) {
  EXPECT_EQ(backward_chunk_keys(dense(8, 16, 16, 4096, 4096)), 512);
  EXPECT_EQ(backward_chunk_keys(dense(1, 1, 1, 4096, 4096)), kBackwardKeys);
}

TEST(BackwardSchedule, NumbersTheRowsOfAllGroupsWithoutGaps) {
  const std::vector<Group> groups = backward_groups(dense(3, 8, 2, 10, 20));
  int64_t rows = 0;
  for (const Group& group : groups) rows += group.num_rows;
  EXPECT_EQ(rows, 3 * 8 * 10);
  EXPECT_EQ(groups.size(), 6u);
}

TEST(UnusedRows, AreThoseBetweenTheSequences) {
  const std::vector<int32_t> cu_seqlens = {2, 5, 5, 9};
  const std::vector<int32_t> lengths = {3, 0, 1};
  Problem p = dense(3, 1, 1, 4, 4);
  p.packed_q = true;
  p.total_q = 11;
  p.cu_seqlens_q.data = const_cast<int32_t*>(cu_seqlens.data());
  p.has_query_lengths = true;
  p.query_lengths.data = const_cast<int32_t*>(lengths.data());
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (const UnusedRows& rows : unused_query_rows(p)) ranges.emplace_back(rows.begin, rows.end);
  EXPECT_EQ(ranges, (std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {6, 9}, {9, 11}}));
}

}  // namespace
}  // namespace fa4::cpu
