// SPDX-License-Identifier: Apache-2.0
// What the environment says about compilation; docs/options.md has the table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fa4::jit {

enum class Verbosity : uint8_t { Quiet, Compilations, Everything };

struct Settings {
  std::string nvrtc;       // FA4_NVRTC: a library, or the folder that holds it; empty: searched
  std::string kernel_dir;  // FA4_KERNEL_DIR: kernel sources instead of those inside the library
  std::string cache_dir;   // FA4_CACHE_DIR, else fa4 in XDG's cache folder; empty: no disk cache
  uint64_t cache_bytes = uint64_t{512} << 20;     // FA4_CACHE_MB; 0: no disk cache
  std::vector<std::string> packs;                 // FA4_PACK, separated by ':'
  bool fmad = true;                               // FA4_FMAD: 0, 1
  Verbosity verbosity = Verbosity::Compilations;  // FA4_VERBOSE: 0, 1, 2
};

Settings settings_from_environment();

}  // namespace fa4::jit
