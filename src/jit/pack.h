// SPDX-License-Identifier: Apache-2.0
// Kernels compiled ahead of time for any number of architectures, in one file that needs no compiler.
//
//   "fa4pack1", the index's size (8 bytes, little-endian), the index's SHA-256 (64 characters), the index, cubins
//
// The index is text, a line per kernel: key arch entry offset size sha256 registers stack stores loads; offsets
// count from the end of the index.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/status.h"
#include "jit/image.h"

namespace fa4::jit {

struct PackedKernel {
  std::string key;  // Unit::key: another version's kernels have other keys and are not found
  std::shared_ptr<const Image> image;
};

// Appears whole or not at all.
Status write_pack(const std::string& path, std::span<const PackedKernel> kernels);

class Pack {
 public:
  Pack() = default;
  Pack(Pack&& other) noexcept;
  Pack& operator=(Pack&& other) noexcept;
  ~Pack();

  // Reads and checks the index; the file stays open, so one that replaces it later changes nothing.
  static Status open(const std::string& path, Pack* pack);

  // False: not in it. A cubin that is not what was written is an error.
  Status find(const std::string& key, Image* image, bool* found) const;

  const std::string& path() const { return path_; }
  size_t size() const { return index_.size(); }
  std::string archs() const;  // "sm_80, sm_90a"

 private:
  struct Place {
    std::string arch, entry;
    uint64_t offset, size;
    std::string checksum;
    Resources resources;
  };
  Status read_index(const std::string& index, uint64_t begin, uint64_t file_size);

  std::string path_;
  int file_ = -1;
  std::map<std::string, Place> index_;
};

}  // namespace fa4::jit
