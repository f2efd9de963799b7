// SPDX-License-Identifier: Apache-2.0
// Sources, the compiler that is missing or too old, and, where NVRTC is here, compiling for real.
#include <thread>

#include "jit/fixture.h"

namespace fa4::jit {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Bundle, HoldsTheKernelsUnderVirtualNames) {
  const Bundle bundle = Bundle::embedded();
  ASSERT_TRUE(bundle.files().contains("/fa4/abi/attention.h"));
  EXPECT_TRUE(
      contains(bundle.files().at("/fa4/abi/attention.h"), "#include \"/fa4/base/types.h\""));
}

TEST(Bundle, ClosureIsWhatIsIncludedAndNothingElse) {
  Bundle bundle;
  bundle.add("a.h", "#include \"b.h\"\n");
  bundle.add("b.h", "#include \"a.h\"\nint b;");
  bundle.add("c.h", "");
  std::vector<const char*> names, texts;
  ASSERT_TRUE(bundle.closure_of("a.h", &names, &texts).ok());
  EXPECT_EQ(names.size(), 2u);
  bundle.add("d.h", "#include \"gone.h\"\n");
  const Status status = bundle.closure_of("d.h", &names, &texts);
  EXPECT_EQ(status.message, "/fa4/d.h includes /fa4/gone.h, which is not among the kernel sources");
}

TEST(Bundle, AFolderThatIsNoneIsRefused) {
  const Scratch scratch;
  Bundle bundle;
  EXPECT_TRUE(contains(Bundle::from_folder(scratch / "none", &bundle).message, "cannot be read"));
  EXPECT_TRUE(contains(Bundle::from_folder(scratch.path(), &bundle).message, "holds no kernel"));
}

TEST(Unit, KeyIsOfEverythingThatIsCompiled) {
  const Scratch scratch;
  write_scale_kernel(scratch.path());
  Bundle bundle;
  ASSERT_TRUE(Bundle::from_folder(scratch.path(), &bundle).ok());
  const auto key_of = [&](const plan::KernelSpec& spec, const char* arch, bool fmad = true) {
    Unit unit;
    EXPECT_TRUE(make_unit(bundle, spec, arch, fmad, &unit).ok());
    return unit.key;
  };
  const std::string key = key_of(scale_spec(), "sm_80");
  EXPECT_EQ(key_of(scale_spec(), "sm_80"), key);
  EXPECT_NE(key_of(scale_spec(), "sm_86"), key);
  EXPECT_NE(key_of(scale_spec(2), "sm_80"), key);
  EXPECT_NE(key_of(scale_spec(), "sm_80", false), key);
  bundle.add("unrelated.h", "int x;");
  EXPECT_EQ(key_of(scale_spec(), "sm_80"), key);
  bundle.add("tiny/params.h", std::string(kScaleParams) + "// edited\n");
  EXPECT_NE(key_of(scale_spec(), "sm_80"), key);
}

TEST(Resources, AreReadFromThePtxasLog) {
  const Resources used = resources_of(
      "ptxas info    : Function properties for f\n"
      "    32 bytes stack frame, 36 bytes spill stores, 28 bytes spill loads\n"
      "ptxas info    : Used 255 registers, used 1 barriers, 32 bytes cumulative stack size\n");
  EXPECT_EQ(used, (Resources{255, 32, 36, 28}));
}

TEST(Nvrtc, WhenAbsentTheSentenceSaysWhatToDo) {
  const Scratch scratch;
  write_scale_kernel(scratch / "kernels");
  Settings settings = settings_in(scratch);
  settings.nvrtc = scratch / "nowhere";
  Compiler compiler(settings);
  const Compiled result = compiler.get({scale_spec(), "sm_80", ""});
  EXPECT_EQ(result.status.code, FA4_ERROR_UNSUPPORTED);
  EXPECT_TRUE(contains(result.status.message,
                       "fa4_tiny_scale_1 for sm_80 is in no pack and cannot be compiled: "
                       "FA4_NVRTC is "))
      << result.status.message;
}

TEST(Nvrtc, TooOldIsRefusedWithItsVersion) {
  const NvrtcFile file{FA4_OLD_NVRTC, "old"};
  const Nvrtc* nvrtc = nullptr;
  const Status status = Nvrtc::open(file, &nvrtc);
  EXPECT_EQ(status.code, FA4_ERROR_UNSUPPORTED);
  EXPECT_TRUE(contains(status.message, "NVRTC 11.8")) << status.message;
  EXPECT_TRUE(contains(status.message, "too old: 12.0 or newer is needed")) << status.message;
}

TEST(Nvrtc, WhatIsNoLibraryIsRefused) {
  const Scratch scratch;
  write(scratch / "libnvrtc.so.13", "no library");
  NvrtcFile file;
  ASSERT_TRUE(find_nvrtc(scratch.path(), &file).ok());
  const Nvrtc* nvrtc = nullptr;
  EXPECT_TRUE(contains(Nvrtc::open(file, &nvrtc).message, "cannot be opened"));
}

