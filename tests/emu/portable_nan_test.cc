// SPDX-License-Identifier: Apache-2.0
// NaN and Inf in a query of the portable kernels stay in its rows: prefill, decoding, and decoding with the keys split.
#include <gtest/gtest.h>

#include <cmath>

#include "emu/gemm.h"
#include "support/case.h"

namespace fa4::test {
namespace {

TEST(PortableNan, OfAQueryStaysInItsRow) {
  FA4_NEEDS_GEMM_COMPILER();
  struct Shape {
    int64_t seq_q, seq_k;
    int32_t num_splits;
  };
  for (const auto& [seq_q, seq_k, num_splits] :
       {Shape{40, 90, 1}, Shape{1, 300, 1}, Shape{1, 300, 3}}) {
    const Case c{.dtype = Dtype::BFloat16,
                 .heads = 4,
                 .kv_heads = 2,
                 .seq_q = seq_q,
                 .seq_k = seq_k,
                 .head_dim = 64,
                 .backward = false,
                 .num_splits = num_splits};
    Inputs inputs = make_inputs(c);
    const Outputs before = run(c, inputs, "emulated:sm_80", "sm80");
    ASSERT_EQ(before.failure, "");
    for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
      for (int64_t d = 0; d < c.head_dim; ++d) inputs.q.set(d, bad);
      const Outputs outputs = run(c, inputs, "emulated:sm_80", "sm80");
      ASSERT_EQ(outputs.failure, "");
      for (int64_t i = 0; i < outputs.out.size(); ++i) {
        const double value = outputs.out.get(i);
        if (i < c.head_dim) {
          ASSERT_TRUE(std::isnan(value))
              << seq_q << " queries, " << num_splits << " splits, " << bad;
        } else {
          ASSERT_EQ(value, before.out.get(i)) << "element " << i;
        }
      }
      EXPECT_TRUE(std::isnan(outputs.lse.get(0)))
          << seq_q << " queries, " << num_splits << " splits";
    }
  }
}

}  // namespace
}  // namespace fa4::test
