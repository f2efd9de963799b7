// SPDX-License-Identifier: Apache-2.0
// Compiled kernels on disk: a folder per key, written aside and renamed into place, so that any number of
// processes may share it without a lock and one that is killed leaves nothing half done. A folder holds the
// generated source beside the cubin, because someone will want to read it.
//
//   entries/KEY/kernel.cu, kernel.cubin or kernel.ptx, ptxas.log, checksum      checksum: of the three others
//   aside/                                                        what is being written or thrown away
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"
#include "jit/image.h"

namespace fa4::jit {

class DiskCache {
 public:
  // An empty folder or a limit of 0: there is none, and nothing is ever found.
  DiskCache(std::string folder, uint64_t limit_bytes);

  bool enabled() const { return enabled_; }
  const std::string& folder() const { return folder_; }
  uint64_t limit_bytes() const { return limit_bytes_; }

  // An entry of the image's kind. One that is not what was written counts as absent; the next put() replaces it.
  bool find(const std::string& key, Image* image) const;

  // Then throws away the entries that were used longest ago, until 9/10 of the limit are left.
  Status put(const std::string& key, const Image& image) const;

  struct Usage {
    uint64_t entries = 0, bytes = 0;
  };
  Usage usage() const;

 private:
  void evict() const;

  std::string folder_;
  uint64_t limit_bytes_;
  bool enabled_;
};

}  // namespace fa4::jit
