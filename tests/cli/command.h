// SPDX-License-Identifier: Apache-2.0
// Runs the built command in a folder of the test's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fa4/safetensors.h"
#include "gtest/gtest.h"
#include "support/scratch.h"

namespace fa4::cli {

using test::Answer;
using test::read_text;

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class CommandTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  // Everything in the folder but what fa4() writes.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().string();
      if (name != "stdout" && name != "stderr") names.push_back(name);
    }
    return names;
  }

  // Runs the command in the folder with these arguments.
  Answer fa4(const std::string& arguments) const {
    return test::shell(folder_, "'" FA4_COMMAND "' " + arguments);
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
  test::Scratch folder_;
};

}  // namespace fa4::cli
