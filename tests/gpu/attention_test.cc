// SPDX-License-Identifier: Apache-2.0
// The API on a GPU: streams, contexts, graphs, repeats, devices. That results are right is judged by `fa4 verify`.
#include <nlohmann/json.hpp>
#include <thread>

#include "gpu/fixture.h"

namespace fa4::test {
namespace {

using Json = nlohmann::json;

void run_both(const Attention& a, const Prepared& forward, const Prepared& backward, void* stream) {
  FA4_OK_OR_FAIL(
      fa4_forward(forward.plan, &a.problem, &a.forward, forward.workspace, forward.size, stream));
  FA4_OK_OR_FAIL(fa4_backward(backward.plan, &a.problem, &a.backward, backward.workspace,
                              backward.size, stream));
}

TEST(Gpu, AutoTakesItForTensorsThatAreThere) {
  FA4_NEEDS_GPU();
  const Attention a;
  const Prepared plan(a.problem, FA4_PASS_FORWARD);
  const Json facts = Json::parse(fa4_plan_describe(plan.plan));
  EXPECT_EQ(facts["backend"], "gpu");
  EXPECT_EQ(facts["device"], "cuda:0");
  EXPECT_GT(facts["kernels"][0]["registers"], 0);
}

TEST(Gpu, OneShotAndPlanGiveTheSameBits) {
  FA4_NEEDS_GPU();
  const Attention a;
  const Prepared forward(a.problem, FA4_PASS_FORWARD), backward(a.problem, FA4_PASS_BACKWARD);
  run_both(a, forward, backward, nullptr);
  const auto planned = a.results();
  a.poison();
  FA4_OK_OR_FAIL(fa4_attention_forward(&a.problem, &a.forward, nullptr));
  FA4_OK_OR_FAIL(fa4_attention_backward(&a.problem, &a.backward, nullptr));
  EXPECT_EQ(a.results(), planned);
}

TEST(Gpu, ThousandRepeatsGiveTheSameBits) {
  FA4_NEEDS_GPU();
  const Attention a;
  const Prepared forward(a.problem, FA4_PASS_FORWARD), backward(a.problem, FA4_PASS_BACKWARD);
  run_both(a, forward, backward, nullptr);
  const auto first = a.results();
  for (int i = 0; i < 1000; ++i) {
    if (i % 100 == 0) a.poison();
    run_both(a, forward, backward, nullptr);
    if (i % 10 == 9) {
      ASSERT_EQ(a.results(), first) << "repeat " << i;
    }
  }
}

// What belongs to a context is made in it: the library's own calls leave the thread without one.
class PrimaryContext {
 public:
  PrimaryContext() {
    const device::Driver* driver = nullptr;
    void* context = nullptr;
    EXPECT_TRUE(device::find_driver(&driver).ok());
    EXPECT_EQ(driver->retain_primary(&context, 0), 0);
    EXPECT_EQ(Extras::get().context_set(context), 0);
  }
  ~PrimaryContext() { EXPECT_EQ(Extras::get().context_set(nullptr), 0); }
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;
};

TEST(Gpu, AGraphIsCapturedAndReplayed) {
  FA4_NEEDS_GPU();
  const Extras& cuda = Extras::get();
  const PrimaryContext context;
  const Attention a;
  const Prepared forward(a.problem, FA4_PASS_FORWARD), backward(a.problem, FA4_PASS_BACKWARD);
  run_both(a, forward, backward, nullptr);
  const auto expected = a.results();
  for (const bool one_shot : {false, true}) {
    void *stream = nullptr, *graph = nullptr, *executable = nullptr;
    ASSERT_EQ(cuda.stream_create(&stream, 1), 0);
    ASSERT_EQ(cuda.begin_capture(stream, 0), 0);
    if (one_shot) {
      FA4_OK_OR_FAIL(fa4_attention_forward(&a.problem, &a.forward, stream));
      FA4_OK_OR_FAIL(fa4_attention_backward(&a.problem, &a.backward, stream));
    } else {
      run_both(a, forward, backward, stream);
    }
    ASSERT_EQ(cuda.end_capture(stream, &graph), 0);
    ASSERT_EQ(cuda.instantiate(&executable, graph, 0), 0);
    for (int replay = 0; replay < 5; ++replay) {
      a.poison();
      ASSERT_EQ(cuda.launch_graph(executable, stream), 0);
      ASSERT_EQ(cuda.stream_synchronize(stream), 0);
      ASSERT_EQ(a.results(), expected) << "replay " << replay << ", one shot " << one_shot;
    }
  }
}

TEST(Gpu, StreamsOfThreadsRunTheSamePlan) {
  FA4_NEEDS_GPU();
  const Extras& cuda = Extras::get();
  const Attention a;
  const Prepared forward(a.problem, FA4_PASS_FORWARD), backward(a.problem, FA4_PASS_BACKWARD);
  run_both(a, forward, backward, nullptr);
  const auto expected = a.results();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const Attention mine;
      const Prepared f(mine.problem, FA4_PASS_FORWARD), b(mine.problem, FA4_PASS_BACKWARD);
      void* stream = nullptr;
      {
        const PrimaryContext context;
        ASSERT_EQ(cuda.stream_create(&stream, 1), 0);
      }  // a new thread has no context: the stream's is used
      for (int i = 0; i < 20; ++i) run_both(mine, f, b, stream);
      FA4_OK_OR_FAIL(fa4_device_synchronize({kDLCUDA, 0}, stream));
      EXPECT_EQ(mine.results(), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Gpu, WorksInAnotherContextOfTheCaller) {
  FA4_NEEDS_GPU();
  const Extras& cuda = Extras::get();
  const Attention reference;
  FA4_OK_OR_FAIL(fa4_attention_forward(&reference.problem, &reference.forward, nullptr));
  const auto expected = reference.out.get();
  void* context = nullptr;
  ASSERT_EQ(cuda.context_create(&context, 0, 0), 0);
  {
    const Attention a;
    const Prepared plan(a.problem, FA4_PASS_FORWARD);
    FA4_OK_OR_FAIL(
        fa4_forward(plan.plan, &a.problem, &a.forward, plan.workspace, plan.size, nullptr));
    FA4_OK_OR_FAIL(fa4_device_synchronize({kDLCUDA, 0}, nullptr));
    EXPECT_EQ(a.out.get(), expected);
  }
  cuda.context_set(nullptr);
  cuda.context_destroy(context);
}

TEST(Gpu, EveryDeviceServes) {
  FA4_NEEDS_GPU();
  const int count = device::cuda_devices().count();
  if (count < 2) GTEST_SKIP() << "needs two GPUs; one is here";
  std::vector<std::byte> expected;
  for (int index = 0; index < count; ++index) {
    const Attention a(index);
    FA4_OK_OR_FAIL(fa4_attention_forward(&a.problem, &a.forward, nullptr));
    FA4_OK_OR_FAIL(fa4_attention_backward(&a.problem, &a.backward, nullptr));
    FA4_OK_OR_FAIL(fa4_device_synchronize({kDLCUDA, index}, nullptr));
    if (index == 0) expected = a.results();
    EXPECT_EQ(a.results(), expected) << "device " << index;
  }
}

TEST(Gpu, RefusalsNameTheReason) {
  FA4_NEEDS_GPU();
  Attention a;
  const Prepared plan(a.problem, FA4_PASS_BACKWARD);
  ASSERT_GT(plan.size, 0u);
  EXPECT_EQ(fa4_backward(plan.plan, &a.problem, &a.backward, nullptr, 0, nullptr),
            FA4_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(
      std::strstr(fa4_last_error(), "workspace is null; on CUDA device 0 the caller provides it"),
      nullptr)
      << fa4_last_error();
  const GpuTensor q(kF32, {2, 300, 4, 64}), k(kF32, {2, 300, 2, 64}), v(kF32, {2, 300, 2, 64});
  a.problem.q = q.dl(), a.problem.k = k.dl(), a.problem.v = v.dl();
  EXPECT_EQ(fa4_supports(&a.problem, FA4_PASS_FORWARD), FA4_ERROR_UNSUPPORTED);
  EXPECT_NE(std::strstr(fa4_last_error(), "gpu/sm80: q is float32"), nullptr) << fa4_last_error();
  DLTensor bent = *q.dl();
  int64_t strides[] = {300 * 4 * 64, 4 * 64, 1, 4};
  bent.strides = strides;
  a.problem.q = &bent;
  EXPECT_EQ(fa4_supports(&a.problem, FA4_PASS_FORWARD), FA4_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::strstr(fa4_last_error(), "the last stride of q is 4; it must be 1"), nullptr);
}

TEST(Gpu, LessAlignmentThanPlannedIsRefused) {
  FA4_NEEDS_GPU();
  Attention a;
  const Prepared plan(a.problem, FA4_PASS_FORWARD);
  const GpuTensor wide(kBf16, {2, 300, 4, 65});
  DLTensor shifted = *a.q.dl();
  shifted.data = static_cast<char*>(wide.data()) + 2;
  a.problem.q = &shifted;
  EXPECT_EQ(fa4_forward(plan.plan, &a.problem, &a.forward, plan.workspace, plan.size, nullptr),
            FA4_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::strstr(fa4_last_error(), "the alignment of q in bytes is 2"), nullptr)
      << fa4_last_error();
  FA4_OK_OR_FAIL(fa4_attention_forward(&a.problem, &a.forward, nullptr));  // its own plan
  FA4_OK_OR_FAIL(fa4_device_synchronize({kDLCUDA, 0}, nullptr));
}

TEST(Gpu, EventsMeasureTime) {
  FA4_NEEDS_GPU();
  const Attention a;
  fa4_event *start = nullptr, *stop = nullptr;
  FA4_OK_OR_FAIL(fa4_event_create({kDLCUDA, 0}, &start));
  FA4_OK_OR_FAIL(fa4_event_create({kDLCUDA, 0}, &stop));
  FA4_OK_OR_FAIL(fa4_attention_forward(&a.problem, &a.forward, nullptr));
  FA4_OK_OR_FAIL(fa4_event_record(start, nullptr));
  FA4_OK_OR_FAIL(fa4_attention_forward(&a.problem, &a.forward, nullptr));
  FA4_OK_OR_FAIL(fa4_event_record(stop, nullptr));
  double milliseconds = -1;
  FA4_OK_OR_FAIL(fa4_event_elapsed(start, stop, &milliseconds));
  EXPECT_GT(milliseconds, 0);
  EXPECT_LT(milliseconds, 1000);
  fa4_event_destroy(start);
  fa4_event_destroy(stop);
}

}  // namespace
}  // namespace fa4::test
