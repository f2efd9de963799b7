// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "error.h"

namespace fa4::cli {
namespace {

std::string reason() { return std::strerror(errno); }

// The file that a path leads to, through symbolic links; the path itself when nothing is there yet.
std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (!real) return path;
  std::string result = real;
  std::free(real);
  return result;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

InputFile::InputFile(const std::string& path)
    : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) bad_input("it cannot be opened: {}", reason());
  struct stat facts {};
  const bool is_file = ::fstat(descriptor_, &facts) == 0 && S_ISREG(facts.st_mode);
  size_ = facts.st_size;
  if (!is_file) {
    ::close(descriptor_);
    bad_input("it is not a regular file");
  }
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(int64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(descriptor_, to.data(), to.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) bad_input("it cannot be read: {}", reason());
    if (got == 0) bad_input("it became shorter while it was read");
    to = to.subspan(static_cast<size_t>(got));
    offset += got;
  }
}

std::string read_text_file(const std::string& path, int64_t most_bytes) {
  try {
    const InputFile file(path);
    if (file.size() > most_bytes) {
      bad_input("it has {} bytes; at most {} are read", file.size(), most_bytes);
    }
    std::string text(static_cast<size_t>(file.size()), '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    return text;
  } catch (const Failure& failure) {
    throw Failure(failure.exit(), fmt::format("{}: {}", path, failure.what()));
  }
}

OutputFile::OutputFile(const std::string& path) : path_(resolved(path)) {
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) == 0) {
    if (!S_ISREG(facts.st_mode)) bad_input("{} cannot be written: it is not a regular file", path);
    if (::access(path_.c_str(), W_OK) != 0) bad_input("{} cannot be written: {}", path, reason());
  }
  temporary_ = folder_of(path_) + (folder_of(path_) == "." ? "/" : "") + ".fa4-XXXXXX";
  descriptor_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (descriptor_ < 0) bad_input("{} cannot be written: {}", path, reason());
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(descriptor_, 0666 & ~mask);
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) bad_input("{} cannot be written: {}", path_, reason());
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
}

void OutputFile::commit() {
  const int descriptor = descriptor_;
  descriptor_ = -1;
  const bool flushed = ::fsync(descriptor) == 0;
  const bool closed = ::close(descriptor) == 0;
  if (flushed && closed && ::rename(temporary_.c_str(), path_.c_str()) == 0) return;
  const std::string why = reason();
  ::unlink(temporary_.c_str());
  bad_input("{} cannot be written: {}", path_, why);
}

}  // namespace fa4::cli
