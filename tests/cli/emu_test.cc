// SPDX-License-Identifier: Apache-2.0
// fa4 emu and the backends emulated:…, on the PTX machine.
#include "command.h"

namespace fa4::cli {
namespace {

// x[i] *= factor for i < count.
constexpr const char* kScale = R"(// SPDX-License-Identifier: Apache-2.0
.version 8.0
.target sm_80
.address_size 64
.visible .entry scale(.param .u64 x, .param .f32 factor, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .f32 %f<4>;
  .reg .b32 %r<6>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [x];
  ld.param.f32 %f1, [factor];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra $end;
  mul.wide.u32 %rd2, %r5, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.f32 %f2, [%rd3];
  mul.rn.f32 %f3, %f2, %f1;
  st.global.f32 [%rd3], %f3;
$end:
  ret;
}
)";

// Of `count` elements, in a buffer of 200.
std::string scale_spec(int count, const std::string& more = "") {
  return R"({"entry": "scale", "grid": [2], "block": [128],
 "params": [{"offset": 0, "buffer": "x"}, {"offset": 8, "type": "f32", "value": 2},
            {"offset": 12, "type": "u32", "value": )" +
         std::to_string(count) + R"(}],
 "buffers": {"x": {"file": "in.safetensors", "tensor": "y")" +
         more + R"(}}, "outputs": ["x"]})";
}

// A block adds a tile of ones to a tensor map's box at (4, 1).
constexpr const char* kAddTile = R"(.version 8.6
.target sm_90a
.address_size 64
.visible .entry add_tile(.param .u64 unused, .param .align 64 .b8 map[128])
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<2>;
  .shared .align 128 .b8 tile[128];
  mov.u32 %r1, tile;
  mov.b32 %r2, 0f3F800000;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r3, %r3, 4, %r1;
  st.shared.b32 [%r3], %r2;
  fence.proxy.async;
  bar.sync 0;
  mov.u32 %r3, %tid.x;
  .reg .pred %p1;
  setp.ne.u32 %p1, %r3, 0;
  @%p1 bra DONE;
  mov.b64 %rd1, map;
  cvta.param.u64 %rd1, %rd1;
  cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%rd1, {4, 1}], [%r1];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
  ret;
}
)";

class Emu : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    const Answer info = fa4("info");
    if (info.out.find("machine: none") != std::string::npos) {
      GTEST_SKIP() << "needs the PTX machine (make emu)";
    }
    write_text(path("scale.ptx"), kScale);
    write_text(path("scale.json"), scale_spec(200));
    Tensor y(ElementType::Float32, {200});
    for (int64_t i = 0; i < 200; ++i) {
      store_element(y.storage().data() + i * 4, ElementType::Float32, static_cast<double>(i));
    }
    write_tensors("in.safetensors", {{"y", &y}});
  }

  void expect_bad_spec(const std::string& spec, const std::string& words) const {
    write_text(path("bad.json"), spec);
    expect_refusal("emu scale.ptx --launch bad.json", 2, words);
  }
};

TEST_F(Emu, RunsAKernelOnTensorsOfAFile) {
  for (const char* policy : {"eager", "lazy", "reverse", "torn", "random --seed 5"}) {
    const Answer answer = fa4(std::string("emu scale.ptx --launch scale.json -o out.safetensors ") +
                              "--policy " + policy);
    ASSERT_EQ(answer.exit, 0) << policy << answer.out << answer.err;
    EXPECT_NE(answer.out.find("scale: finished, 0 errors, 109 warp instructions"),
              std::string::npos)
        << answer.out;
    Archive archive = read_safetensors_file(path("out.safetensors"));
    ASSERT_NE(archive.find("x"), nullptr);
    EXPECT_EQ(archive.find("x")->value(0), 0);
    EXPECT_EQ(archive.find("x")->value(199), 398);
  }
}

