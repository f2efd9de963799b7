// SPDX-License-Identifier: Apache-2.0
// Runs through the public functions: each tensor reaches the place that its name says, in each of the
// forms in which a problem can be given, and calls from several threads do not meet.
#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "api/fixture.h"

namespace fa4::test {
namespace {

class OnBackend : public testing::TestWithParam<const char*> {
 protected:
  OnBackend() { small_.problem.backend = GetParam(); }

  Small small_;
};

INSTANTIATE_TEST_SUITE_P(backends, OnBackend, testing::Values("cpu", "reference", "plain"),
                         [](const auto& info) { return std::string(info.param); });

void expect_near(Array& actual, Array& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual.floats()[i], expected.floats()[i], tolerance) << "element " << i;
  }
}

TEST_P(OnBackend, OneKeyIsCopied) {
  small_.k.shape[1] = small_.v.shape[1] = 1;
  ASSERT_TRUE(succeeded(small_.run_forward()));
  for (size_t b = 0; b < 2; ++b) {
    for (size_t row = 0; row < 5 * 4; ++row) {
      const size_t head = row % 4;
      for (size_t d = 0; d < 8; ++d) {
        // The strides of v are those of 7 rows; heads 0, 1 share key head 0, heads 2, 3 key head 1.
        EXPECT_FLOAT_EQ(small_.out.floats()[(b * 20 + row) * 8 + d],
                        small_.v.floats()[b * 7 * 2 * 8 + head / 2 * 8 + d]);
      }
    }
  }
}

TEST_P(OnBackend, LseOfEqualKeysCountsThem) {
  small_.problem.scale = 0;
  small_.problem.causal = 1;
  ASSERT_TRUE(succeeded(small_.run_forward()));
  for (size_t i = 0; i < small_.lse.size(); ++i) {
    const size_t visible = i % 5 + 3;  // 7 keys, 5 queries, aligned to the last
    EXPECT_NEAR(small_.lse.floats()[i], std::log(visible), 1e-6);
  }
}

TEST_P(OnBackend, AgreesWithTheReferenceInBothPasses) {
  small_.problem.softcap = 2;
  small_.problem.causal = 1;
  small_.problem.sink = &small_.sink.dl;
  small_.backward.dlse = &small_.dlse.dl;
  small_.backward.dsink = &small_.dsink.dl;
  ASSERT_TRUE(succeeded(small_.run_forward()));
  ASSERT_TRUE(succeeded(small_.run_backward()));
  Small expected;
  expected.problem.softcap = 2, expected.problem.causal = 1, expected.problem.backend = "reference";
  expected.problem.sink = &expected.sink.dl;
  expected.backward.dlse = &expected.dlse.dl, expected.backward.dsink = &expected.dsink.dl;
  ASSERT_TRUE(succeeded(expected.run_forward()));
  ASSERT_TRUE(succeeded(expected.run_backward()));
  Array* const pairs[][2] = {{&small_.out, &expected.out}, {&small_.lse, &expected.lse},
                             {&small_.dq, &expected.dq},   {&small_.dk, &expected.dk},
                             {&small_.dv, &expected.dv},   {&small_.dsink, &expected.dsink}};
  for (const auto& [actual, wanted] : pairs) expect_near(*actual, *wanted, 1e-5);
}

TEST_P(OnBackend, PackedEqualsDense) {
  ASSERT_TRUE(succeeded(small_.run_forward()));
  ASSERT_TRUE(succeeded(small_.run_backward()));
  Small packed;
  packed.problem.backend = GetParam();
  Array cu_q(kInt32, {3}), cu_k(kInt32, {3});
  for (int b = 0; b < 3; ++b) cu_q.integers()[b] = 5 * b, cu_k.integers()[b] = 7 * b;
  packed.problem.cu_seqlens_q = &cu_q.dl, packed.problem.cu_seqlens_k = &cu_k.dl;
  for (Array* rows : {&packed.q, &packed.out, &packed.dout, &packed.dq})
    rows->reshape({10, 4, rows->shape[3]});
  for (Array* rows : {&packed.k, &packed.v, &packed.dk, &packed.dv})
    rows->reshape({14, 2, rows->shape[3]});
  packed.lse.reshape({4, 10});
  ASSERT_TRUE(succeeded(packed.run_forward()));
  ASSERT_TRUE(succeeded(packed.run_backward()));
  Array* const pairs[][2] = {{&packed.out, &small_.out},
                             {&packed.dq, &small_.dq},
                             {&packed.dk, &small_.dk},
                             {&packed.dv, &small_.dv}};
  for (const auto& [actual, wanted] : pairs) expect_near(*actual, *wanted, 1e-6);
  for (size_t h = 0; h < 4; ++h) {
    for (size_t row = 0; row < 10; ++row) {
      EXPECT_NEAR(packed.lse.floats()[h * 10 + row],
                  small_.lse.floats()[(row / 5 * 4 + h) * 5 + row % 5], 1e-6);
    }
  }
}

