// SPDX-License-Identifier: Apache-2.0
// Bits: the same for any number of threads and for every run, and a row's for any batch around it.
#include <vector>

#include "kernels.h"
#include "support/case.h"

namespace fa4::test {
namespace {

class CpuBits : public testing::TestWithParam<KernelAndDtype> {
 protected:
  Outputs run_case(const Case& c, Inputs& inputs) {
    Outputs outputs = run(c, inputs, "cpu", GetParam().kernel);
    EXPECT_EQ(outputs.failure, "");
    return outputs;
  }
};

void expect_equal_bits(const Outputs& a, const Outputs& b) {
  EXPECT_TRUE(bit_equal(a.out, b.out)) << "out";
  EXPECT_TRUE(bit_equal(a.lse, b.lse)) << "lse";
  EXPECT_TRUE(bit_equal(a.dq, b.dq)) << "dq";
  EXPECT_TRUE(bit_equal(a.dk, b.dk)) << "dk";
  EXPECT_TRUE(bit_equal(a.dv, b.dv)) << "dv";
}

TEST_P(CpuBits, DoNotDependOnTheNumberOfThreads) {
  const Dtype dtype = GetParam().dtype;
  const std::vector<Case> cases = {
      {.dtype = dtype, .heads = 4, .kv_heads = 2, .seq_q = 600, .seq_k = 700, .causal = true},
      {.dtype = dtype, .heads = 1, .kv_heads = 1, .seq_q = 3, .seq_k = 3000, .backward = false},
      {.dtype = dtype,
       .heads = 2,
       .kv_heads = 2,
       .seq_q = 1100,
       .seq_k = 1100,
       .window_left = 300,
       .window_right = 20},
      {.dtype = dtype,
       .batch = 5,
       .heads = 2,
       .kv_heads = 1,
       .seq_q = 300,
       .seq_k = 300,
       .head_dim = 40,
       .causal = true,
       .packed = true}};
  for (Case c : cases) {
    Inputs inputs = make_inputs(c);
    c.num_threads = 1;
    const Outputs expected = run_case(c, inputs);
    for (const int32_t threads : {1, 2, 3, 7}) {
      SCOPED_TRACE(name_of(c) + " threads " + std::to_string(threads));
      c.num_threads = threads;
      const Outputs outputs = run_case(c, inputs);
      expect_equal_bits(outputs, expected);
    }
  }
}

// Row by row: sequence 1 of a packed batch of three, and the same sequence alone.
TEST_P(CpuBits, OfARowDoNotDependOnTheRestOfTheBatch) {
  Case three{.dtype = GetParam().dtype,
             .batch = 3,
             .heads = 2,
             .kv_heads = 1,
             .seq_q = 700,
             .seq_k = 2600,
             .head_dim = 32,
             .causal = true,
             .backward = false,
             .packed = true,
             .lengths_q = {700, 150, 9},
             .lengths_k = {700, 2600, 2100},
             .batch_invariant = true};
  Inputs all = make_inputs(three);
  const Outputs expected = run_case(three, all);

  const auto first_q = static_cast<int64_t>(all.cu_seqlens_q.get(1));
  const auto first_k = static_cast<int64_t>(all.cu_seqlens_k.get(1));
  Case one = three;
  one.batch = 1;
  one.packed = false;
  one.lengths_q.clear();
  one.lengths_k.clear();
  one.seq_q = 150;
  Inputs alone = make_inputs(one);
  const auto copy_rows = [](const Tensor& from, int64_t first_row, Tensor* to) {
    const int64_t row = from.shape()[1] * from.shape()[2];
    for (int64_t i = 0; i < to->size(); ++i) to->set(i, from.get(first_row * row + i));
  };
  copy_rows(all.q, first_q, &alone.q);
  copy_rows(all.k, first_k, &alone.k);
  copy_rows(all.v, first_k, &alone.v);
  const Outputs outputs = run_case(one, alone);
  const int64_t row = one.heads * one.head_dim;
  for (int64_t i = 0; i < outputs.out.size(); ++i) {
    ASSERT_EQ(outputs.out.get(i), expected.out.get(first_q * row + i)) << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, CpuBits, testing::ValuesIn(kernels_here()), kernel_name);

}  // namespace
}  // namespace fa4::test
