// SPDX-License-Identifier: Apache-2.0
// Outputs that lie between inputs in memory are fine as long as no element is shared.
#include <algorithm>
#include <iterator>
#include <random>

#include "api/fixture.h"

namespace fa4::test {
namespace {

// q, k, v as slices of one [B,S,3,H,D] buffer, and the gradients of another.
struct Interleaved {
  static constexpr int64_t kBatch = 2, kRows = 6, kHeads = 2, kDim = 8;

  explicit Interleaved(Array& buffer, int64_t slot)
      : array(kFloat32, {kBatch, kRows, kHeads, kDim}) {
    array.strides = {kRows * 3 * kHeads * kDim, 3 * kHeads * kDim, kDim, 1};
    array.dl.strides = array.strides.data();
    array.dl.data = buffer.floats() + slot * kHeads * kDim;
  }

  Array array;
};

std::vector<int64_t> buffer_shape(int64_t slots) {
  return {Interleaved::kBatch, Interleaved::kRows, slots, Interleaved::kHeads, Interleaved::kDim};
}

struct Packed {
  Packed() {
    fill(inputs, 1);
    fill(dout, 2);
    fa4_problem_init(&problem);
    problem.q = &q.array.dl, problem.k = &k.array.dl, problem.v = &v.array.dl;
  }