TEST_P(OnBackend, PackedQueriesMayMeetPagedKeys) {
  ASSERT_TRUE(succeeded(small_.run_forward()));
  Small paged;
  paged.problem.backend = GetParam();
  Array cu_q(kInt32, {3}), table(kInt32, {2, 1});
  for (int b = 0; b < 3; ++b) cu_q.integers()[b] = 5 * b;
  table.integers()[0] = 1, table.integers()[1] = 0;  // the pages change places
  paged.problem.cu_seqlens_q = &cu_q.dl, paged.problem.page_table = &table.dl;
  paged.q.reshape({10, 4, 16});
  paged.out.reshape({10, 4, 8});
  paged.lse.reshape({4, 10});
  for (auto [to, from] : {std::pair{&paged.k, &small_.k}, std::pair{&paged.v, &small_.v}}) {
    const size_t half = to->size() / 2;
    std::copy_n(from->floats(), half, to->floats() + half);
    std::copy_n(from->floats() + half, half, to->floats());
  }
  ASSERT_TRUE(succeeded(paged.run_forward()));
  expect_near(paged.out, small_.out, 1e-6);
}

TEST_P(OnBackend, EmptyProblemsAreLegal) {
  Small no_keys;
  no_keys.problem.backend = GetParam();
  no_keys.k.shape[1] = no_keys.v.shape[1] = no_keys.dk.shape[1] = no_keys.dv.shape[1] = 0;
  no_keys.k.dl.data = no_keys.v.dl.data = nullptr;
  std::fill(no_keys.out.storage.begin(), no_keys.out.storage.end(), NAN);
  std::fill(no_keys.dq.storage.begin(), no_keys.dq.storage.end(), NAN);
  ASSERT_TRUE(succeeded(no_keys.run_forward()));
  ASSERT_TRUE(succeeded(no_keys.run_backward()));
  for (size_t i = 0; i < no_keys.out.size(); ++i) ASSERT_EQ(no_keys.out.floats()[i], 0);
  for (size_t i = 0; i < no_keys.lse.size(); ++i) ASSERT_EQ(no_keys.lse.floats()[i], -INFINITY);
  for (size_t i = 0; i < no_keys.dq.size(); ++i) ASSERT_EQ(no_keys.dq.floats()[i], 0);

  Small no_queries;
  no_queries.problem.backend = GetParam();
  for (Array* rows : {&no_queries.q, &no_queries.out, &no_queries.dout, &no_queries.dq})
    rows->shape[1] = 0;
  no_queries.lse.shape[2] = 0;
  std::fill(no_queries.dk.storage.begin(), no_queries.dk.storage.end(), NAN);
  ASSERT_TRUE(succeeded(no_queries.run_forward()));
  ASSERT_TRUE(succeeded(no_queries.run_backward()));
  for (size_t i = 0; i < no_queries.dk.size(); ++i) ASSERT_EQ(no_queries.dk.floats()[i], 0);

  Small no_batch;
  no_batch.problem.backend = GetParam();
  for (Array* array : {&no_batch.q, &no_batch.k, &no_batch.v, &no_batch.out, &no_batch.lse,
                       &no_batch.dout, &no_batch.dq, &no_batch.dk, &no_batch.dv}) {
    array->shape[0] = 0;
    array->dl.data = nullptr;
  }
  EXPECT_TRUE(succeeded(no_batch.run_forward()));
  EXPECT_TRUE(succeeded(no_batch.run_backward()));
}

TEST_P(OnBackend, ByteOffsetIsHonoured) {
  ASSERT_TRUE(succeeded(small_.run_forward()));
  Small shifted;
  shifted.problem.backend = GetParam();
  Array memory(kFloat32, {static_cast<int64_t>(shifted.q.size() + 3)});
  std::copy_n(shifted.q.floats(), shifted.q.size(), memory.floats() + 3);
  shifted.q.dl.data = memory.floats();
  shifted.q.dl.byte_offset = 3 * sizeof(float);
  ASSERT_TRUE(succeeded(shifted.run_forward()));
  expect_near(shifted.out, small_.out, 1e-6);
}

TEST_P(OnBackend, OneShotAndPlanGiveTheSameBits) {
  ASSERT_TRUE(succeeded(small_.run_forward()));
  const auto out = small_.out.storage;
  fa4_plan* plan = nullptr;
  ASSERT_TRUE(succeeded(fa4_plan_create(&small_.problem, FA4_PASS_FORWARD, &plan)));
  std::fill_n(small_.out.floats(), small_.out.size(), NAN);
  ASSERT_TRUE(succeeded(fa4_forward(plan, &small_.problem, &small_.forward, nullptr, 0, nullptr)));
  EXPECT_EQ(small_.out.storage, out);
  fa4_plan_destroy(plan);
}

