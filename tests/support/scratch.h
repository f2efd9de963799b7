// SPDX-License-Identifier: Apache-2.0
// A folder of a test's own, which goes with it, and commands that run in it.
#pragma once

#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace fa4::test {

class Scratch {
 public:
  Scratch() {
    path_ = (std::filesystem::temp_directory_path() / "fa4-test-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no folder " + path_);
  }
  ~Scratch() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Answer {
  int exit = -1;
  std::string out, err;
};

// What a line of shell says when it runs in the folder; its output lies there as `stdout` and `stderr`.
inline Answer shell(const Scratch& folder, const std::string& words) {
  const std::string line =
      "cd '" + folder.path() + "' && " + words + " > stdout 2> stderr < /dev/null";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder / "stdout"),
          read_text(folder / "stderr")};
}

}  // namespace fa4::test
