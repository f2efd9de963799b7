// SPDX-License-Identifier: Apache-2.0
// fa4.hpp: the C++ face says the same as fa4.h.
#include <fa4/fa4.hpp>

#include "api/fixture.h"

namespace fa4::test {
namespace {

constexpr std::array<int64_t, 4> kShape{1, 3, 1, 2};

struct Memory {
  std::vector<float> q = std::vector<float>(6, 1), k = q, v{0, 1, 2, 3, 4, 5},
                     out = std::vector<float>(6);
  std::vector<float> lse = std::vector<float>(3), dq = out, dk = out, dv = out, dsink = {0};

  Problem problem() {
    return {
        .q = {q.data(), kShape}, .k = {k.data(), kShape}, .v = {v.data(), kShape}, .causal = true};
  }
  ForwardTensors forward() {
    return {.out = {out.data(), kShape}, .lse = TensorView(lse.data(), {1, 1, 3})};
  }
  BackwardTensors backward() {
    return {.dout = {q.data(), kShape},
            .out = {out.data(), kShape},
            .lse = {lse.data(), {1, 1, 3}},
            .dq = {dq.data(), kShape},
            .dk = {dk.data(), kShape},
            .dv = {dv.data(), kShape}};
  }
};

TEST(Face, PlansAndRuns) {
  Memory memory;
  const Problem problem = memory.problem();
  const Plan plan(problem, FA4_PASS_FORWARD);
  EXPECT_NE(plan.describe().find("\"backend\""), std::string::npos);
  EXPECT_EQ(plan.workspace_size(), fa4_plan_workspace_size(plan.get()));
  plan.forward(problem, memory.forward());
  EXPECT_EQ(memory.out, (std::vector<float>{0, 1, 1, 2, 2, 3}));
  EXPECT_NEAR(memory.lse[2], std::log(3.0) + std::sqrt(2.0), 1e-5);
  Plan(problem, FA4_PASS_BACKWARD).backward(problem, memory.backward());
  EXPECT_NEAR(memory.dv[0], 1 + 1 / 2.0 + 1 / 3.0, 1e-6);
  EXPECT_NEAR(memory.dv[5], 1 / 3.0, 1e-6);
}

TEST(Face, OneShot) {
  Memory planned, direct;
  Plan(planned.problem(), FA4_PASS_FORWARD).forward(planned.problem(), planned.forward());
  attention_forward(direct.problem(), direct.forward());
  EXPECT_EQ(direct.out, planned.out);
  attention_backward(direct.problem(), direct.backward());
  EXPECT_NEAR(direct.dv[5], 1 / 3.0, 1e-6);
}

TEST(Face, ErrorsCarryStatusAndSentence) {
  Memory memory;
  Problem problem = memory.problem();
  problem.softcap = -1;
  try {
    const Plan plan(problem, FA4_PASS_FORWARD);
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FA4_ERROR_INVALID_ARGUMENT);
    EXPECT_STREQ(error.what(), "softcap is -1; it must be 0 (none) or finite and positive");
  }
  EXPECT_THROW((void)reason_to_refuse(problem, FA4_PASS_FORWARD), Error);
}

TEST(Face, AReasonIsAnAnswer) {
  Memory memory;
  Problem problem = memory.problem();
  EXPECT_EQ(reason_to_refuse(problem, FA4_PASS_FORWARD), std::nullopt);
  problem.device = "tpu:0";
  EXPECT_NE(reason_to_refuse(problem, FA4_PASS_FORWARD).value_or("").find("device is \"tpu:0\""),
            std::string::npos);
}

TEST(Face, AViewCanBeOnADevice) {
  Memory memory;
  Problem problem = memory.problem();
  for (TensorView* view : {&problem.q, &problem.k, &problem.v}) *view = view->on({kDLCUDA, 3});
  problem.backend = "cpu";
  EXPECT_NE(reason_to_refuse(problem, FA4_PASS_FORWARD).value_or("").find("on CUDA device 3"),
            std::string::npos);
}

TEST(Face, EveryFieldReachesTheStruct) {
  Memory memory;
  float number = 0;
  int32_t integer = 0;
  const TensorView real(&number, {1}), whole(&integer, {1});
  const Problem problem{.q = {memory.q.data(), kShape},
                        .k = {memory.k.data(), kShape},
                        .v = {memory.v.data(), kShape},
                        .cu_seqlens_q = whole,
                        .cu_seqlens_k = whole,
                        .query_lengths = whole,
                        .key_lengths = whole,
                        .page_table = whole,
                        .sink = real,
                        .bias = real,
                        .q_scale = real,
                        .k_scale = real,
                        .v_scale = real,
                        .score_function = "score",
                        .mask_function = "mask",
                        .scale = 2,
                        .softcap = 3,
                        .window_left = 4,
                        .window_right = 5,
                        .causal = true,
                        .num_splits = 6,
                        .deterministic = true,
                        .batch_invariant = true,
                        .num_threads = 7,
                        .max_seq_q = 8,
                        .max_seq_k = 9,
                        .backend = "b",
                        .kernel = "k",
                        .device = "d"};
  const fa4_problem c = problem.c_struct();
  EXPECT_EQ(c.struct_size, sizeof(fa4_problem));
  for (const DLTensor* tensor :
       {c.cu_seqlens_q, c.cu_seqlens_k, c.query_lengths, c.key_lengths, c.page_table}) {
    EXPECT_EQ(tensor->data, &integer);
  }
  for (const DLTensor* tensor : {c.sink, c.bias, c.q_scale, c.k_scale, c.v_scale})
    EXPECT_EQ(tensor->data, &number);
  EXPECT_STREQ(c.score_function, "score");
  EXPECT_STREQ(c.mask_function, "mask");
  EXPECT_EQ(c.scale, 2);
  EXPECT_EQ(c.softcap, 3);
  EXPECT_EQ(c.window_left, 4);
  EXPECT_EQ(c.window_right, 5);
  EXPECT_EQ(c.causal, 1);
  EXPECT_EQ(c.num_splits, 6);
  EXPECT_EQ(c.deterministic, 1);
  EXPECT_EQ(c.batch_invariant, 1);
  EXPECT_EQ(c.num_threads, 7);
  EXPECT_EQ(c.reserved, 0);
  EXPECT_EQ(c.max_seq_q, 8);
  EXPECT_EQ(c.max_seq_k, 9);
  EXPECT_STREQ(c.backend, "b");
  EXPECT_STREQ(c.kernel, "k");
  EXPECT_STREQ(c.device, "d");
}

TEST(Face, DefaultsAreThoseOfInit) {
  Memory memory;
  fa4_problem expected;
  fa4_problem_init(&expected);
  fa4_problem actual = Problem{
      .q = {memory.q.data(), kShape},
      .k = {memory.k.data(), kShape},
      .v = {memory.v.data(),
            kShape}}.c_struct();
  EXPECT_TRUE(std::isnan(actual.scale));
  actual.scale = expected.scale = 0;
  actual.q = actual.k = actual.v = nullptr;
  EXPECT_EQ(std::memcmp(&actual, &expected, sizeof(actual)), 0);
}

TEST(Face, ViewsAreCopiedWithTheirShape) {
  float data[6] = {};
  TensorView copy(static_cast<const float*>(nullptr), {0});
  {
    const TensorView view(data, {2, 3}, {1, 2});
    copy = view;
  }
  EXPECT_EQ(copy.get()->data, data);
  EXPECT_EQ(copy.get()->ndim, 2);
  EXPECT_EQ(copy.get()->shape[1], 3);
  EXPECT_EQ(copy.get()->strides[1], 2);
  EXPECT_EQ(copy.get()->dtype.bits, 32);
  EXPECT_EQ(TensorView(data, {6}).get()->strides, nullptr);
  EXPECT_THROW(TensorView(data, {1, 1, 1, 1, 1, 1}), Error);
  EXPECT_THROW(TensorView(data, {1, 1}, {1}), Error);
}

TEST(Face, EveryElementTypeHasItsDtype) {
  EXPECT_EQ(DtypeOf<double>::value.bits, 64);
  EXPECT_EQ(DtypeOf<BFloat16>::value.code, kDLBfloat);
  EXPECT_EQ(DtypeOf<Float16>::value.code, kDLFloat);
  EXPECT_EQ(DtypeOf<Float16>::value.bits, 16);
  EXPECT_EQ(DtypeOf<int32_t>::value.code, kDLInt);
  EXPECT_EQ(sizeof(BFloat16), 2u);
}

TEST(Face, Combines) {
  std::vector<float> parts{1, 2, 3, 4}, lses{0, 0}, out(2), lse(1);
  combine({.out_partial = {parts.data(), {2, 1, 1, 2}},
           .lse_partial = {lses.data(), {2, 1, 1}},
           .out = {out.data(), {1, 1, 2}},
           .lse = TensorView(lse.data(), {1, 1})});
  EXPECT_EQ(out, (std::vector<float>{2, 3}));
  EXPECT_FLOAT_EQ(lse[0], std::log(2.0f));
}

TEST(Face, VersionAndInfo) {
  EXPECT_STREQ(version(), fa4_version());
  EXPECT_STREQ(info(), fa4_info());
}

}  // namespace
}  // namespace fa4::test
