// SPDX-License-Identifier: Apache-2.0
#include "jit/pack.h"

#include "jit/fixture.h"
#include "jit/sha256.h"

namespace fa4::jit {
namespace {

std::vector<PackedKernel> two_kernels() {
  std::vector<PackedKernel> kernels;
  for (const char* key : {"one", "two"}) {
    kernels.push_back({key, std::make_shared<Image>(some_image(key, 100))});
  }
  return kernels;
}

TEST(Pack, GivesBackWhatWasWritten) {
  const Scratch scratch;
  const auto kernels = two_kernels();
  ASSERT_TRUE(write_pack(scratch / "p", kernels).ok());
  Pack pack;
  ASSERT_TRUE(Pack::open(scratch / "p", &pack).ok());
  EXPECT_EQ(pack.size(), 2u);
  EXPECT_EQ(pack.archs(), "sm_80");
  bool found = false;
  Image image;
  ASSERT_TRUE(pack.find("two", &image, &found).ok());
  ASSERT_TRUE(found);
  EXPECT_EQ(image.code, kernels[1].image->code);
  EXPECT_EQ(image.resources, kernels[1].image->resources);
  ASSERT_TRUE(pack.find("three", &image, &found).ok());
  EXPECT_FALSE(found);
}

TEST(Pack, AnotherFileInItsPlaceChangesNothing) {
  const Scratch scratch;
  ASSERT_TRUE(write_pack(scratch / "p", two_kernels()).ok());
  Pack pack;
  ASSERT_TRUE(Pack::open(scratch / "p", &pack).ok());
  ASSERT_TRUE(write_pack(scratch / "p", {}).ok());
  bool found = false;
  Image image;
  EXPECT_TRUE(pack.find("one", &image, &found).ok());
  EXPECT_TRUE(found);
}

TEST(Pack, IsRefusedWithTheReason) {
  const Scratch scratch;
  Pack pack;
  EXPECT_NE(Pack::open(scratch / "none", &pack).message.find("cannot be read"), std::string::npos);
  write(scratch / "text", std::string(1000, 'x'));
  EXPECT_NE(Pack::open(scratch / "text", &pack).message.find("is no pack"), std::string::npos);
}

// Every single damaged byte and every length is noticed: at opening, or when the kernel is asked for.
TEST(Pack, DamageIsNoticed) {
  const Scratch scratch;
  const auto kernels = two_kernels();
  ASSERT_TRUE(write_pack(scratch / "p", kernels).ok());
  const std::string bytes = read_file(scratch / "p").value();
  const auto all_is_well = [&](const std::string& damaged) {
    write(scratch / "damaged", damaged);
    Pack pack;
    if (!Pack::open(scratch / "damaged", &pack).ok()) return false;
    for (const PackedKernel& kernel : kernels) {
      Image image;
      bool found = false;
      if (!pack.find(kernel.key, &image, &found).ok() || !found) return false;
      EXPECT_EQ(image.code, kernel.image->code);
    }
    return true;
  };
  ASSERT_TRUE(all_is_well(bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 0x20;
    EXPECT_FALSE(all_is_well(damaged)) << "byte " << i;
    if (i % 7 == 0) {
      EXPECT_FALSE(all_is_well(bytes.substr(0, i))) << "length " << i;
    }
  }
}

TEST(Sha256, KnowsTheStandardsExamples) {
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_NE(Sha256().add("ab").add("c").hex(), Sha256().add("a").add("bc").hex());
}

}  // namespace
}  // namespace fa4::jit
