// SPDX-License-Identifier: Apache-2.0
// Runs emurun in a folder of the test's own.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace fa4::emurun {

struct Answer {
  int exit = -1;
  std::string out, err;
};

class EmurunTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "fa4-emurun-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  Answer shell(const std::string& words) const {
    const std::string line =
        "cd '" + folder_.string() + "' && " + words + " > stdout 2> stderr < /dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder_ / "stdout"),
            read_text(folder_ / "stderr")};
  }

  Answer emurun(const std::string& words) const { return shell("'" FA4_EMURUN "' " + words); }

  // The program of tests/emurun/program.
  Answer program(const std::string& mode, const std::string& options = "") const {
    return emurun(options + " '" FA4_EMURUN_PROGRAM "' " + mode);
  }

 private:
  std::filesystem::path folder_;
};

inline bool holds(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace fa4::emurun
