// SPDX-License-Identifier: Apache-2.0
#include "jit/disk_cache.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jit/fixture.h"

namespace fa4::jit {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMb = 1 << 20;

TEST(DiskCache, GivesBackWhatWasPut) {
  const Scratch scratch;
  const DiskCache cache(scratch / "deep/cache", kMb);
  const Image image = some_image("a", 100);
  Image found;
  EXPECT_FALSE(cache.find("key", &found));
  ASSERT_TRUE(cache.put("key", image).ok());
  ASSERT_TRUE(cache.find("key", &found));
  EXPECT_EQ(found.code, image.code);
  EXPECT_EQ(found.source, image.source);
  EXPECT_EQ(found.resources, image.resources);
  EXPECT_FALSE(cache.find("other key", &found));
  EXPECT_EQ(cache.usage().entries, 1u);
  EXPECT_EQ(read_file(scratch / "deep/cache/entries/key/kernel.cu"), image.source);
}

class DamagedEntry : public testing::TestWithParam<const char*> {};

TEST_P(DamagedEntry, IsAbsentAndReplaced) {
  const Scratch scratch;
  const DiskCache cache(scratch.path(), kMb);
  const Image image = some_image("a", 1000);
  for (const char* damage : {"flip", "truncate", "empty", "remove"}) {
    ASSERT_TRUE(cache.put("key", image).ok());
    const std::string path = scratch / "entries/key/" + GetParam();
    std::string bytes = read_file(path).value();
    if (damage == std::string("flip")) bytes[bytes.size() / 2] ^= 1;
    if (damage == std::string("truncate")) bytes.pop_back();
    if (damage == std::string("empty")) bytes.clear();
    write(path, bytes);
    if (damage == std::string("remove")) fs::remove(path);
    Image found;
    EXPECT_FALSE(cache.find("key", &found)) << damage;
    ASSERT_TRUE(cache.put("key", image).ok()) << damage;
    ASSERT_TRUE(cache.find("key", &found)) << damage;
    EXPECT_EQ(found.code, image.code);
  }
}
INSTANTIATE_TEST_SUITE_P(DiskCache, DamagedEntry,
                         testing::Values("kernel.cubin", "kernel.cu", "ptxas.log", "checksum"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(DiskCache, FileInTheEntrysPlaceIsReplaced) {
  const Scratch scratch;
  const DiskCache cache(scratch.path(), kMb);
  write(scratch / "entries/key", "no folder");
  ASSERT_TRUE(cache.put("key", some_image("a", 10)).ok());
  Image found;
  EXPECT_TRUE(cache.find("key", &found));
}

TEST(DiskCache, ThrowsAwayWhatWasUsedLongestAgo) {
  const Scratch scratch;
  const DiskCache cache(scratch.path(), 10000);
  Image found;
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_TRUE(cache.put(key, some_image(key, 2000)).ok());
    usleep(20000);
  }
  ASSERT_TRUE(cache.find("a", &found));  // now b is the oldest
  usleep(20000);
  ASSERT_TRUE(cache.put("d", some_image("d", 4000)).ok());
  EXPECT_TRUE(cache.find("a", &found));
  EXPECT_FALSE(cache.find("b", &found));
  EXPECT_TRUE(cache.find("d", &found));
  EXPECT_LE(cache.usage().bytes, 10000u);
  EXPECT_TRUE(fs::is_empty(scratch / "aside"));
}

TEST(DiskCache, WithoutAFolderOrAtLimitZeroNothingIsKept) {
  const Scratch scratch;
  Image found;
  for (const DiskCache& cache : {DiskCache("", kMb), DiskCache(scratch.path(), 0)}) {
    EXPECT_FALSE(cache.enabled());
    EXPECT_TRUE(cache.put("key", some_image("a", 10)).ok());
    EXPECT_FALSE(cache.find("key", &found));
  }
  EXPECT_TRUE(fs::is_empty(scratch.path()));
}

TEST(DiskCache, SaysWhyItCannotWrite) {
  const Scratch scratch;
  write(scratch / "file", "in the way");
  const DiskCache cache(scratch / "file/cache", kMb);
  const Status status = cache.put("key", some_image("a", 10));
  EXPECT_EQ(status.code, FA4_ERROR_UNSUPPORTED);
  EXPECT_NE(status.message.find("file/cache/entries cannot be made"), std::string::npos);
}

// Many processes put, find, damage and evict the same few keys; whatever is found is right.
TEST(DiskCache, ServesManyProcessesAtOnce) {
  constexpr int kProcesses = 6, kRounds = 150;
  const Scratch scratch;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const DiskCache cache(scratch.path(), 30000);
      for (int round = 0; round < kRounds; ++round) {
        const std::string key = "key" + std::to_string((round * 7 + process) % 5);
        const Image image = some_image(key, 5000);
        Image found;
        if (cache.find(key, &found) && found.code != image.code) _exit(1);
        if (!cache.put(key, image).ok()) _exit(2);
        if (round % 11 == process)
          truncate((scratch / "entries/" + key + "/kernel.cubin").c_str(), 7);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

// Writers that are killed at any moment leave nothing that would be taken for an entry.
TEST(DiskCache, SurvivesKilledWriters) {
  const Scratch scratch;
  const Image image = some_image("key", 300000);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const DiskCache cache(scratch.path(), 64 * kMb);
      for (int i = 0;; ++i) {
        if (!cache.put("key" + std::to_string(i % 3), image).ok()) _exit(1);
        fs::remove_all(scratch / "entries/key" + std::to_string((i + 1) % 3));
      }
    }
    usleep(static_cast<useconds_t>(1000 + 700 * round));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
  }
  const DiskCache cache(scratch.path(), 64 * kMb);
  for (int i = 0; i < 3; ++i) {
    const std::string key = "key" + std::to_string(i);
    Image found;
    if (cache.find(key, &found)) {
      EXPECT_EQ(found.code, image.code);
    }
    ASSERT_TRUE(cache.put(key, image).ok());
    EXPECT_TRUE(cache.find(key, &found));
  }
}

}  // namespace
}  // namespace fa4::jit
