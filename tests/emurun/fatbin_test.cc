// SPDX-License-Identifier: Apache-2.0
// Fat binaries and what compresses them.
#include "emurun/fatbin.h"

#include "emurun/base.h"
#include "emurun/decompress.h"
#include "fatbin_bytes.h"
#include "gtest/gtest.h"

namespace fa4::emurun {
namespace {

using testing::Compression;
using testing::fat_binary;
using testing::Part;

std::string ptx_for(const std::string& target) {
  std::string text = ".version 8.0\n.target " + target + "\n.address_size 64\n";
  for (int i = 0; i < 300; ++i) text += "// " + std::to_string(i * i) + " the same words again\n";
  return text;
}

Status status_of(const std::string& bytes) {
  return driver_call("image", [&](const char* self) { read_image(bytes.c_str(), self); });
}

TEST(FatBinary, HoldsTextsPlainAndCompressed) {
  for (const Compression compression : {Compression::None, Compression::Lz4, Compression::Zstd}) {
    const std::string bytes = fat_binary({{true, 80, ptx_for("sm_80"), compression},
                                          {false, 90,
                                           "\x7f"
                                           "ELF",
                                           Compression::None},
                                          {true, 90, ptx_for("sm_90a"), compression}});
    const testing::Wrapper wrapper{.data = bytes.data()};
    for (const void* image :
         {static_cast<const void*>(bytes.data()), static_cast<const void*>(&wrapper)}) {
      const ProgramImage read = read_image(image, "image");
      ASSERT_EQ(read.binaries.size(), 1u);
      const auto& images = read.binaries[0];
      ASSERT_EQ(images.size(), 3u);
      EXPECT_EQ(images[0].ptx, ptx_for("sm_80"));
      EXPECT_FALSE(images[1].is_ptx);
      EXPECT_EQ(images[2].ptx, ptx_for("sm_90a"));
      EXPECT_EQ(contents_of(images), "PTX for sm_80, a cubin for sm_90, PTX for sm_90a");
    }
  }
}

TEST(FatBinary, Lz4OfTheTestReallyHasMatches) {
  EXPECT_LT(testing::lz4_block(ptx_for("sm_80")).size(), ptx_for("sm_80").size() / 2);
}

TEST(FatBinary, OfLinkedProgramsIsAList) {
  const std::string first = fat_binary({{true, 80, ptx_for("sm_80"), Compression::None}});
  const std::string second = fat_binary({{true, 90, ptx_for("sm_90"), Compression::Lz4}});
  const void* const files[] = {first.data(), second.data(), nullptr};
  const testing::Wrapper wrapper{.version = 2, .data = first.data(), .files = files};
  const ProgramImage read = read_image(&wrapper, "image");
  ASSERT_EQ(read.binaries.size(), 2u);
  EXPECT_EQ(read.binaries[1][0].ptx, ptx_for("sm_90"));
}

TEST(FatBinary, HighestPtxThatRunsIsChosen) {
  std::vector<FatImage> images;
  for (const char* target : {"sm_75", "sm_90", "sm_90a", "sm_80", "sm_100a", "sm_100f", "sm_120"}) {
    images.push_back({true, 0, ptx_for(target)});
  }
  const auto best = [&](uint32_t arch) { return target_of(best_ptx(images, arch)->ptx); };
  EXPECT_EQ(best(80), "sm_80");
  EXPECT_EQ(best(86), "sm_80");
  EXPECT_EQ(best(90), "sm_90a");
  EXPECT_EQ(best(103), "sm_100f");
  EXPECT_EQ(best(120), "sm_120");
  EXPECT_EQ(best_ptx(images, 70), nullptr);
}

TEST(FatBinary, DamageIsRefused) {
  const std::string good = fat_binary({{true, 80, ptx_for("sm_80"), Compression::Lz4}});
  EXPECT_EQ(status_of(good), kSuccess);
  std::string bad = good;
  bad[16 + 4] = 1;  // the entry's header
  EXPECT_EQ(status_of(bad), kInvalidImage);
  bad = good;
  bad[16 + 11] = 1;  // the payload
  EXPECT_EQ(status_of(bad), kInvalidImage);
  bad = good;
  bad[16 + 56] = static_cast<char>(bad[16 + 56] + 1);  // the text's size
  EXPECT_EQ(status_of(bad), kInvalidImage);
  bad = good;
  bad[16 + 16 + 3] = 1;  // the compressed size
  EXPECT_EQ(status_of(bad), kInvalidImage);
}

TEST(Decompress, BlocksThatLeaveTheirTextAreRefused) {
  std::string text(20, ' ');
  const auto refused = [&](const std::string& block) {
    return decompress_lz4(reinterpret_cast<const std::byte*>(block.data()), block.size(), &text) !=
           nullptr;
  };
  EXPECT_TRUE(refused("\xf0"));  // a length that does not end
  EXPECT_TRUE(
      refused("\x50"
              "abc"));  // fewer literals than said
  EXPECT_TRUE(
      refused(std::string("\x10"
                          "a\x02",
                          3)));  // half a distance
  EXPECT_TRUE(
      refused(std::string("\x10"
                          "a\x02\x00",
                          4)));  // a match before the text
  EXPECT_TRUE(
      refused(std::string("\x10"
                          "a\x00\x00",
                          4)));  // no distance
  EXPECT_TRUE(
      refused(std::string("\x1f"
                          "a\x01\x00\x40",
                          5)));  // a match behind the text
  EXPECT_FALSE(
      refused(std::string("\x1f"
                          "a\x01\x00\x00",
                          5)));  // 1 + 15 + 4, all of it
  EXPECT_EQ(text, std::string(20, 'a'));
}

}  // namespace
}  // namespace fa4::emurun