class Compiling : public testing::Test {
 protected:
  void SetUp() override { write_scale_kernel(scratch_ / "kernels"); }
  const Scratch scratch_;
};

TEST_F(Compiling, ALaterProcessFindsItOnDisk) {
  FA4_NEEDS_NVRTC();
  const Wanted wanted{scale_spec(), "sm_80", "1"};
  Compiler first(settings_in(scratch_)), second(settings_in(scratch_)),
      third(settings_in(scratch_));
  const Compiled compiled = first.get(wanted);
  ASSERT_TRUE(compiled.status.ok()) << compiled.status.message;
  EXPECT_TRUE(contains(compiled.image->origin, "compiled in "));
  EXPECT_GT(compiled.image->resources.registers, 0u);
  EXPECT_EQ(first.get(wanted).image, compiled.image);
  const Compiled found = second.get(wanted);
  EXPECT_EQ(found.image->origin, "disk cache");
  EXPECT_EQ(found.image->code, compiled.image->code);
  EXPECT_TRUE(contains(third.get({scale_spec(), "sm_80", "2"}).image->origin, "compiled in "))
      << "another driver's version";
}

TEST_F(Compiling, AnEditedSourceIsCompiledAgain) {
  FA4_NEEDS_NVRTC();
  const Wanted wanted{scale_spec(), "sm_80", ""};
  ASSERT_TRUE(Compiler(settings_in(scratch_)).get(wanted).status.ok());
  write(scratch_ / "kernels/tiny/params.h", std::string(kScaleParams) + "// edited\n");
  EXPECT_TRUE(contains(Compiler(settings_in(scratch_)).get(wanted).image->origin, "compiled in "));
}

TEST_F(Compiling, ManyThreadsCompileOnce) {
  FA4_NEEDS_NVRTC();
  Compiler compiler(settings_in(scratch_));
  std::vector<std::shared_ptr<const Image>> images(8);
  std::vector<std::thread> threads;
  for (auto& image : images) {
    threads.emplace_back([&] { image = compiler.get({scale_spec(), "sm_80", ""}).image; });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_NE(images[0], nullptr);
  for (const auto& image : images) EXPECT_EQ(image, images[0]);
}

TEST_F(Compiling, APackNeedsNoCompiler) {
  FA4_NEEDS_NVRTC();
  const Wanted all[] = {{scale_spec(), "sm_80", ""}, {scale_spec(), "sm_90a", ""}};
  Compiler compiler(settings_in(scratch_));
  std::vector<PackedKernel> packed;
  size_t told = 0;
  for (const Compiled& result : compiler.compile_all(
           all, 2, [&](size_t, size_t, const Wanted&, const Compiled&) { ++told; })) {
    ASSERT_TRUE(result.status.ok()) << result.status.message;
    packed.push_back({result.key, result.image});
  }
  EXPECT_EQ(told, 2u);
  ASSERT_TRUE(write_pack(scratch_ / "pack", packed).ok());
  Settings settings = settings_in(scratch_);
  settings.packs = {scratch_ / "absent", scratch_ / "pack"};
  settings.cache_bytes = 0;
  settings.nvrtc = scratch_ / "nowhere";
  Compiler without(settings);
  EXPECT_FALSE(without.packs()[0].status.ok());
  for (size_t i = 0; i < 2; ++i) {  // the driver's version does not matter to a pack
    const Compiled result = without.get({all[i].spec, all[i].arch, "580"});
    ASSERT_TRUE(result.status.ok()) << result.status.message;
    EXPECT_EQ(result.image->code, packed[i].image->code);
  }
  EXPECT_FALSE(without.get({scale_spec(), "sm_86", ""}).status.ok());
}

TEST_F(Compiling, MistakesAndUnknownTargetsAreAnswers) {
  FA4_NEEDS_NVRTC();
  Compiler compiler(settings_in(scratch_));
  plan::KernelSpec wrong = scale_spec();
  wrong.function = "tiny::scales";
  const Compiled rejected = compiler.get({wrong, "sm_80", ""});
  EXPECT_EQ(rejected.status.code, FA4_ERROR_INTERNAL);
  EXPECT_TRUE(contains(rejected.status.message, "rejects fa4_tiny_scale_1 for sm_80"));
  EXPECT_TRUE(contains(rejected.status.message, "scales")) << rejected.status.message;
  const Compiled unknown = compiler.get({scale_spec(), "sm_20", ""});
  EXPECT_TRUE(contains(unknown.status.message, "does not know sm_20")) << unknown.status.message;
  std::string ptx;
  ASSERT_TRUE(compiler.ptx_of({scale_spec(), "sm_90a", ""}, &ptx).ok());
  EXPECT_TRUE(contains(ptx, ".target sm_90a")) << ptx.substr(0, 400);
}

}  // namespace
}  // namespace fa4::jit