TEST(Float64, RunsInTheReference) {
  Small small(kFloat64);
  small.problem.backend = "reference";
  small.problem.scale = 0;
  ASSERT_TRUE(succeeded(small.run_forward()));
  EXPECT_DOUBLE_EQ(small.lse.doubles()[0], std::log(7.0));
  EXPECT_TRUE(succeeded(small.run_backward()));
}

// Sanitizers stop the program where an allocation would fail.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FA4_TEST_ALLOCATIONS_MAY_FAIL 0
#elif defined(__has_feature)
#define FA4_TEST_ALLOCATIONS_MAY_FAIL \
  !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define FA4_TEST_ALLOCATIONS_MAY_FAIL 1
#endif

#if FA4_TEST_ALLOCATIONS_MAY_FAIL
TEST(OutOfMemory, IsAStatus) {
  // One query over 2^32 - 1 equal keys, whose scores the reference keeps: 32 GB, more than is allowed here.
  Small small;
  small.problem.backend = "reference";
  small.problem.num_threads = 1;
  for (Array* array : {&small.q, &small.k, &small.v, &small.out, &small.lse}) array->shape[0] = 1;
  small.q.shape[1] = small.out.shape[1] = small.lse.shape[2] = 1;
  for (Array* array : {&small.k, &small.v}) array->shape[1] = 0xffffffff, array->strides[1] = 0;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const rlimit limited{std::min<rlim_t>(before.rlim_cur, rlim_t{16} << 30), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limited), 0);
  const fa4_status status = small.run_forward();
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_TRUE(refused(status, FA4_ERROR_OUT_OF_MEMORY, "cannot allocate a workspace of "));
}
#endif

TEST(OneShot, ManyKindsOfProblemsDoNotMix) {
  // More kinds than the cache of plans holds, three times over.
  for (int round = 0; round < 3; ++round) {
    for (int64_t keys = 1; keys <= 7; ++keys) {
      for (int64_t left = 0; left < 7; ++left) {
        Small small;
        small.k.shape[1] = small.v.shape[1] = keys;
        small.problem.window_left = left;
        small.problem.scale = 0;
        ASSERT_TRUE(succeeded(small.run_forward()));
        const auto visible = static_cast<double>(std::min(keys, left + 1));  // by the last query
        ASSERT_NEAR(small.lse.floats()[4], std::log(visible), 1e-6)
            << keys << " keys, left " << left;
      }
    }
  }
}

TEST(Threads, OneShotCallsDoNotMeet) {
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int64_t i = 0; i < 50; ++i) {
        Small small;
        small.problem.num_threads = 1;
        small.problem.scale = 0;
        const int64_t keys = 1 + (i + t) % 7;
        small.k.shape[1] = small.v.shape[1] = keys;
        EXPECT_TRUE(succeeded(small.run_forward()));
        EXPECT_NEAR(small.lse.floats()[0], std::log(static_cast<double>(keys)), 1e-6);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Threads, OnePlanMayBeRunBySeveral) {
  Small first;
  first.problem.num_threads = 1;
  fa4_plan* plan = nullptr;
  ASSERT_TRUE(succeeded(fa4_plan_create(&first.problem, FA4_PASS_FORWARD, &plan)));
  ASSERT_TRUE(succeeded(fa4_forward(plan, &first.problem, &first.forward, nullptr, 0, nullptr)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        Small small;
        small.problem.num_threads = 1;
        EXPECT_TRUE(
            succeeded(fa4_forward(plan, &small.problem, &small.forward, nullptr, 0, nullptr)));
        EXPECT_EQ(small.out.storage, first.out.storage);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  fa4_plan_destroy(plan);
}

TEST(LastError, BelongsToItsThreadAndStaysAfterSuccess) {
  EXPECT_TRUE(refused(fa4_supports(nullptr, FA4_PASS_FORWARD), FA4_ERROR_INVALID_ARGUMENT,
                      "problem is null"));
  std::thread([] {
    EXPECT_STREQ(fa4_last_error(), "");
    Small small;
    small.problem.reserved = 9;
    EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_INVALID_ARGUMENT,
                        "reserved is 9"));
  }).join();
  EXPECT_STREQ(fa4_last_error(), "problem is null");
  Small small;
  EXPECT_TRUE(succeeded(fa4_supports(&small.problem, FA4_PASS_FORWARD)));
  EXPECT_STREQ(fa4_last_error(), "problem is null");
}

TEST(LastError, LongNamesAreCut) {
  Small small;
  const std::string name(100000, 'x');
  small.problem.backend = name.c_str();
  EXPECT_TRUE(refused(fa4_supports(&small.problem, FA4_PASS_FORWARD), FA4_ERROR_INVALID_ARGUMENT,
                      "backend \"xxx"));
  EXPECT_EQ(std::strlen(fa4_last_error()), 4095u);
}

}  // namespace
}  // namespace fa4::test
