// SPDX-License-Identifier: Apache-2.0
// A file to read from at any offset, and a file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fa4::cli {

class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  int64_t size() const { return size_; }
  void read(int64_t offset, std::span<std::byte> to) const;  // all of `to`, or a Failure

 private:
  int descriptor_ = -1;
  int64_t size_ = 0;
};

// A whole file of at most so many bytes; a Failure names the file.
std::string read_text_file(const std::string& path, int64_t most_bytes);

// Written beside its place and renamed into it by commit(); without that, nothing is left behind.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(const std::string& text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

}  // namespace fa4::cli
