// SPDX-License-Identifier: Apache-2.0
// Plans: what they say, what they count, and that they run only what they were made for.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/fixture.h"

namespace fa4::test {
namespace {

using Json = nlohmann::json;

class PlanTest : public testing::Test {
 protected:
  ~PlanTest() override { fa4_plan_destroy(plan_); }

  Json describe(fa4_pass pass = FA4_PASS_FORWARD) {
    fa4_plan_destroy(plan_);
    plan_ = nullptr;
    EXPECT_TRUE(succeeded(fa4_plan_create(&small_.problem, pass, &plan_)));
    return plan_ ? Json::parse(fa4_plan_describe(plan_)) : Json();
  }
  fa4_status forward(void* workspace = nullptr, size_t size = 0) {
    return fa4_forward(plan_, &small_.problem, &small_.forward, workspace, size, nullptr);
  }

  Small small_;
  fa4_plan* plan_ = nullptr;
};

const Json* find_declined(const Json& plan, const std::string& backend) {
  for (const Json& item : plan["declined"]) {
    if (item["backend"] == backend) return &item;
  }
  return nullptr;
}

TEST_F(PlanTest, AutoTakesTheCpuAndTellsWhy) {
  const Json plan = describe();
  EXPECT_EQ(plan["pass"], "forward");
  EXPECT_EQ(plan["backend"], "cpu");
  EXPECT_NE(plan["why"], "");
  EXPECT_EQ(plan["problem"]["heads"], 4);
  EXPECT_EQ(plan["problem"]["scale"], 0.25);
  EXPECT_GE(plan["threads"], 1);
  EXPECT_GE(plan["grid"], 1);
  EXPECT_FALSE(plan["tiles"].empty());
  EXPECT_EQ(plan["workspace_bytes"], fa4_plan_workspace_size(plan_));
  for (const char* judge : {"reference", "plain"}) {
    const Json* declined = find_declined(plan, judge);
    ASSERT_NE(declined, nullptr);
    EXPECT_NE(declined->at("reason").get<std::string>().find("a judge, chosen only by name"),
              std::string::npos);
  }
}

bool is_emulated(const Json& backend) {
  return backend["name"].get<std::string>().starts_with("emulated:");
}

TEST_F(PlanTest, EveryKernelIsChosenOrDeclinedWithAReason) {
  const Json plan = describe();
  const Json info = Json::parse(fa4_info());
  size_t kernels = 0;
  for (const Json& backend : info["backends"]) {
    if (is_emulated(backend)) continue;  // not spoken of unless named
    kernels += backend["kernels"].size();
  }
  EXPECT_EQ(plan["declined"].size() + 1, kernels);
  for (const Json& item : plan["declined"]) EXPECT_NE(item["reason"], "");
}

TEST_F(PlanTest, NamesAreCommands) {
  for (const char* backend : {"cpu", "reference", "plain"}) {
    small_.problem.backend = backend;
    const Json plan = describe();
    EXPECT_EQ(plan["backend"], backend);
    EXPECT_NE(plan["why"].get<std::string>().find("was asked for"), std::string::npos);
    const auto kernel = plan["kernel"].get<std::string>();
    small_.problem.kernel = kernel.c_str();
    EXPECT_EQ(describe()["kernel"], kernel);
    small_.problem.backend = nullptr;  // a kernel's name says which backend
    EXPECT_EQ(describe()["backend"], backend);
    small_.problem.kernel = nullptr;
  }
}

TEST_F(PlanTest, AKernelThatCannotRunHereIsRefusedWithItsReason) {
  const Json info = Json::parse(fa4_info());
  for (const Json& backend : info["backends"]) {
    if (is_emulated(backend)) continue;
    for (const Json& kernel : backend["kernels"]) {
      const auto name = kernel["name"].get<std::string>();
      small_.problem.kernel = name.c_str();
      const fa4_status status = fa4_supports(&small_.problem, FA4_PASS_FORWARD);
      if (backend["name"] == "gpu") {  // wherever it could run, these tensors are not there
        EXPECT_TRUE(refused(status, FA4_ERROR_UNSUPPORTED, "the tensors are in host memory"));
      } else if (!kernel["runs_here"]) {
        EXPECT_TRUE(refused(status, FA4_ERROR_UNSUPPORTED, kernel["reason"].get<std::string>()));
      } else if (status != FA4_OK) {  // not for float32
        EXPECT_TRUE(refused(status, FA4_ERROR_UNSUPPORTED, "/" + name + ": "));
      }
    }
  }
}

double brute_force_pairs(int64_t seq_q, int64_t seq_k, int64_t left, int64_t right) {
  double pairs = 0;
  for (int64_t i = 0; i < seq_q; ++i) {
    for (int64_t j = 0; j < seq_k; ++j) {
      const int64_t diagonal = i + seq_k - seq_q;
      pairs += (left < 0 || j >= diagonal - left) && (right < 0 || j <= diagonal + right);
    }
  }
  return pairs;
}

TEST_F(PlanTest, VisiblePairsAreExactForEveryWindow) {
  Array wide_k(kFloat32, {2, 9, 2, 16}), wide_v(kFloat32, {2, 9, 2, 8});
  for (const int64_t seq_q : {0, 1, 2, 5}) {
    for (const int64_t seq_k : {0, 1, 3, 9}) {
      for (int64_t left = -1; left < 7; ++left) {
        for (int64_t right = -1; right < 11; ++right) {
          small_.q.shape[1] = seq_q;
          wide_k.shape[1] = wide_v.shape[1] = seq_k;
          small_.problem.k = &wide_k.dl, small_.problem.v = &wide_v.dl;
          small_.problem.window_left = left, small_.problem.window_right = right;
          const double pairs = 2 * 4 * brute_force_pairs(seq_q, seq_k, left, right);
          ASSERT_EQ(describe()["work"]["visible_pairs"], pairs)
              << seq_q << " x " << seq_k << ", window " << left << ", " << right;
        }
      }
    }
  }
}

TEST_F(PlanTest, WorkIsCountedFromVisiblePairs) {
  const double pairs = 2 * 4 * 5 * 7;
  EXPECT_EQ(describe()["work"]["flops"], pairs * 2 * (16 + 8));
  EXPECT_EQ(describe(FA4_PASS_BACKWARD)["work"]["flops"], pairs * (6 * 16 + 4 * 8));
}

TEST_F(PlanTest, TwoBillionRowsTakeNoTimeToPlan) {
  constexpr int64_t kRows = int64_t{1} << 31;
  for (Array* array : {&small_.q, &small_.k, &small_.v}) {
    array->shape = {1, kRows, 1, array->shape[3]};
    array->strides = {0, 0, 0, 1};
  }
  small_.problem.causal = 1;
  EXPECT_EQ(describe()["work"]["visible_pairs"],
            static_cast<double>(kRows) / 2 * static_cast<double>(kRows + 1));
  small_.problem.window_left = 3;
  EXPECT_EQ(describe()["work"]["visible_pairs"], 4.0 * static_cast<double>(kRows) - 6);
}

TEST_F(PlanTest, PackedWorkIsBoundedByTheRows) {
  Array q(kFloat32, {100, 4, 16}), k(kFloat32, {100, 2, 16}), v(kFloat32, {100, 2, 8}),
      cu_seqlens(kInt32, {11});
  small_.problem.q = &q.dl, small_.problem.k = &k.dl, small_.problem.v = &v.dl;
  small_.problem.cu_seqlens_q = small_.problem.cu_seqlens_k = &cu_seqlens.dl;
  EXPECT_EQ(describe()["work"]["visible_pairs"], 4.0 * 100 * 100);
  small_.problem.max_seq_q = small_.problem.max_seq_k = 10;
  EXPECT_EQ(describe()["work"]["visible_pairs"], 4.0 * 10 * 10 * 10);
}

struct Change {
  void (*make)(Small&);
  const char* sentence;
};

TEST_F(PlanTest, RunsOnlyWhatItWasMadeFor) {
  const Change changes[] = {
      {[](Small& s) { s.problem.scale = 2; }, "scale is 2, but the plan was made for 0.25"},
      {[](Small& s) { s.problem.softcap = 5; }, "softcap is 5, but the plan was made for 0"},
      {[](Small& s) { s.problem.causal = 1; },
       "window_right (or causal) is 0, but the plan was made for -1"},
      {[](Small& s) { s.problem.window_left = 1; },
       "window_left is 1, but the plan was made for -1"},
      {[](Small& s) { s.problem.deterministic = 1; },
       "deterministic is 1, but the plan was made for 0"},
      {[](Small& s) { s.problem.num_threads = 1; },
       "num_threads is 1, but the plan was made for 0"},
      {[](Small& s) { s.problem.sink = &s.sink.dl; },
       "the presence of sink is 1, but the plan was made for 0"},
      {[](Small& s) { s.q.shape[1] = 4; }, "Sq is 4, but the plan was made for 5"},
      {[](Small& s) { s.k.shape[1] = s.v.shape[1] = 6; }, "Sk is 6, but the plan was made for 7"},
      {[](Small& s) { s.q.strides[1] = 0; },
       "the row stride of q is 0, but the plan was made for 64"},
      {[](Small& s) { s.v.strides[2] = 0; },
       "the head stride of v is 0, but the plan was made for 8"},
      {[](Small& s) { s.q.dl.dtype = s.k.dl.dtype = s.v.dl.dtype = kBFloat16; },
       "the dtype of q is bfloat16, but the plan was made for float32"},
      {[](Small& s) { s.problem.backend = "plain"; },
       "backend is \"plain\", but the plan was made for \"auto\""},
      {[](Small& s) { s.problem.kernel = "double"; },
       "kernel is \"double\", but the plan was made for \"auto\""},
  };
  describe();
  ASSERT_TRUE(succeeded(forward()));
  for (const Change& change : changes) {
    Small changed;
    change.make(changed);
    EXPECT_TRUE(refused(fa4_forward(plan_, &changed.problem, &changed.forward, nullptr, 0, nullptr),
                        FA4_ERROR_INVALID_ARGUMENT, change.sentence));
  }
}

TEST_F(PlanTest, StridesThatNoIndexReachesMakeNoDifference) {
  describe();
  small_.q.shape[0] = small_.k.shape[0] = small_.v.shape[0] = small_.out.shape[0] =
      small_.lse.shape[0] = 1;
  describe();
  small_.q.strides[0] = 12345;
  EXPECT_TRUE(succeeded(forward()));
}

TEST_F(PlanTest, OnePassIsNotTheOther) {
  describe(FA4_PASS_BACKWARD);
  EXPECT_TRUE(refused(forward(), FA4_ERROR_INVALID_ARGUMENT,
                      "the plan was made for the backward pass; it cannot run the forward pass"));
  describe(FA4_PASS_FORWARD);
  EXPECT_TRUE(refused(fa4_backward(plan_, &small_.problem, &small_.backward, nullptr, 0, nullptr),
                      FA4_ERROR_INVALID_ARGUMENT,
                      "the plan was made for the forward pass; it cannot run the backward pass"));
}

TEST_F(PlanTest, WorkspaceIsCheckedAndMayHoldAnything) {
  for (const char* backend : {"cpu", "reference", "plain"}) {
    small_.problem.backend = backend;
    describe();
    const size_t size = fa4_plan_workspace_size(plan_);
    ASSERT_TRUE(succeeded(forward()));
    const auto out = small_.out.storage;
    std::vector<unsigned char> memory(size + 512, 0xff);
    unsigned char* const aligned =
        memory.data() + (256 - reinterpret_cast<uintptr_t>(memory.data()) % 256);
    EXPECT_TRUE(succeeded(forward(aligned, size)));
    EXPECT_EQ(small_.out.storage, out);
    EXPECT_TRUE(std::all_of(aligned + size, memory.data() + memory.size(),
                            [](int byte) { return byte == 0xff; }));
    EXPECT_TRUE(refused(forward(aligned + 1, size), FA4_ERROR_INVALID_ARGUMENT,
                        "workspace is not aligned to 256 bytes"));
    if (size == 0) continue;
    EXPECT_TRUE(refused(forward(aligned, size - 1), FA4_ERROR_INVALID_ARGUMENT,
                        "workspace_size is " + std::to_string(size - 1) + "; the plan needs " +
                            std::to_string(size) + " bytes"));
  }
}

TEST(NullPlan, IsHarmless) {
  EXPECT_EQ(fa4_plan_describe(nullptr), nullptr);
  EXPECT_EQ(fa4_plan_workspace_size(nullptr), 0u);
  fa4_plan_destroy(nullptr);
}

TEST(Info, ListsBackendsAndKernels) {
  const Json info = Json::parse(fa4_info());
  EXPECT_EQ(info["version"], fa4_version());
  EXPECT_GE(info["threads"], 1);
  EXPECT_EQ(info["devices"][0]["name"], "cpu");
  ASSERT_EQ(info["backends"].size(), 11u);
  EXPECT_EQ(info["backends"][4]["name"], "emulated:sm_80");
  EXPECT_EQ(info["backends"][4]["chosen_by"], "name only");
  EXPECT_NE(info["ptx_machine"].contains("path"), info["ptx_machine"].contains("reason"));
  EXPECT_EQ(info["backends"][0]["name"], "gpu");
  EXPECT_EQ(info["backends"][1]["name"], "cpu");
  EXPECT_NE(info["gpu"]["runs_here"].get<bool>(), info["gpu"].contains("reason"));
  EXPECT_NE(info["gpu"]["nvrtc"].contains("path"), info["gpu"]["nvrtc"].contains("reason"));
  for (const Json& backend : info["backends"]) {
    for (const Json& kernel : backend["kernels"]) {
      EXPECT_NE(kernel["name"], "");
      EXPECT_NE(kernel["runs_here"].get<bool>(), kernel.contains("reason"));
    }
  }
  EXPECT_EQ(fa4_info(), fa4_info());
}

TEST(Info, VersionIsThatOfTheHeader) {
  EXPECT_EQ(fa4_version(), std::to_string(FA4_VERSION_MAJOR) + "." +
                               std::to_string(FA4_VERSION_MINOR) + "." +
                               std::to_string(FA4_VERSION_PATCH));
}

TEST(Info, EveryStatusHasAName) {
  EXPECT_STREQ(fa4_status_name(FA4_OK), "ok");
  EXPECT_STREQ(fa4_status_name(FA4_ERROR_INVALID_ARGUMENT), "invalid argument");
  EXPECT_STREQ(fa4_status_name(FA4_ERROR_UNSUPPORTED), "unsupported");
  EXPECT_STREQ(fa4_status_name(FA4_ERROR_OUT_OF_MEMORY), "out of memory");
  EXPECT_STREQ(fa4_status_name(FA4_ERROR_DEVICE), "device error");
  EXPECT_STREQ(fa4_status_name(FA4_ERROR_INTERNAL), "internal error");
}

}  // namespace
}  // namespace fa4::test
