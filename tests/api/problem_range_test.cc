// SPDX-License-Identifier: Apache-2.0
// How far problems may go: sizes and types that some backends do not serve, and odd values that all do.
#include "api/fixture.h"

namespace fa4::test {
namespace {

// Sizes that 64-bit arithmetic in a backend could not hold; strides of 0 make them addressable.
struct HugeShape {
  int64_t batch, seq_q, heads, seq_k;
  const char* sentence;
};

void set_broadcast(Array& array, int64_t batch, int64_t rows, int64_t heads) {
  array.reshape({batch, rows, heads, array.shape[3]});
  array.strides = {0, 0, 0, 1};
  array.dl.strides = array.strides.data();
}

TEST(HugeProblem, IsRefusedWhereArithmeticWouldOverflow) {
  const HugeShape shapes[] = {
      {1, int64_t{1} << 40, 1, 1, "Sq is 1099511627776; at most 4294967295 is served"},
      {1, 1, 1, int64_t{1} << 40, "Sk is 1099511627776; at most 4294967295 is served"},
      {int64_t{1} << 40, 1, 1, 1, "B is 1099511627776; at most 4294967295 is served"},
      {1, 1, int64_t{1} << 40, 1, "H is 1099511627776; at most 4294967295 is served"},
      {1 << 24, 1 << 20, 1, 1, "B, Sq, H and D of q multiply to more than 2^46 elements"},
      {1 << 30, 0, 1 << 20, 1, "B, Sq, H and D of q multiply to more than 2^46 elements"},
      {1 << 28, 1, 1, 1 << 29, "B, Sk, Hk and D of k multiply to more than 2^58 elements"},
  };
  for (const HugeShape& shape : shapes) {
    Small small;
    set_broadcast(small.q, shape.batch, shape.seq_q, shape.heads);
    set_broadcast(small.k, shape.batch, shape.seq_k, 1);
    set_broadcast(small.v, shape.batch, shape.seq_k, 1);
    EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED,
                        shape.sentence));
  }
}

TEST(HugeProblem, PagesAreCounted) {
  Small small;
  set_broadcast(small.k, 2, 1 << 30, 1);
  set_broadcast(small.v, 2, 1 << 30, 1);
  Array table(kInt32, {2, 4});
  small.problem.page_table = &table.dl;
  EXPECT_TRUE(
      refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED,
              "page_table has 4 columns of 1073741824 rows each; a sequence may have at most"));
}

TEST(ProblemRange, Float64NeedsTheReferenceByName) {
  Small small(kFloat64);
  const fa4_status status = fa4_supports(&small.problem, FA4_PASS_FORWARD);
  EXPECT_TRUE(refused(status, FA4_ERROR_UNSUPPORTED,
                      "no kernel serves this forward problem: gpu/sm100, gpu/sm80: "));
  EXPECT_TRUE(refused(
      status, FA4_ERROR_UNSUPPORTED,
      "reference/double: it serves this problem, but is a judge, chosen only by name (backend \"reference\")"));
  small.problem.backend = "reference";
  EXPECT_TRUE(succeeded(fa4_supports(&small.problem, FA4_PASS_FORWARD)));
  small.problem.backend = "cpu";
  EXPECT_TRUE(
      refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED, "float64"));
  small.problem.backend = "plain";
  EXPECT_TRUE(
      refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED, "float64"));
}

TEST(ProblemRange, HeadDimBeyondTheCpuBackendIsForTheReference) {
  Array q(kFloat32, {1, 2, 1, 513}), k(kFloat32, {1, 2, 1, 513}), v(kFloat32, {1, 2, 1, 513});
  fa4_problem problem;
  fa4_problem_init(&problem);
  problem.q = &q.dl, problem.k = &k.dl, problem.v = &v.dl;
  problem.backend = "cpu";
  EXPECT_TRUE(refused(fa4_supports(&problem, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED, "513"));
  problem.backend = "reference";
  EXPECT_TRUE(succeeded(fa4_supports(&problem, FA4_PASS_FORWARD)));
}

TEST(ProblemRange, OddButLegalValuesAreServed) {
  void (*bends[])(Small&) = {
      [](Small& s) { s.problem.scale = 0; },
      [](Small& s) { s.problem.scale = -2; },
      [](Small& s) { s.problem.window_left = s.problem.window_right = INT64_MAX; },
      [](Small& s) { s.problem.causal = 1, s.problem.window_right = 0; },
      [](Small& s) {
        s.problem.device = "cpu", s.problem.backend = "auto", s.problem.kernel = "auto";
      },
      [](Small& s) { s.q.dl.strides = nullptr; },
      [](Small& s) { s.q.dl.device.device_type = kDLCUDAHost; },
      [](Small& s) { s.q.strides[0] = s.q.strides[1] = 0; },
      [](Small& s) { s.sink.strides[0] = 0, s.problem.sink = &s.sink.dl; },
      [](Small& s) { s.q.dl.data = nullptr; },  // a plan reads no data
      [](Small& s) { s.q.shape[1] = 0; },
      [](Small& s) { s.k.shape[1] = s.v.shape[1] = 0; },
      [](Small& s) { s.q.shape[0] = s.k.shape[0] = s.v.shape[0] = 0; },
      [](Small& s) { s.q.shape[3] = s.k.shape[3] = 1, s.q.strides[3] = -5; },
  };
  for (const auto& bend : bends) {
    Small small;
    bend(small);
    EXPECT_TRUE(succeeded(fa4_supports(&small.problem, FA4_PASS_FORWARD))) << &bend - bends;
    EXPECT_TRUE(succeeded(fa4_supports(&small.problem, FA4_PASS_BACKWARD))) << &bend - bends;
  }
}

}  // namespace
}  // namespace fa4::test
