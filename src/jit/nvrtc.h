// SPDX-License-Identifier: Apache-2.0
// The compiler, opened at run time.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "jit/source.h"

namespace fa4::jit {

// Where it is, without opening it: its file names the compiler in keys of the disk cache, and a cache hit need
// not pay for a library of 100 MB.
struct NvrtcFile {
  std::string path;
  std::string identity;  // "libnvrtc.so.13, 109338064 bytes"
};

// `named` (FA4_NVRTC) or the first of the search path; the sentence says where it looked.
Status find_nvrtc(const std::string& named, NvrtcFile* file);

class Nvrtc {
 public:
  // Opened once per path; never closed.
  static Status open(const NvrtcFile& file, const Nvrtc** nvrtc);

  const std::string& path() const { return path_; }
  std::string version() const { return fmt::format("{}.{}", major_, minor_); }

  // To a cubin for "sm_90a", with what ptxas said in `log`; to PTX for "compute_90a".
  Status compile(const Unit& unit, const std::string& target, std::string* code,
                 std::string* log) const;

 private:
  Status bind(void* library);
  Status check_target(const std::string& target) const;

  using Program = void*;
  using Texts = const char* const*;
  int (*version_)(int*, int*) = nullptr;
  int (*num_archs_)(int*) = nullptr;
  int (*archs_)(int*) = nullptr;
  const char* (*error_string_)(int) = nullptr;
  int (*create_)(Program*, const char* source, const char* name, int, Texts texts,
                 Texts names) = nullptr;
  int (*destroy_)(Program*) = nullptr;
  int (*compile_)(Program, int, Texts) = nullptr;
  int (*log_size_)(Program, size_t*) = nullptr;
  int (*log_)(Program, char*) = nullptr;
  int (*cubin_size_)(Program, size_t*) = nullptr;
  int (*cubin_)(Program, char*) = nullptr;
  int (*ptx_size_)(Program, size_t*) = nullptr;
  int (*ptx_)(Program, char*) = nullptr;

  std::string path_;
  int major_ = 0, minor_ = 0;
};

}  // namespace fa4::jit
