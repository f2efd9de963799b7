// SPDX-License-Identifier: Apache-2.0
// The command as scripts see it: exit codes, sentences, what is printed where.
#include "command.h"

#include <nlohmann/json.hpp>

namespace fa4::cli {
namespace {

using PlainJson = nlohmann::json;

class Command : public CommandTest {};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return lines;
}

TEST_F(Command, HelpTeachesAndIsRight) {
  for (const char* verb : {"", "info ", "plan ", "run ", "verify ", "bench ", "compare ", "emu "}) {
    const Answer answer = fa4(std::string(verb) + "--help");
    EXPECT_EQ(answer.exit, 0) << verb;
    EXPECT_NE(answer.out.find("Example"), std::string::npos) << verb;
    EXPECT_EQ(answer.err, "") << verb;
  }
  EXPECT_NE(fa4("--help").out.find("3 refused"), std::string::npos);
}

TEST_F(Command, VersionIsTheLibrarys) {
  const Answer answer = fa4("--version");
  EXPECT_EQ(answer.exit, 0);
  EXPECT_EQ(answer.out, std::string(fa4_version()) + "\n");
}

TEST_F(Command, BadUsageIsTwo) {
  expect_refusal("", 2, "subcommand is required");
  expect_refusal("dance", 2, "dance");
  expect_refusal("plan --shape 1,1,1,8,8,16 --colour red", 2, "--colour");
  expect_refusal("plan --shape 1,1,1,8,8,16 --softcap warm", 2, "warm");
  expect_refusal("plan", 2, "plan needs --shape");
  expect_refusal("plan --shape 1,1,1,8,8", 2, "5 numbers");
  expect_refusal("plan --shape 1,1,1,8,eight,16", 2, "'1,1,1,8,eight,16'");
  expect_refusal("plan --shape 1,1,1,8,8,16,", 2, "integers of 64 bits");
  expect_refusal("plan --shape 1,1,1,99999999999999999999,8,16", 2, "integers of 64 bits");
  expect_refusal("plan --shape 1,1,1,8,-8,16", 2, "must not be negative");
  expect_refusal("plan --shape 1,1,1,8,8,16 --dtype fp12", 2, "'fp12'");
  expect_refusal("plan --shape 1,1,1,8,8,16 --window 3", 2, "LEFT,RIGHT");
  expect_refusal("plan --shape 1,1,1,8,8,16 --window 3,0 --causal", 2, "--causal");
  expect_refusal("plan --shape 1,1,1,8,8,16 --window -2,0", 2, "window_left is -2");
  expect_refusal("plan --shape 1,1,1,8,8,16 --pass sideways", 2, "'sideways'");
  expect_refusal("plan --shape 1,1,1,8,8,16 --backend abacus", 2, "abacus");
  expect_refusal("plan --shape 1,1,1,8,8,16 --softcap -1", 2, "softcap is -1");
  expect_refusal("bench --shape 1,1,1,8,8,16 --backend reference --min-time -1", 2, "--min-time");
  expect_refusal("verify", 2, "verify needs --shape");
  expect_refusal("verify --random 2 --causal", 2, "leave those options out");
}

TEST_F(Command, HeadsThatDoNotDivideAreRefused) {
  expect_refusal("plan --shape 1,4,3,8,8,16", 2, "q has 4 heads and k has 3");
  expect_refusal("run --shape 1,4,3,8,8,16", 2, "q has 4 heads and k has 3");
}

TEST_F(Command, WhatCannotRunIsThree) {
  for (const char* kernel : {"sm80", "sm90", "sm100"}) {
    for (const char* verb : {"plan", "run", "bench", "verify"}) {
      expect_refusal(std::string(verb) + " --shape 1,1,1,8,8,16 --kernel " + kernel, 3, kernel);
    }
  }
  expect_refusal("plan --shape 1,1,1,8,8,16 --backend gpu", 3, "gpu");
  expect_refusal("plan --shape 1,1,1,8,8,16 --device h200", 3, "h200");
  expect_refusal("plan --shape 1,1,1,8,8,16 --dtype fp64 --backend plain", 3, "float64");
}

TEST_F(Command, SizesBeyondMemoryAreRefused) {
  expect_refusal("run --shape 1000000,1000000,1,1000000,1,512", 2, "larger than any memory");
}

TEST_F(Command, PlanNamesBackendAndDecliners) {
  const Answer answer = fa4("plan --shape 1,4,2,64,64,32 --backend reference --pass backward");
  EXPECT_EQ(answer.exit, 0) << answer.err;
  EXPECT_NE(answer.out.find("backend:   reference"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("fp32_d32/b1_h4_kv2_q64_k64, backward"), std::string::npos)
      << answer.out;
}

TEST_F(Command, PlanWritesJson) {
  const Answer answer = fa4("plan --shape 1,4,2,64,64,32 --backend reference --json -");
  ASSERT_EQ(answer.exit, 0) << answer.err;
  EXPECT_EQ(PlainJson::parse(answer.out)["backend"], "reference");
  ASSERT_EQ(fa4("plan --shape 1,4,2,64,64,32 --backend reference --json plan.json").exit, 0);
  EXPECT_EQ(PlainJson::parse(read_text(path("plan.json"))), PlainJson::parse(answer.out));
}

TEST_F(Command, PlanOfHugeShapesNeedsNoMemory) {
  EXPECT_EQ(fa4("plan --shape 64,64,64,1000000,1000000,128 --backend reference").exit, 0);
}

TEST_F(Command, PlanIsMadeForADeviceThatIsNotHere) {
  const Answer answer = fa4("plan --shape 1,4,2,64,64,64 --dtype bf16 --device sm_120 --json -");
  ASSERT_EQ(answer.exit, 0) << answer.err;
  const PlainJson plan = PlainJson::parse(answer.out);
  EXPECT_EQ(plan["backend"], "gpu");
  EXPECT_EQ(plan["device"], "sm_120");
  EXPECT_FALSE(plan["kernels"].empty());
  const Answer fp32 = fa4("plan --shape 1,4,2,64,64,64 --device sm_120");
  EXPECT_EQ(fp32.exit, 3);
  EXPECT_NE(fp32.err.find("q is float32; kernel \"sm80\" takes bfloat16 and float16"),
            std::string::npos)
      << fp32.err;
  EXPECT_EQ(fa4("plan --shape 1,4,2,64,64,64 --device sm_121x").exit, 3);
}

TEST_F(Command, PlanPrintsTheRooflineOfBlackwell) {
  const std::string options = "plan --shape 1,4,2,64,64,128 --dtype bf16 --causal --device ";
  const Answer own = fa4(options + "sm_100a");
  EXPECT_NE(own.out.find("roofline:  mma 1024, exponential 896, shared_memory 768"),
            std::string::npos)
      << own.out;
  EXPECT_NE(own.out.find("bound by mma, with 12.5 %"), std::string::npos) << own.out;
  const Answer b200 = fa4(options + "sm_100a --kernel sm80");
  EXPECT_EQ(b200.exit, 0) << b200.err;
  EXPECT_NE(b200.out.find("roofline:  mma 1024, exponential 1024, shared_memory 768"),
            std::string::npos)
      << b200.out;
  EXPECT_NE(b200.out.find("bound by mma and exponential"), std::string::npos) << b200.out;
  EXPECT_NE(fa4(options + "sm_103a").out.find("bound by mma\n"), std::string::npos);
  EXPECT_EQ(fa4(options + "sm_90a").out.find("roofline"), std::string::npos);
}

TEST_F(Command, PlanOfBlackwellTakesItsKernelOrSaysWhyNot) {
  for (const char* arch : {"sm_100a", "sm_103a"}) {
    const auto plan_of = [&](const char* options) {
      const Answer answer =
          fa4(std::string("plan --dtype bf16 --json - --device ") + arch + options);
      EXPECT_EQ(answer.exit, 0) << answer.err;
      return PlainJson::parse(answer.out);
    };
    EXPECT_EQ(plan_of(" --shape 1,4,2,64,64,128")["kernel"], "sm100");
    const auto why_not = [&](const char* options) {
      const PlainJson plan = plan_of(options);
      EXPECT_EQ(plan["kernel"], "sm80") << options;
      for (const PlainJson& declined : plan["declined"]) {
        if (declined["kernel"] == "sm100") return declined["reason"].get<std::string>();
      }
      return std::string();
    };
    EXPECT_NE(why_not(" --shape 1,4,2,64,64,256").find("up to 192 and 128"), std::string::npos);
    EXPECT_NE(why_not(" --shape 1,4,2,64,64,128 --pass backward").find("has no backward"),
              std::string::npos);
  }
  expect_refusal("plan --dtype bf16 --device sm_100a --kernel sm100 --shape 1,4,2,64,64,256", 3,
                 "up to 192 and 128");
}

TEST_F(Command, RunOnADeviceThatIsNotHereIsRefused) {
  const Answer answer = fa4("run --shape 1,4,2,64,64,64 --dtype bf16 --device sm_120");
  EXPECT_EQ(answer.exit, 3);
  EXPECT_NE(answer.err.find("device is \"sm_120\", which is not here"), std::string::npos)
      << answer.err;
  const Answer none = fa4("run --shape 1,4,2,64,64,64 --dtype bf16 --device cuda:99");
  EXPECT_NE(none.exit, 0);
  EXPECT_NE(none.err, "");
}

TEST_F(Command, PackWithoutCompilerSaysSo) {
  write_text(path("cases"), "--shape 1,4,2,64,64,64 --dtype bf16\n");
  ::setenv("FA4_NVRTC", path("nowhere").c_str(), 1);
  ::setenv("FA4_CACHE_MB", "0", 1);
  const Answer answer = fa4("pack --arch sm_80 --cases cases -o kernels.pack");
  ::unsetenv("FA4_NVRTC");
  ::unsetenv("FA4_CACHE_MB");
  EXPECT_EQ(answer.exit, 3);
  EXPECT_NE(answer.err.find("cannot be compiled: FA4_NVRTC is "), std::string::npos) << answer.err;
  EXPECT_FALSE(exists("kernels.pack"));
  EXPECT_EQ(fa4("pack --arch sm_20 --cases cases -o kernels.pack").exit, 2);
}

TEST_F(Command, InfoListsBackends) {
  const Answer answer = fa4("info");
  EXPECT_EQ(answer.exit, 0) << answer.err;
  for (const char* word : {"version:", "threads:", "reference", "nvrtc:", "cache:", "sm80"}) {
    EXPECT_NE(answer.out.find(word), std::string::npos) << word;
  }
  EXPECT_TRUE(PlainJson::parse(fa4("info --json").out).contains("backends"));
}

TEST_F(Command, BenchWritesNothingButJsonToStandardOutput) {
  const Answer answer =
      fa4("bench --shape 1,2,1,32,32,16 --backend reference --pass backward --min-time 0 --json -");
  ASSERT_EQ(answer.exit, 0) << answer.err;
  const std::vector<std::string> lines = lines_of(answer.out);
  ASSERT_EQ(lines.size(), 1u);
  const PlainJson line = PlainJson::parse(lines[0]);
  EXPECT_EQ(line["case"], "fp32_d16/b1_h2_kv1_q32_k32");
  EXPECT_EQ(line["backend"], "reference");
  EXPECT_EQ(line["kernel"], "double");
  EXPECT_EQ(line["pass"], "backward");
  EXPECT_GT(line["median_ms"], 0);
  EXPECT_GT(line["tflops"], 0);
  EXPECT_GT(line["peak_mb"], 0);
}

TEST_F(Command, OutputThatCannotBeWrittenIsTwo) {
  for (const char* arguments : {"info", "bench --shape 1,1,1,8,8,8 --min-time 0 --json -"}) {
    EXPECT_EQ(fa4(std::string(arguments) + " > /dev/full; exit $?;").exit, 2) << arguments;
  }
}

TEST_F(Command, BenchReadsCaseLists) {
  write_text(path("list"),
             "# two cases\n\n--shape 1,1,1,16,16,8 --causal  # the first\n"
             "--shape 1,1,1,8,8,8,4 --dtype bf16 --pass backward\n");
  const Answer answer = fa4("bench --cases list --backend reference --min-time 0 --json out.jsonl");
  ASSERT_EQ(answer.exit, 0) << answer.err;
  const std::vector<std::string> lines = lines_of(read_text(path("out.jsonl")));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(PlainJson::parse(lines[0])["case"], "fp32_d8_causal/b1_h1_kv1_q16_k16");
  EXPECT_EQ(PlainJson::parse(lines[1])["case"], "bf16_d8_dv4/b1_h1_kv1_q8_k8");
  EXPECT_EQ(PlainJson::parse(lines[1])["pass"], "backward");
}

TEST_F(Command, BenchNamesTheLineThatIsWrong) {
  write_text(path("list"), "--shape 1,1,1,16,16,8\n\n--shape 1,1,1,8,8,8 --loud\n");
  expect_refusal("bench --cases list --json out.jsonl", 2, "list:3: ");
  EXPECT_FALSE(exists("out.jsonl"));
  write_text(path("list"), "--causal\n");
  expect_refusal("bench --cases list", 2, "list:1: there is no --shape");
  write_text(path("list"), "# nothing\n");
  expect_refusal("bench --cases list", 2, "holds no case");
  expect_refusal("bench --cases nowhere", 2, "cannot be opened");
}

TEST_F(Command, VerifyJudgesAShape) {
  const Answer answer = fa4(
      "verify --shape 2,4,2,70,90,24,40 --dtype bf16 --causal --backend reference --thread-check");
  EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_NE(answer.out.find("right"), std::string::npos);
}

TEST_F(Command, VerifyCountsFeaturesOfRandomProblems) {
  const Answer answer = fa4("verify --random 40 --seed 3 --backend reference");
  EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_NE(answer.out.find("both lengths cross three tiles"), std::string::npos);
  EXPECT_NE(answer.out.find("40 cases of seed 3 from 0 on, 0 failed"), std::string::npos)
      << answer.out;
}

}  // namespace
}  // namespace fa4::cli
