// SPDX-License-Identifier: Apache-2.0
// The Hopper GEMM, as PTX.
#include "emu/gemm.h"

#include <gtest/gtest.h>

namespace fa4::emu {
namespace {

TEST(Sm90Gemm, CompilesForEveryCluster) {
  FA4_NEEDS_GEMM_COMPILER();
  for (const test::GemmKernel& kernel : test::gemm_kernels()) {
    const std::string ptx = test::gemm_ptx(kernel);
    EXPECT_EQ(ptx.find(".reqnctapercluster") != std::string::npos, kernel.config.cluster() > 1);
  }
}

}  // namespace
}  // namespace fa4::emu
