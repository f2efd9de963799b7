// SPDX-License-Identifier: Apache-2.0
// fa4_combine: what the parts of the keys give, merged, is what all keys give.
#include <algorithm>

#include "api/fixture.h"

namespace fa4::test {
namespace {

// The keys 0..2 and 3..6 of Small, each attended to alone.
struct Parts {
  Parts() {
    const int64_t first[] = {0, 3}, count[] = {3, 4};
    for (size_t s = 0; s < 2; ++s) {
      Small part;
      part.k.shape[1] = part.v.shape[1] = count[s];
      part.k.dl.data = part.k.floats() + first[s] * part.k.strides[1];
      part.v.dl.data = part.v.floats() + first[s] * part.v.strides[1];
      EXPECT_TRUE(succeeded(part.run_forward()));
      std::copy_n(part.out.floats(), part.out.size(), out_partial.floats() + s * part.out.size());
      std::copy_n(part.lse.floats(), part.lse.size(), lse_partial.floats() + s * part.lse.size());
    }
    EXPECT_TRUE(succeeded(whole.run_forward()));
  }

  fa4_status run() { return fa4_combine(&tensors, nullptr); }

  Small whole;
  Array out_partial{kFloat32, {2, 2, 5, 4, 8}}, lse_partial{kFloat32, {2, 2, 4, 5}};
  Array out{kFloat32, {2, 5, 4, 8}}, lse{kFloat32, {2, 4, 5}};
  fa4_combine_tensors tensors{sizeof(tensors), &out_partial.dl, &lse_partial.dl, &out.dl, &lse.dl};
};

void expect_near(Array& actual, Array& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual.floats()[i], expected.floats()[i], 1e-6) << "element " << i;
  }
}

TEST(Combine, PartsMakeTheWhole) {
  Parts parts;
  ASSERT_TRUE(succeeded(parts.run()));
  expect_near(parts.out, parts.whole.out);
  expect_near(parts.lse, parts.whole.lse);
}

TEST(Combine, LseIsOptional) {
  Parts parts;
  parts.tensors.lse = nullptr;
  ASSERT_TRUE(succeeded(parts.run()));
  expect_near(parts.out, parts.whole.out);
}

TEST(Combine, StridesOfTheSplitsAreHonoured) {
  // [B,splits,Sq,H,Dv] in memory, seen as [splits,B,Sq,H,Dv].
  Parts parts;
  Array swapped(kFloat32, {2, 2, 5, 4, 8});
  constexpr size_t kBlock = 5 * 4 * 8;
  for (size_t s = 0; s < 2; ++s) {
    for (size_t b = 0; b < 2; ++b) {
      std::copy_n(parts.out_partial.floats() + (s * 2 + b) * kBlock, kBlock,
                  swapped.floats() + (b * 2 + s) * kBlock);
    }
  }
  std::swap(swapped.strides[0], swapped.strides[1]);
  parts.tensors.out_partial = &swapped.dl;
  ASSERT_TRUE(succeeded(parts.run()));
  expect_near(parts.out, parts.whole.out);
}

