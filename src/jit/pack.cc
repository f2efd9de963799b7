// SPDX-License-Identifier: Apache-2.0
#include "jit/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <sstream>

#include "jit/files.h"
#include "jit/sha256.h"

namespace fa4::jit {
namespace {

constexpr std::string_view kMagic = "fa4pack1";
constexpr size_t kChecksumSize = 64;
constexpr size_t kHeaderSize = kMagic.size() + 8 + kChecksumSize;
constexpr uint64_t kMostIndexBytes = uint64_t{64} << 20;

bool read_at(int file, uint64_t offset, size_t size, std::string* bytes) {
  bytes->resize(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        pread(file, bytes->data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

std::string little_endian(uint64_t value) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

uint64_t from_little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

}  // namespace

Status write_pack(const std::string& path, std::span<const PackedKernel> kernels) {
  std::string index, code;
  for (const PackedKernel& kernel : kernels) {
    const Image& image = *kernel.image;
    const Resources& used = image.resources;
    index += fmt::format("{} {} {} {} {} {} {} {} {} {}\n", kernel.key, image.arch, image.entry,
                         code.size(), image.code.size(), sha256_of(image.code), used.registers,
                         used.stack_bytes, used.spill_store_bytes, used.spill_load_bytes);
    code += image.code;
  }
  std::string bytes(kMagic);
  bytes += little_endian(index.size()) + sha256_of(index) + index + code;
  const std::string aside = unique_name(path);
  Status status = write_file(aside, bytes);
  if (status.ok() && std::rename(aside.c_str(), path.c_str()) != 0) {
    status = unsupported("{} cannot be written: {}", path, std::strerror(errno));
  }
  if (!status.ok()) unlink(aside.c_str());
  return status;
}

Pack::Pack(Pack&& other) noexcept { *this = std::move(other); }

Pack& Pack::operator=(Pack&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(index_, other.index_);
  return *this;
}

Pack::~Pack() {
  if (file_ >= 0) close(file_);
}

Status Pack::open(const std::string& path, Pack* pack) {
  *pack = Pack();
  pack->path_ = path;
  pack->file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (pack->file_ < 0 || fstat(pack->file_, &facts) != 0) {
    return unsupported("pack {} cannot be read: {}", path, std::strerror(errno));
  }
  const auto file_size = static_cast<uint64_t>(facts.st_size);
  std::string header, index;
  if (file_size < kHeaderSize || !read_at(pack->file_, 0, kHeaderSize, &header) ||
      !header.starts_with(kMagic)) {
    return unsupported("{} is no pack of this version of fa4", path);
  }
  const uint64_t index_size = from_little_endian(std::string_view(header).substr(kMagic.size()));
  if (index_size > kMostIndexBytes || index_size > file_size - kHeaderSize ||
      !read_at(pack->file_, kHeaderSize, index_size, &index) ||
      sha256_of(index) != header.substr(kHeaderSize - kChecksumSize)) {
    return unsupported("pack {} is damaged: its index is not what was written", path);
  }
  return pack->read_index(index, kHeaderSize + index_size, file_size);
}

Status Pack::read_index(const std::string& index, uint64_t begin, uint64_t file_size) {
  std::istringstream lines(index);
  std::string key;
  while (lines >> key) {
    Place place;
    Resources& used = place.resources;
    lines >> place.arch >> place.entry >> place.offset >> place.size >> place.checksum >>
        used.registers >> used.stack_bytes >> used.spill_store_bytes >> used.spill_load_bytes;
    const uint64_t rest = file_size - begin;
    if (!lines || place.offset > rest || place.size > rest - place.offset) {
      return unsupported("pack {} is damaged: it ends before kernel {}", path_, place.entry);
    }
    place.offset += begin;
    index_.emplace(key, std::move(place));
  }
  return {};
}

Status Pack::find(const std::string& key, Image* image, bool* found) const {
  const auto at = index_.find(key);
  *found = at != index_.end();
  if (!*found) return {};
  const Place& place = at->second;
  *image = {};
  image->entry = place.entry;
  image->arch = place.arch;
  if (!read_at(file_, place.offset, place.size, &image->code) ||
      sha256_of(image->code) != place.checksum) {
    return unsupported("pack {} is damaged: kernel {} is not what was written", path_, place.entry);
  }
  image->resources = place.resources;
  image->origin = "pack " + path_;
  return {};
}

std::string Pack::archs() const {
  std::set<std::string> archs;
  for (const auto& [key, place] : index_) archs.insert(place.arch);
  std::string text;
  for (const std::string& arch : archs) text += (text.empty() ? "" : ", ") + arch;
  return text;
}

}  // namespace fa4::jit
