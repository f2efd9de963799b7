// SPDX-License-Identifier: Apache-2.0
#include "jit/disk_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "jit/files.h"
#include "jit/sha256.h"

namespace fa4::jit {
namespace {

namespace fs = std::filesystem;
using Clock = fs::file_time_type::clock;

constexpr auto kAbandoned = std::chrono::hours(1);  // older things in aside/ are nobody's

struct Entry {
  fs::path path;
  uint64_t bytes;
  fs::file_time_type used;  // of the checksum file, which each use touches
};

const char* code_file(CodeKind kind) {
  return kind == CodeKind::Ptx ? "/kernel.ptx" : "/kernel.cubin";
}

std::string checksum_of(const Image& image) {
  return Sha256().add(image.code).add(image.source).add(image.log).hex() + "\n";
}

std::vector<Entry> list_entries(const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder + "/entries", error)) {
    Entry found{entry.path(), 0, {}};
    for (const auto& file : fs::directory_iterator(entry.path(), error)) {
      const auto size = file.file_size(error);
      if (!error) found.bytes += size;
    }
    found.used = fs::last_write_time(entry.path() / "checksum", error);
    if (error) found.used = fs::file_time_type::min();  // not what was written: goes first
    entries.push_back(std::move(found));
  }
  return entries;
}

// Out of sight first, so that nobody sees half of it.
void throw_away(const fs::path& path, const std::string& folder) {
  std::error_code error;
  const std::string aside = unique_name(folder + "/aside/" + path.filename().string());
  fs::rename(path, aside, error);
  if (!error) fs::remove_all(aside, error);
}

void sweep_aside(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder + "/aside", error)) {
    const auto written = entry.last_write_time(error);
    if (!error && written < Clock::now() - kAbandoned) fs::remove_all(entry.path(), error);
  }
}

Status write_entry(const std::string& path, const Image& image) {
  std::error_code error;
  fs::create_directory(path, error);
  if (error) return unsupported("{} cannot be made: {}", path, error.message());
  FA4_RETURN_IF_ERROR(write_file(path + "/kernel.cu", image.source));
  FA4_RETURN_IF_ERROR(write_file(path + code_file(image.kind), image.code));
  FA4_RETURN_IF_ERROR(write_file(path + "/ptxas.log", image.log));
  return write_file(path + "/checksum", checksum_of(image));
}

}  // namespace

DiskCache::DiskCache(std::string folder, uint64_t limit_bytes)
    : folder_(std::move(folder)),
      limit_bytes_(limit_bytes),
      enabled_(!folder_.empty() && limit_bytes > 0) {}

bool DiskCache::find(const std::string& key, Image* image) const {
  if (!enabled_) return false;
  const std::string path = folder_ + "/entries/" + key;
  const auto code = read_file(path + code_file(image->kind));
  const auto source = read_file(path + "/kernel.cu");
  const auto log = read_file(path + "/ptxas.log");
  const auto checksum = read_file(path + "/checksum");
  if (!code || !source || !log || !checksum) return false;
  image->code = *code;
  image->source = *source;
  image->log = *log;
  if (*checksum != checksum_of(*image)) return false;
  image->resources = resources_of(image->log);
  image->origin = "disk cache";
  std::error_code error;
  fs::last_write_time(path + "/checksum", Clock::now(), error);  // read-only caches serve too
  return true;
}

Status DiskCache::put(const std::string& key, const Image& image) const {
  if (!enabled_) return {};
  std::error_code error;
  for (const char* part : {"/entries", "/aside"}) {
    fs::create_directories(folder_ + part, error);
    if (error) return unsupported("{}{} cannot be made: {}", folder_, part, error.message());
  }
  const std::string aside = unique_name(folder_ + "/aside/" + key);
  const std::string place = folder_ + "/entries/" + key;
  Status status = write_entry(aside, image);
  // An entry that is there already is a good one that another process was faster to write, or a bad one.
  for (int attempt = 0; status.ok() && attempt < 3; ++attempt) {
    if (std::rename(aside.c_str(), place.c_str()) == 0) {
      evict();
      return {};
    }
    const int reason = errno;
    Image other;
    other.kind = image.kind;
    if (find(key, &other)) break;
    if (reason != EEXIST && reason != ENOTEMPTY && reason != ENOTDIR) {
      status = unsupported("{} cannot be renamed to {}: {}", aside, place, std::strerror(reason));
    }
    throw_away(place, folder_);
  }
  fs::remove_all(aside, error);
  return status;
}

void DiskCache::evict() const {
  sweep_aside(folder_);
  std::vector<Entry> entries = list_entries(folder_);
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  if (bytes <= limit_bytes_) return;
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (bytes <= limit_bytes_ / 10 * 9) return;
    throw_away(entry.path, folder_);
    bytes -= entry.bytes;
  }
}

DiskCache::Usage DiskCache::usage() const {
  Usage usage;
  if (!enabled_) return usage;
  for (const Entry& entry : list_entries(folder_)) {
    ++usage.entries;
    usage.bytes += entry.bytes;
  }
  return usage;
}

}  // namespace fa4::jit