  Array inputs{kFloat32, buffer_shape(3)}, gradients{kFloat32, buffer_shape(3)};
  Interleaved q{inputs, 0}, k{inputs, 1}, v{inputs, 2};
  Interleaved dq{gradients, 0}, dk{gradients, 1}, dv{gradients, 2};
  Array out{kFloat32, q.array.shape}, dout{kFloat32, q.array.shape};
  Array lse{kFloat32, {Interleaved::kBatch, Interleaved::kHeads, Interleaved::kRows}};
  fa4_problem problem;
  fa4_forward_tensors forward{sizeof(forward), &out.dl, &lse.dl};
  fa4_backward_tensors backward{sizeof(backward), &dout.dl,     &out.dl,      &lse.dl, nullptr,
                                &dq.array.dl,     &dk.array.dl, &dv.array.dl, nullptr};
};

TEST(Overlap, InterleavedViewsAreServed) {
  Packed packed;
  EXPECT_TRUE(succeeded(fa4_attention_forward(&packed.problem, &packed.forward, nullptr)));
  EXPECT_TRUE(succeeded(fa4_attention_backward(&packed.problem, &packed.backward, nullptr)));
  for (size_t i = 0; i < packed.gradients.size(); ++i) {
    EXPECT_NE(packed.gradients.floats()[i], 0) << "element " << i << " was not written";
  }
}

TEST(Overlap, OutMayLieBetweenTheInputs) {
  // One more slot in each row of the buffer: out goes where neither q, k nor v is.
  Packed packed;
  Array buffer(kFloat32, buffer_shape(4));
  fill(buffer, 3);
  Array* const views[] = {&packed.q.array, &packed.k.array, &packed.v.array, &packed.out};
  for (int64_t slot = 0; slot < 4; ++slot) {
    views[slot]->strides = {6 * 4 * 16, 4 * 16, 8, 1};
    views[slot]->dl.data = buffer.floats() + slot * 16;
  }
  EXPECT_TRUE(succeeded(fa4_attention_forward(&packed.problem, &packed.forward, nullptr)));
  packed.out.dl.data = buffer.floats() + 3 * 16 - 1;  // the last element of a row of v
  EXPECT_TRUE(refused(fa4_attention_forward(&packed.problem, &packed.forward, nullptr),
                      FA4_ERROR_INVALID_ARGUMENT, "out overlaps v in memory"));
  packed.out.dl.data = buffer.floats() + 16;
  EXPECT_TRUE(refused(fa4_attention_forward(&packed.problem, &packed.forward, nullptr),
                      FA4_ERROR_INVALID_ARGUMENT, "out overlaps k in memory"));
}

TEST(Overlap, OneSharedElementIsSeen) {
  // dk is shifted by one row of heads: its last head in the last row is dv's first.
  Packed packed;
  packed.dk.array.dl.data = packed.gradients.floats() + 16 + 1;
  EXPECT_TRUE(refused(fa4_attention_backward(&packed.problem, &packed.backward, nullptr),
                      FA4_ERROR_INVALID_ARGUMENT, "dv overlaps dk in memory"));
}

TEST(Overlap, NeighboursInOneBufferAreServed) {
  Small small;
  Array buffer(kFloat32, {static_cast<int64_t>(small.q.size() + small.out.size())});
  fill(buffer, 1);
  small.q.dl.data = buffer.floats();
  small.out.dl.data = buffer.floats() + small.q.size();
  EXPECT_TRUE(succeeded(small.run_forward()));
  small.out.dl.data = buffer.floats() + small.q.size() - 1;
  EXPECT_TRUE(refused(small.run_forward(), FA4_ERROR_INVALID_ARGUMENT, "out overlaps q in memory"));
}

TEST(Overlap, InputsMayShareMemory) {
  Packed packed;
  packed.problem.k = packed.problem.v = packed.problem.q;
  EXPECT_TRUE(succeeded(fa4_attention_forward(&packed.problem, &packed.forward, nullptr)));
}

TEST(Overlap, TransposedOutputsAreServed) {
  Small small;
  small.out.strides = {5 * 4 * 8, 8, 5 * 8, 1};  // [B,H,S,D] in memory
  EXPECT_TRUE(succeeded(small.run_forward()));
}

TEST(Overlap, EmptyTensorsOverlapNothing) {
  Small small;
  small.q.shape[1] = small.out.shape[1] = small.lse.shape[2] = 0;
  small.out.dl.data = small.q.dl.data;
  EXPECT_TRUE(succeeded(small.run_forward()));
}

// The offsets of all elements, in ascending order.
std::vector<int64_t> offsets_of(const Array& array, int64_t origin) {
  std::vector<int64_t> offsets{origin};
  for (size_t d = 0; d < array.shape.size(); ++d) {
    std::vector<int64_t> next;
    for (const int64_t offset : offsets) {
      for (int64_t i = 0; i < array.shape[d]; ++i) next.push_back(offset + i * array.strides[d]);
    }
    offsets = std::move(next);
  }
  std::sort(offsets.begin(), offsets.end());
  return offsets;
}

TEST(Overlap, IsDecidedExactly) {
  std::minstd_rand random(7);
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  int shared = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    const int64_t batch = draw(1, 2), rows = draw(1, 3), heads = draw(1, 3);
    Array q(kFloat32, {batch, rows, heads, draw(1, 3)}),
        out(kFloat32, {batch, rows, heads, draw(1, 3)});
    Array k(kFloat32, {batch, 1, 1, q.shape[3]}), v(kFloat32, {batch, 1, 1, out.shape[3]});
    for (size_t d = 0; d < 3; ++d) q.strides[d] = draw(0, 15);
    int64_t stride = out.shape[3] + draw(0, 6);
    for (const size_t d : {2, 1, 0}) {
      out.strides[d] = stride;
      stride = stride * out.shape[d] + draw(0, 6);
    }
    Array memory(kFloat32, {400});
    const int64_t q_origin = draw(0, 60), out_origin = draw(0, 60);
    q.dl.data = memory.floats() + q_origin, out.dl.data = memory.floats() + out_origin;
    std::vector<int64_t> common;
    const auto q_offsets = offsets_of(q, q_origin), out_offsets = offsets_of(out, out_origin);
    std::set_intersection(q_offsets.begin(), q_offsets.end(), out_offsets.begin(),
                          out_offsets.end(), std::back_inserter(common));
    fa4_problem problem;
    fa4_problem_init(&problem);
    problem.q = &q.dl, problem.k = &k.dl, problem.v = &v.dl, problem.num_threads = 1;
    const fa4_forward_tensors results{sizeof(results), &out.dl, nullptr};
    const fa4_status status = fa4_attention_forward(&problem, &results, nullptr);
    ASSERT_EQ(status, common.empty() ? FA4_OK : FA4_ERROR_INVALID_ARGUMENT) << "trial " << trial;
    shared += !common.empty();
  }
  EXPECT_GT(shared, kTrials / 10);
  EXPECT_LT(shared, kTrials * 9 / 10);
}

TEST(Overlap, WorkspaceIsMemoryOfItsOwn) {
  Small small;
  fa4_plan* plan = nullptr;
  small.problem.backend = "reference";
  ASSERT_TRUE(succeeded(fa4_plan_create(&small.problem, FA4_PASS_FORWARD, &plan)));
  const size_t size = fa4_plan_workspace_size(plan);
  ASSERT_GT(size, 0u);
  std::vector<char> memory(size + small.q.size() * sizeof(float) + 512);
  char* const aligned = memory.data() + (256 - reinterpret_cast<uintptr_t>(memory.data()) % 256);
  EXPECT_TRUE(succeeded(fa4_forward(plan, &small.problem, &small.forward, aligned, size, nullptr)));
  std::memcpy(aligned + (size - 4) / 4 * 4, small.q.dl.data, small.q.size() * sizeof(float));
  small.q.dl.data = aligned + (size - 4) / 4 * 4;
  EXPECT_TRUE(refused(fa4_forward(plan, &small.problem, &small.forward, aligned, size, nullptr),
                      FA4_ERROR_INVALID_ARGUMENT, "the workspace overlaps q in memory"));
  fa4_plan_destroy(plan);
}

}  // namespace
}  // namespace fa4::test
