// SPDX-License-Identifier: Apache-2.0
// A kernel's code, wherever it comes from: this process, packs, the disk cache, NVRTC, in this order.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/status.h"
#include "jit/bundle.h"
#include "jit/disk_cache.h"
#include "jit/nvrtc.h"
#include "jit/pack.h"
#include "jit/settings.h"
#include "jit/source.h"

namespace fa4::jit {

// A kernel and what it is wanted for.
struct Wanted {
  plan::KernelSpec spec;
  std::string arch;    // "sm_90a"
  std::string driver;  // its version, or "" for a device that is not here
  CodeKind kind = CodeKind::Cubin;
};

struct Compiled {
  Status status;
  std::string key;
  std::shared_ptr<const Image> image;  // null unless ok
};

// Told after each kernel of compile_all; from any thread, one at a time.
using Progress =
    std::function<void(size_t done, size_t total, const Wanted& wanted, const Compiled& result)>;

class Compiler {
 public:
  explicit Compiler(Settings settings);

  // Each kernel is compiled once, however many threads ask.
  Compiled get(const Wanted& wanted);
  std::vector<Compiled> compile_all(std::span<const Wanted> all, unsigned num_threads,
                                    const Progress& progress = {});

  // As PTX, with what the compiler said of it dropped.
  Status ptx_of(const Wanted& wanted, std::string* ptx);

  const Settings& settings() const { return settings_; }
  const DiskCache& disk() const { return disk_; }
  Status nvrtc_file(NvrtcFile* file);

  struct PackState {
    std::string path;
    Status status;
    Pack pack;
  };
  const std::vector<PackState>& packs() const { return packs_; }

 private:
  Status find_sources();
  Compiled find_or_compile(const Unit& unit, const Wanted& wanted);
  bool find_in_packs(const Unit& unit, Image* image, Status* damage) const;
  Status compile(const Unit& unit, const NvrtcFile& file, Image* image);
  void say(Verbosity least, const std::string& sentence) const;

  Settings settings_;
  DiskCache disk_;
  std::vector<PackState> packs_;

  std::once_flag sources_once_, nvrtc_once_;
  Bundle bundle_;
  Status sources_status_, nvrtc_status_;
  NvrtcFile nvrtc_file_;

  std::mutex mutex_;
  std::map<std::string, std::shared_future<Compiled>> images_;  // by unit key and driver
};

// Of this process, made from the environment on the first call.
Compiler& compiler();

}  // namespace fa4::jit