TEST_F(Emu, ReportsAnAccessBehindABuffer) {
  write_text(path("beyond.json"), scale_spec(201));
  const Answer answer = fa4("emu scale.ptx --launch beyond.json");
  EXPECT_EQ(answer.exit, 1) << answer.err;
  EXPECT_NE(answer.out.find("finished, 2 errors"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("\nout of bounds: lane 8 would read 4 bytes"), std::string::npos);
  EXPECT_NE(answer.out.find("nearest is x, 800 bytes"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("ld.global.f32 %f2, [%rd3]"), std::string::npos) << answer.out;
}

TEST_F(Emu, ReportsAWriteToWhatMayNotBeWritten) {
  write_text(path("constant.json"), scale_spec(200, ", \"writable\": false"));
  const Answer answer = fa4("emu scale.ptx --launch constant.json -o out.safetensors");
  EXPECT_EQ(answer.exit, 1) << answer.out << answer.err;
  EXPECT_NE(answer.out.find("st.global.f32 [%rd3], %f3"), std::string::npos) << answer.out;
  Archive archive = read_safetensors_file(path("out.safetensors"));
  EXPECT_EQ(archive.find("x")->value(199), 199);
}

TEST_F(Emu, TakesTensorMaps) {
  write_text(path("add.ptx"), kAddTile);
  write_text(path("add.json"), R"({"entry": "add_tile", "block": [32],
 "params": [{"offset": 64, "tensor_map": {"buffer": "x", "dtype": "f32", "sizes": [12, 4], "strides": [48],
                                         "box": [8, 4], "byte_offset": 16}}],
 "buffers": {"x": {"fill": {"dtype": "f32", "shape": [60], "value": 5}}}, "outputs": ["x"]})");
  const Answer answer = fa4("emu add.ptx --launch add.json --arch sm_90a -o out.safetensors");
  ASSERT_EQ(answer.exit, 0) << answer.out << answer.err;
  Archive archive = read_safetensors_file(path("out.safetensors"));
  for (int64_t i = 0; i < 60; ++i) {
    const int64_t place = i - 4, column = place % 12, row = place / 12;
    const bool added = place >= 0 && column >= 4 && row >= 1 && row < 4;
    EXPECT_EQ(archive.find("x")->value(i), added ? 6 : 5) << i;
  }
}

TEST_F(Emu, StopsAfterTheMostInstructions) {
  const Answer answer = fa4("emu scale.ptx --launch scale.json --max-instructions 10 --threads 1");
  EXPECT_EQ(answer.exit, 1) << answer.out << answer.err;
  EXPECT_NE(answer.out.find("stopped before its end"), std::string::npos) << answer.out;
}

TEST_F(Emu, RefusesBadTexts) {
  const std::string ptx = kScale;
  write_text(path("bad.ptx"), ptx.substr(0, ptx.size() - 20));
  expect_refusal("emu bad.ptx --launch scale.json", 2, "line 2");
  std::string unknown = ptx;
  unknown.replace(unknown.find("mul.rn.f32"), 10, "mul.up.f32");
  write_text(path("bad.ptx"), unknown);
  expect_refusal("emu bad.ptx --launch scale.json", 2, "unknown form: mul.up.f32");
  expect_refusal("emu missing.ptx --launch scale.json", 2, "missing.ptx");
  expect_refusal("emu scale.ptx --launch missing.json", 2, "missing.json");
  expect_refusal("emu scale.ptx --launch scale.json --policy slow", 2, "policy is \"slow\"");
  expect_refusal("emu scale.ptx --launch scale.json --policy starve:Mma", 2,
                 "policy is starve:Mma; scale has no roles, but warps 0 to ");
  expect_refusal("emu scale.ptx --launch scale.json --numerics rough", 2, "numerics is \"rough\"");
  expect_refusal("emu scale.ptx --launch scale.json --arch sm_70", 2, "--arch is");
}

TEST_F(Emu, RefusesBadSpecs) {
  const std::string spec = scale_spec(200);
  const auto replaced = [&](const std::string& what, const std::string& by) {
    std::string text = spec;
    return text.replace(text.find(what), what.size(), by);
  };
  expect_bad_spec("{", "not JSON");
  expect_bad_spec("[]", "must be an object");
  expect_bad_spec("{}", "has no entry");
  expect_bad_spec(replaced("\"grid\"", "\"grip\""), "a member 'grip'");
  expect_bad_spec(replaced("[2]", "[2, -1]"), "it must be an integer from 0 to 4294967295");
  expect_bad_spec(replaced("\"scale\"", "\"shrink\""), "no entry shrink");
  expect_bad_spec(replaced("\"offset\": 8", "\"offset\": 4"), "lies over the one before it");
  expect_bad_spec(replaced("\"offset\": 12", "\"offset\": 14"), "have 16 bytes");
  expect_bad_spec(replaced("\"type\": \"u32\"", "\"type\": \"u7\""), "has the type");
  expect_bad_spec(replaced("\"type\": \"u32\", \"value\": 200", "\"type\": \"u8\", \"value\": 256"),
                  "it must fit 8 bits");
  expect_bad_spec(replaced("\"buffer\": \"x\"", "\"buffer\": \"z\""), "which is not there");
  const auto map = [&](const std::string& fields) {
    return replaced("\"buffer\": \"x\"", "\"tensor_map\": {" + fields + "}");
  };
  expect_bad_spec(map(""), "tensor_map has no dtype");
  expect_bad_spec(map(R"("dtype": "f8")"), "dtype is 'f8'; it must be one of u8, u16");
  expect_bad_spec(map(R"("dtype": "f32", "sizes": [])"), "a list of 1 to 5 integers");
  expect_bad_spec(map(R"("dtype": "f32", "sizes": [8, 4], "strides": [], "box": [4, 2])"),
                  "tensor_map.strides is '[]'; it must be a list of 1 integers");
  expect_bad_spec(map(R"("dtype": "f32", "sizes": [8], "strides": [], "box": [4])"),
                  "names no buffer");
  expect_bad_spec(
      map(R"("dtype": "f32", "sizes": [8], "strides": [], "box": [4], "swizzle": "96B")"),
      "swizzle is '96B'");
  expect_bad_spec(map(R"("dtype": "f32", "sizes": [8], "strides": [], "box": [4], "buffer": "x")"),
                  "lies over the one before it, which ends at 128");
  expect_bad_spec(replaced("\"buffer\": \"x\"", R"("tensor_map": {}, "value": 1)"),
                  "is a tensor map and has a value");
  expect_bad_spec(replaced("\"tensor\": \"y\"", "\"tensor\": \"w\""), "there is no tensor");
  expect_bad_spec(replaced("in.safetensors", "gone.safetensors"), "gone.safetensors");
  expect_bad_spec(replaced("[\"x\"]", "[\"q\"]"), "outputs names the buffer");
}

TEST_F(Emu, MachineOptionsBelongToEmulatedBackends) {
  expect_refusal("run --shape 1,1,1,8,8,16 --backend cpu --policy lazy", 2,
                 "--policy is an option");
  expect_refusal("verify --random 1 --schedule-seed 3", 2, "--schedule-seed is an option");
}

// What needs NVRTC.
class EmulatedBackend : public Emu {
 protected:
  void SetUp() override {
    Emu::SetUp();
    if (IsSkipped()) return;
    ::setenv("FA4_VERBOSE", "0", 1);
    if (fa4("info").out.find("nvrtc:   none") != std::string::npos) {
      GTEST_SKIP() << "needs NVRTC, which was not found (make puts it under build/)";
    }
  }
};

TEST_F(EmulatedBackend, IsRightUnderEveryPolicy) {
  for (const char* policy : {"eager", "lazy", "reverse", "torn", "random", "starve:0-1"}) {
    const Answer answer =
        fa4(std::string("verify --backend emulated:sm_80 --shape 1,2,1,70,130,64 --dtype bf16 "
                        "--causal --schedule-seed 7 --machine-report report.txt --policy ") +
            policy);
    EXPECT_EQ(answer.exit, 0) << policy << "\n" << answer.out << answer.err;
    EXPECT_NE(answer.out.find("emulated:sm_80/sm80: right"), std::string::npos) << answer.out;
  }
  const std::string report = read_text(path("report.txt"));
  EXPECT_NE(report.find("fa4_sm80_forward_bf16_d64"), std::string::npos);
  EXPECT_NE(report.find("fa4_sm80_backward_main_bf16_d64"), std::string::npos);
  EXPECT_EQ(report.find("stopped"), std::string::npos);
}

// Cluster launch control, over tiles of every kind: the bits are those of the walk.
TEST_F(EmulatedBackend, ClaimsTilesOfBlackwell) {
  const std::string run =
      "run --backend emulated:sm_100a --kernel sm100 --shape 1,3,1,300,260,64 --dtype bf16 --causal "
      "--policy random --schedule-seed 5 ";
  ASSERT_EQ(fa4(run + "-o walk.safetensors").exit, 0);
  ::setenv("FA4_CLAIM_TILES", "1", 1);
  const Answer plan = fa4("plan --device sm_100a --shape 1,2,1,300,260,64 --dtype bf16");
  const Answer claimed = fa4(run + "-o claims.safetensors");
  const Answer random =
      fa4("verify --backend emulated:sm_100a --kernel sm100 --random 2 --seed 3 --policy torn");
  ::unsetenv("FA4_CLAIM_TILES");
  EXPECT_NE(plan.out.find("_claims"), std::string::npos) << plan.out;
  EXPECT_EQ(claimed.exit, 0) << claimed.err;
  EXPECT_EQ(read_text(path("walk.safetensors")), read_text(path("claims.safetensors")));
  EXPECT_EQ(random.exit, 0) << random.out << random.err;
}

TEST_F(EmulatedBackend, RunsDecode) {
  const Answer answer =
      fa4("run --shape 1,8,2,1,300,64 --dtype fp16 --backend emulated:sm_80 --policy lazy --check");
  EXPECT_EQ(answer.exit, 0) << answer.out << answer.err;
  EXPECT_NE(answer.out.find("backend: emulated:sm_80"), std::string::npos) << answer.out;
}

TEST_F(EmulatedBackend, IsNeverChosenByItself) {
  const Answer answer = fa4("plan --shape 1,2,2,64,64,64 --dtype bf16");
  EXPECT_EQ(answer.exit, 0) << answer.err;
  EXPECT_EQ(answer.out.find("emulated"), std::string::npos) << answer.out;
  expect_refusal("plan --shape 1,2,2,64,64,64 --dtype bf16 --kernel sm80", 3, "host memory");
}

TEST_F(EmulatedBackend, RefusesWhatItsKernelsDo) {
  expect_refusal("plan --shape 1,2,2,64,64,64 --dtype fp32 --backend emulated:sm_80", 3,
                 "bfloat16 and float16");
  expect_refusal("plan --shape 1,2,2,64,64,64 --backend emulated:sm_70 --dtype bf16", 2,
                 "is unknown");
  expect_refusal("run --shape 1,2,2,64,64,64 --dtype bf16 --backend emulated:sm_80 --policy slow",
                 2, "policy is \"slow\"");
}

}  // namespace
}  // namespace fa4::cli
