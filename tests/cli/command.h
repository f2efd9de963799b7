// SPDX-License-Identifier: Apache-2.0
// Runs the built command in a folder of the test's own.
#pragma once

#include <sys/wait.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fa4/safetensors.h"
#include "gtest/gtest.h"

namespace fa4::cli {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct Answer {
  int exit = -1;
  std::string out, err;
};

class CommandTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "fa4-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  // Everything in the folder but what fa4() writes.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name != "stdout" && name != "stderr") names.push_back(name);
    }
    return names;
  }

  // Runs the command in the folder with these arguments.
  Answer fa4(const std::string& arguments) const {
    const std::string line = "cd '" + folder_.string() + "' && '" FA4_COMMAND "' " + arguments +
                             " > stdout 2> stderr < /dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder_ / "stdout"),
            read_text(folder_ / "stderr")};
  }

  // One sentence on standard error that holds `words`, and the exit code.
  void expect_refusal(const std::string& arguments, int exit, const std::string& words) const {
    const Answer answer = fa4(arguments);
    EXPECT_EQ(answer.exit, exit) << arguments << "\n" << answer.err;
    EXPECT_NE(answer.err.find(words), std::string::npos) << arguments << "\n" << answer.err;
    EXPECT_EQ(answer.err.find('\n'), answer.err.size() - 1) << answer.err;
  }

  void write_tensors(const std::string& name, const std::vector<TensorToWrite>& tensors) const {
    OutputFile file(path(name));
    write_safetensors(file, tensors);
    file.commit();
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace fa4::cli