TEST(Combine, PackedHasNoBatch) {
  Array out_partial(kFloat32, {2, 3, 1, 2}), lse_partial(kFloat32, {2, 1, 3});
  Array out(kFloat32, {3, 1, 2}), lse(kFloat32, {1, 3});
  for (size_t i = 0; i < 12; ++i) out_partial.floats()[i] = static_cast<float>(i);
  const fa4_combine_tensors tensors{sizeof(tensors), &out_partial.dl, &lse_partial.dl, &out.dl,
                                    &lse.dl};
  ASSERT_TRUE(succeeded(fa4_combine(&tensors, nullptr)));  // equal weights: the mean of i and i + 6
  for (size_t i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(out.floats()[i], static_cast<float>(i) + 3);
  for (size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(lse.floats()[i], std::log(2.0f));
}

TEST(Combine, APartWithoutKeysHasNoSay) {
  Parts parts;
  std::fill_n(parts.lse_partial.floats(), 2 * 4 * 5, -INFINITY);  // of split 0
  std::fill_n(parts.out_partial.floats(), 2 * 5 * 4 * 8, NAN);
  ASSERT_TRUE(succeeded(parts.run()));
  for (size_t i = 0; i < parts.out.size(); ++i) {
    ASSERT_FLOAT_EQ(parts.out.floats()[i], parts.out_partial.floats()[parts.out.size() + i]);
  }
  std::fill_n(parts.lse_partial.floats(), parts.lse_partial.size(), -INFINITY);
  ASSERT_TRUE(succeeded(parts.run()));
  for (size_t i = 0; i < parts.out.size(); ++i) ASSERT_EQ(parts.out.floats()[i], 0);
  for (size_t i = 0; i < parts.lse.size(); ++i) ASSERT_EQ(parts.lse.floats()[i], -INFINITY);
}

TEST(Combine, SixteenBitPartsMayGiveFloat32) {
  Array out_partial(kBFloat16, {1, 1, 1, 1, 1}), lse_partial(kFloat32, {1, 1, 1, 1}),
      out(kFloat32, {1, 1, 1, 1});
  out_partial.integers()[0] = 0x3fc0;  // 1.5
  const fa4_combine_tensors tensors{sizeof(tensors), &out_partial.dl, &lse_partial.dl, &out.dl,
                                    nullptr};
  ASSERT_TRUE(succeeded(fa4_combine(&tensors, nullptr)));
  EXPECT_EQ(out.floats()[0], 1.5f);
}

TEST(Combine, RefusalsNameTheArgument) {
  struct Refusal {
    void (*bend)(Parts&);
    const char* sentence;
  };
  const Refusal refusals[] = {
      {[](Parts& p) { p.tensors.out_partial = nullptr; },
       "out_partial is null; it must be a tensor [splits,B,Sq,H,Dv]"},
      {[](Parts& p) { p.tensors.lse_partial = nullptr; },
       "lse_partial is null; it must be a tensor [splits,B,H,Sq]"},
      {[](Parts& p) { p.tensors.out = nullptr; }, "out is null; it must be a tensor [B,Sq,H,Dv]"},
      {[](Parts& p) { p.out_partial.dl.dtype = kFloat64; },
       "out_partial has dtype float64; it must be float32 or bfloat16 or float16"},
      {[](Parts& p) { p.lse_partial.dl.dtype = kBFloat16; },
       "lse_partial has dtype bfloat16; it must be float32"},
      {[](Parts& p) { p.out.dl.dtype = kBFloat16; }, "out has dtype bfloat16; it must be float32"},
      {[](Parts& p) { p.lse.dl.dtype = kFloat64; }, "lse has dtype float64; it must be float32"},
      {[](Parts& p) { p.out_partial.dl.ndim = 3; }, "out_partial has 3 dimensions; it must have 5"},
      {[](Parts& p) { p.out_partial.shape[0] = p.lse_partial.shape[0] = 0; },
       "out_partial has 0 splits; it must have at least 1"},
      {[](Parts& p) { p.lse_partial.shape[0] = 1; },
       "lse_partial has shape [1,2,4,5]; it must be [2,2,4,5], that is [splits,B,H,Sq]"},
      {[](Parts& p) { p.out.shape[1] = 4; },
       "out has shape [2,4,4,8]; it must be [2,5,4,8], that is [B,Sq,H,Dv]"},
      {[](Parts& p) { p.lse.shape[1] = 2; },
       "lse has shape [2,2,5]; it must be [2,4,5], that is [B,H,Sq]"},
      {[](Parts& p) {
         p.out.dl.device = {kDLCUDA, 0};
       },
       "out is on CUDA device 0, but out_partial is on host memory"},
      {[](Parts& p) { p.out.dl.data = p.out_partial.dl.data; },
       "out overlaps out_partial in memory"},
      {[](Parts& p) { p.lse.dl.data = p.out.dl.data; }, "lse overlaps out in memory"},
      {[](Parts& p) { p.out.strides[1] = 0; }, "elements of out overlap each other in memory"},
  };
  for (const Refusal& refusal : refusals) {
    Parts parts;
    refusal.bend(parts);
    EXPECT_TRUE(refused(parts.run(), FA4_ERROR_INVALID_ARGUMENT, refusal.sentence));
    EXPECT_TRUE(std::all_of(parts.out.storage.begin(), parts.out.storage.end(),
                            [](double x) { return x == 0; }));
  }
}

}  // namespace
}  // namespace fa4::test
